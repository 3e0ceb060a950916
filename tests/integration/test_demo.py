"""The demo and the development mode as a person runs them, and the world that does the counting."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from consumer.catalog import parse_catalog
from consumer.console.session import NAME as SESSION
from consumer.demo.billing import NAME as BILLING
from consumer.demo.cases import demo_cases
from consumer.demo.catalog import ADDRESSED, demo_catalog
from consumer.demo.crowd import NAME, SERVICE
from consumer.demo.dev import ORGANISATION, OwnCatalog
from consumer.demo.merged_catalog import merged_catalog
from consumer.demo.organisations import new_organisations
from consumer.demo.world import World, run_world
from consumer.demo.world_services import DEAD, demo_services
from consumer.local.broker import BrokerKind
from consumer.local.kafka_jars import CHECKOUT
from consumer.local.server import free_ports
from tests.support.patience import PATIENCE
from tests.support.processes import eventually, is_alive
from tests.support.stack import why_no_kafka

DEMO = "import sys; from pathlib import Path; from consumer.demo.demo import run_demo; sys.exit(run_demo(Path({!r})))"
# A world in which two effects happen once too often, one of them of the thousand.
SABOTAGE = """
from consumer.demo.world import EffectRecord
honest = EffectRecord.perform
def perform(record, call):
    for _ in range(2 if call.name in ("notifications:guest-12", "labels:label-0007") else 1):
        honest(record, call)
EffectRecord.perform = perform
"""
DEV = "import sys; from pathlib import Path; from consumer.demo.dev import run_dev; sys.exit(run_dev(Path({!r})))"
CONSOLE = DEV.replace("run_dev(Path({!r}))", "run_dev(Path({!r}), is_for_console=True)")
RESET = DEV.replace("run_dev", "reset_dev")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def says(self, words: str) -> bool:
        return eventually(lambda: words in self.said or self.process.poll() is not None) and words in self.said

    def ends(self) -> int:
        return self.process.wait(3 * PATIENCE)  # for all acts of a demo


@contextmanager
def running(
    program: str, directory: Path, *, broker: str = "embedded", said: str = "output", **variables: str
) -> Iterator[Running]:
    output = directory / said
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", program.format(str(directory))],
            cwd=CHECKOUT,
            env={**os.environ, "BROKER": broker, **variables},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
    try:
        yield Running(process=process, output=output)
    finally:
        process.kill()
        process.wait()


def test_the_demo_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    kind = BrokerKind.EMBEDDED if why_no_kafka() else BrokerKind.KAFKA  # what is wrong below is on the embedded one
    with running(DEMO, tmp_path, broker=kind) as demo:
        code = demo.ends()
        assert code == 0, demo.said
        assert "lost 0, repeated 0\n\nWhat to do next:\n  make dev " in demo.said
        assert "FAILED" not in demo.said
        _tells_what_came_of_everything(demo.said)


def test_a_demo_in_which_something_is_wrong_says_what_and_exits_1(tmp_path: Path) -> None:
    with running(SABOTAGE + DEMO, tmp_path) as demo:
        assert demo.ends() == 1
        assert re.findall("FAILED +(.*)", demo.said) == ["the world counts every effect once"]
        for effect in ("notifications:guest-12", "labels:label-0007"):
            assert f"{effect} happened 2 times and should have 1 times" in demo.said
        assert "lost 0, repeated 2" in demo.said.splitlines()
        _tells_what_came_of_everything(demo.said)


def _tells_what_came_of_everything(said: str) -> None:
    killed, survivor, joined = re.findall(r"\(pid (\d+)\) (?:in the middle|goes on|has joined)", said)
    assert len({killed, survivor, joined}) == 3
    assert 'invoices.book was repaired by [{"op": ' in said
    assert "the plan of refunds.approved waited for a yes: approved" in said
    assert "the plan of refunds.denied waited for a yes: denied" in said
    assert "refunds.corrected was for refund-of-guest-8: approved for refund-of-guest-7" in said
    assert "voices were paid from the voice budget: 0.02 AUD" in said
    assert "the plan of billing.sync waited for a yes: approved" in said
    assert "the plan of rewrites.guests waited for a yes: approved" in said
    assert re.search("rewrites.hostile: .* none of 3 patches held: assertion, host", said)
    assert "10 missed events of billing were applied before; its refund waited for a yes" in said
    assert "producer drift in invoices.daily: send /amount as an integer" in said
    # The thousand of the outage are one row of the table, and a few lines of the story.
    assert len(re.findall(rf"{NAME} .* 1,000 of 1,000 resolved", said)) == 1
    assert said.count(NAME) < 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_outlives_a_demo_that_is_interrupted(number: signal.Signals, tmp_path: Path) -> None:
    with running(DEMO, tmp_path) as demo:
        assert demo.says("records published"), demo.said
        consumers = [int(pid) for pid in re.findall(r"consumer \(pid (\d+)\) is ready", demo.said)]
        assert [is_alive(pid) for pid in consumers] == [True, True]
        addresses = re.findall(r"answers? on 127\.0\.0\.1:(\d+)", demo.said)
        demo.process.send_signal(number)
        assert demo.ends() == (-signal.SIGKILL if number is signal.SIGKILL else 130)
        # One whose database has gone before it drains for as long as it may.
        assert eventually(lambda: not any(map(is_alive, consumers)))
        assert len(addresses) == 2
        assert eventually(lambda: not any(_listens(int(port)) for port in addresses))


def test_an_unknown_broker_is_one_line_that_names_the_known_ones(tmp_path: Path) -> None:
    with running(DEMO, tmp_path, broker="rabbit") as demo:
        assert demo.ends() == 1
        assert demo.said.strip() == ("It cannot go on: BROKER is 'rabbit', and has to be one of kafka, embedded, auto")


def test_development_mode_refuses_settings_that_would_not_count(tmp_path: Path) -> None:
    with running(DEV, tmp_path, SHW_API__PORT="8081") as dev:
        assert dev.ends() == 1
        assert dev.said.startswith("It cannot go on: SHW_API__PORT is set")


MINE = """version: 1
sources: [{source: 'urn:mine', organisations: '*', workflows: '*'}]
workflows:
- name: mine.*
  hosts: [{host: 127.0.0.1, ports: [9], schemes: [http], addresses: [127.0.0.0/8]}]
"""


def test_a_catalog_of_ones_own_comes_before_the_demos_and_is_read_again(tmp_path: Path) -> None:
    demos = demo_catalog([9], dict.fromkeys(ADDRESSED, "http://127.0.0.1:9"))
    path, into = tmp_path / "mine.yaml", tmp_path / "merged.yaml"
    path.write_text(MINE)
    mine = OwnCatalog(path)
    merged = parse_catalog(merged_catalog(mine.read(), demos))
    assert (merged.workflows[0].name, merged.sources[0].source) == ("mine.*", "urn:mine")
    assert len(merged.workflows) == 1 + len(parse_catalog(demos).workflows)
    assert mine.merge_changes(demos, into) is None
    path.write_text(MINE.replace("hosts:", "hots:"))
    assert "did you mean `hosts`?" in (mine.merge_changes(demos, into) or "")
    assert not into.exists()
    path.write_text(MINE.replace("mine.*", "own.*"))
    assert "has changed" in (mine.merge_changes(demos, into) or "")
    assert parse_catalog(into.read_text()).workflows[0].name == "own.*"


class OwnService:
    """docs/your-own-service.md, block by block as it stands but for its port; `make dev` is what the test runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_ports(1)[0]
        page = (CHECKOUT / "docs" / "your-own-service.md").read_text()
        blocks = re.findall(r"^```sh\n(.*?)^```", self.with_its_port(page), re.MULTILINE | re.DOTALL)
        files, self.serve, self.dev, self._publish, self._look, self._unsafe, self._safe = blocks
        assert self.dev.endswith(" make dev\n")
        self.catalog = str(folder / self.dev.removeprefix("CATALOG=").removesuffix(" make dev\n"))
        (folder / ".venv").symlink_to(sys.prefix)
        self.run(files)

    def with_its_port(self, page: str) -> str:
        return page.replace("8123", str(self._port))

    @contextmanager
    def running(self) -> Iterator[None]:
        with subprocess.Popen(["/bin/sh", "-c", f"exec {self.serve}"], cwd=self._folder) as service:
            try:
                assert eventually(lambda: _listens(self._port))
                yield
            finally:
                service.kill()

    def follow_the_page(self, dev: Running) -> None:
        self.run(self._publish)
        self.tells(dev, r"greetings\.fetch +resolved .*auto-retry success \(status: answered 200\)")
        assert "greetings.fetch" in self.run(f". .local/dev.env; {self._look}")
        self.run(f". .local/dev.env; {self._unsafe}")
        self.tells(dev, r"greetings\.unsafe +given_up .*POST may already have had its effect")
        assert '"healable":true' in self.run(f". .local/dev.env; {self._safe}")
        self.tells(dev, r"greetings\.send +resolved .*expect: 1 of 1 hold; handover: answered 200")

    def run(self, block: str) -> str:
        return _shell(f"set -e; {block}", self._folder)

    def tells(self, dev: Running, line: str) -> None:
        assert eventually(lambda: re.search(line, dev.said) is not None), dev.said


class PythonService:
    """docs/sources/python-service.md in the same way, beside the service and the catalog that both pages begin with."""

    def __init__(self, beside: OwnService) -> None:
        self._beside = beside
        page = (CHECKOUT / "docs" / "sources" / "python-service.md").read_text()
        blocks = re.findall(r"^```sh\n(.*?)^```", beside.with_its_port(page), re.MULTILINE | re.DOTALL)
        self._files, serve, dev, self._caller, self._call, self._look, self._check = blocks
        assert (serve, dev) == (beside.serve, beside.dev)

    def follow_the_page(self, dev: Running) -> None:
        before = Path(self._beside.catalog).read_text()
        self._beside.run(self._files)
        assert Path(self._beside.catalog).read_text() == before
        said = self._beside.run(self._caller + self._call)
        assert re.fullmatch("hello [12] failed: .*without sending.*\ninvite [12] failed: .*without sending.*\n", said)
        for step in ("hello", "invite"):
            self._beside.tells(dev, rf"greetings\.{step} +resolved .*auto-retry success \(status: answered 200\)")
        assert "greetings.invite" in self._beside.run(f". .local/dev.env; {self._look}")
        assert "change this line" in self._beside.run(self._check)


def test_development_mode_prints_lines_that_work_and_keeps_its_data_until_it_is_reset(tmp_path: Path) -> None:
    home = tmp_path / ".local"
    home.mkdir()
    with running(DEV, home) as dev:
        assert dev.says("Ctrl-C ends everything"), dev.said
        environment = home / "dev.env"
        assert environment.stat().st_mode & 0o077 == 0
        publish = _line(dev, "shw publish").replace(".venv/bin/shw", f"{sys.executable} -m consumer")
        failure_id = json.loads(_shell(f". {environment}; {publish}"))["failure_id"]
        with _signed_in(environment) as client:
            api = _line(dev, "/api/healing/stats").rpartition(" ")[2].removesuffix("/stats")
            assert client.get(f"{api}/stats").json()["totalFailures"] >= 1
            assert eventually(lambda: client.get(f"{api}/failures/{failure_id}").json().get("resolved") is True)
            body, _, where = _line(dev, "/api/healing/heal").partition("-d '")[2].partition("' ")
            assert where == f"{api}/heal"
            told = _shell(f". {environment}; ID={json.loads(body)['failureId']}; {_curls_of_the_readme(api)}")
            assert '"strategy":"auto-retry","result":"failed","code":"not_healed"' in told.replace(": ", ":")
            assert all(words in told for words in ('"totalFailures"', '"ready":true', "shw_events_total"))
            assert '{"error":{"code"' not in told
        assert eventually(
            lambda: re.search(r"^\d\d:\d\d:\d\d .* resolved +api_timeout", dev.said, re.MULTILINE) is not None
        )
        assert f"TOKEN (an owner of {ORGANISATION})" in dev.said
        console = re.search(r"^Console +(\S+) ", dev.said, re.MULTILINE)
        assert console is not None
        with _in_console(environment) as reader:
            assert eventually(lambda: "refunds.approved" in reader.get(f"{console[1]}?status=awaiting_approval").text)
        with running(CONSOLE, home, said="second") as second:
            assert second.ends() == 1
            assert f"runs already (process {dev.process.pid})" in second.said
        assert _value(environment, "SHW_API__JWT_SECRET") not in _command_lines()
        healed_orders = re.compile(r"orders\.sync +resolved .*auto-retry success \(.*expect: 1 of 1 hold")
        assert eventually(lambda: healed_orders.search(dev.said) is not None), dev.said
        token = _value(environment, "TOKEN")
        dev.process.send_signal(signal.SIGINT)
        assert dev.ends() == 0
        assert not environment.exists()
    own = OwnService(tmp_path)
    with own.running(), running(DEV, home, said="again", CATALOG=own.catalog) as again:
        assert again.says("Ctrl-C ends everything"), again.said
        with _signed_in(environment, token) as client:
            api = _line(again, "/api/healing/stats").rpartition(" ")[2].removesuffix("/stats")
            assert client.get(f"{api}/failures/{failure_id}").json().get("resolved") is True
        own.follow_the_page(again)
        PythonService(own).follow_the_page(again)
        again.process.send_signal(signal.SIGINT)
        assert again.ends() == 0
    with running(RESET, home, said="reset") as reset:
        assert reset.ends() == 0
        assert [path.name for path in (home / "dev").iterdir()] == ["lock"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with run_world(demo_services(), dead=DEAD) as running_world:
        yield running_world


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False, verify=False) as opened:
        yield opened


async def test_the_world_counts_each_unkeyed_call_and_each_key_once(world: World, client: httpx2.AsyncClient) -> None:
    for _ in range(2):
        await client.post(world.url("notifications", "/notifications"), json={"reference": "n"})
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(world.url("orders", "/orders"), json={"reference": "o"})  # its answer is lost each time
    assert world.record.effects == {"notifications:n": 2, "orders:o": 2}
    statuses = []
    for _ in range(3):
        try:
            answer = await client.post(
                world.url("orders", "/orders"), json={"reference": "k"}, headers={"Idempotency-Key": "key"}
            )
            statuses.append(answer.status_code)
        except httpx2.RemoteProtocolError:
            statuses.append(0)
    assert statuses == [0, 201, 201]
    assert world.record.effects["orders:k"] == 1


async def test_the_world_is_silent_until_its_caller_goes(world: World, client: httpx2.AsyncClient) -> None:
    held = frozenset({"texts:t"})
    call = asyncio.create_task(client.post(world.url("texts", "/texts"), json={"reference": "t"}))
    await world.until_held(held, timedelta(seconds=5))
    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert world.record.effects == {"texts:t": 1}


async def test_a_dead_service_refuses_every_connection(world: World, client: httpx2.AsyncClient) -> None:
    with pytest.raises(httpx2.ConnectError):
        await client.get(world.url("archive", "/archive"))


async def test_a_service_that_is_down_does_nothing_and_its_calls_at_once_are_counted(
    world: World, client: httpx2.AsyncClient
) -> None:
    async def order(number: int) -> int:
        answer = await client.post(
            world.url(SERVICE, "/labels"), json={"reference": f"l{number}"}, headers={"Idempotency-Key": f"k{number}"}
        )
        return answer.status_code

    world.take_down(SERVICE)
    assert await asyncio.gather(*(order(number) for number in range(3))) == [503, 503, 503]
    record = world.record
    assert (record.calls[SERVICE], record.most_at_once[SERVICE], +record.effects) == (3, 3, {})
    record.watch_anew(SERVICE)
    assert [await order(0), await order(1)] == [503, 503]
    assert record.most_at_once[SERVICE] == 1
    world.bring_up(SERVICE)
    assert [await order(0), await order(0)] == [201, 201]
    assert record.effects == {f"{SERVICE}:l0": 1}


async def test_the_world_survives_a_caller_who_speaks_no_http(world: World, client: httpx2.AsyncClient) -> None:
    port = int(world.url("rates", "/").rpartition(":")[2].rstrip("/"))
    for noise in (b"\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n[]"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(noise)
            writer.write_eof()
            async with asyncio.timeout(PATIENCE):
                await reader.read()
        finally:
            writer.transport.abort()
    assert (await client.get(world.url("rates", "/rates/x"))).status_code == 429
    assert (await client.get(world.url("rates", "/rates/x"))).status_code == 200


async def test_the_demos_catalog_is_valid_and_allows_every_service(world: World) -> None:
    from consumer.catalog import parse_catalog  # noqa: PLC0415 - only here

    catalog = parse_catalog(demo_catalog(world.ports, {name: world.url(name, "") for name in ADDRESSED}))
    names = [NAME, *(case.name for case in demo_cases(world, new_organisations())), BILLING]
    assert len(names) == len(set(names))
    for name in names:
        policy = catalog.policy(name)
        assert policy is not None
        assert set(policy.hosts[0].ports) == set(world.ports)


def _curls_of_the_readme(api: str) -> str:
    """README's calls of the API, word for word but for the address."""
    section = (CHECKOUT / "README.md").read_text().partition("## HTTP API\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return str(block).replace("http://127.0.0.1:8080", api.removesuffix("/api/healing"))


def _line(dev: Running, part: str) -> str:
    return next(line.strip() for line in dev.said.splitlines() if part in line and line.startswith("  "))


def _shell(command: str, folder: Path = CHECKOUT) -> str:
    ran = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, check=True, timeout=PATIENCE)
    return ran.stdout.decode()


def _signed_in(environment: Path, token: str | None = None) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {token or _value(environment, 'TOKEN')}"}
    return httpx2.Client(headers=headers, trust_env=False, verify=False, timeout=PATIENCE)


def _in_console(environment: Path) -> httpx2.Client:
    cookies = {SESSION: _value(environment, "TOKEN")}
    return httpx2.Client(cookies=cookies, trust_env=False, timeout=PATIENCE)


def _value(environment: Path, name: str) -> str:
    found = re.search(rf"^export {name}=(\S+)$", environment.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _command_lines() -> str:
    """What every user of this machine may read of its processes; nothing where there is no /proc."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            lines.append(path.read_bytes().decode(errors="replace"))
    return "\n".join(lines)


def _listens(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0
