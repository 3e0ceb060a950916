"""The local servers as a person, a test and a crash meet them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import pytest

from consumer.errors import ConfigError
from consumer.local import server as local_server
from consumer.local.broker import Broker, BrokerKind
from consumer.local.embedded_broker import run_embedded_broker
from consumer.local.kafka import kafka_unavailable_reason, run_kafka
from consumer.local.kafka_jars import CHECKOUT
from consumer.local.postgres import Postgres, run_postgres
from consumer.local.postgres_binaries import server_account, shared_temp
from consumer.local.server import Account
from consumer.local.stack import BrokerChoice, run_stack
from tests.support.closed_home import ClosedHome, closed_home
from tests.support.patience import PATIENCE
from tests.support.processes import eventually, is_alive, listening_addresses, owner_of, parent_of
from tests.support.round_trip import create_topic, first_value, produce

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, also as Java's IPv6 sockets have it

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' /proc")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def topic() -> str:
    return f"local-stack-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def reachable() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="shw-test-", dir=shared_temp(server_account())) as parent:
        Path(parent).chmod(0o711)
        yield Path(parent)


async def one(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=PATIENCE)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_record_goes_there_and_back(broker: Broker) -> None:
    name = topic()
    await create_topic(broker.bootstrap, name)
    await produce(broker.bootstrap, name, b"hello", idempotence=broker.idempotence)
    assert await first_value(broker.bootstrap, name) == b"hello"


@on_linux
async def test_a_broker_listens_on_127_0_0_1_only(broker: Broker) -> None:
    addresses = listening_addresses(broker.pid)
    assert addresses
    assert addresses <= LOOPBACK


@on_linux
async def test_postgres_listens_on_127_0_0_1_only(postgres: Postgres) -> None:
    assert listening_addresses(postgres.pid) == {"0100007F"}
    assert await one(postgres.dsn, "SHOW unix_socket_directories") == ""


@on_linux
async def test_postgres_never_runs_as_root(postgres: Postgres) -> None:
    account = server_account()
    assert owner_of(postgres.pid) == (os.geteuid() if account is None else account.uid) != 0


async def test_postgres_wants_its_password(postgres: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await one(postgres.dsn.replace(postgres.password, "wrong"), "SELECT 1")
    assert postgres.password not in repr(postgres)


async def test_postgres_keeps_what_was_committed_through_a_crash() -> None:
    async with run_postgres() as postgres:
        await one(postgres.dsn, "CREATE TABLE kept AS SELECT 7 AS seven")
        before = postgres.pid
        await postgres.restart()
        assert postgres.pid != before
        assert await one(postgres.dsn, "SELECT seven FROM kept") == 7


async def test_postgres_takes_settings_of_its_own_before_ours() -> None:
    async with run_postgres(settings={"shared_buffers": "16MB", "timezone": "Asia/Kathmandu"}) as postgres:
        assert await one(postgres.dsn, "SHOW shared_buffers") == "16MB"
        assert await one(postgres.dsn, "SHOW timezone") == "Asia/Kathmandu"


async def test_a_database_in_a_directory_is_there_again_the_next_time(reachable: Path) -> None:
    async with run_postgres(reachable / "database") as first:
        await one(first.dsn, "CREATE TABLE kept AS SELECT 7 AS seven")
    async with run_postgres(reachable / "database") as second:
        assert await one(second.dsn, "SELECT seven FROM kept") == 7
    assert not is_alive(second.pid)


@as_root
async def test_a_directory_that_postgres_cannot_reach_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot be reached"):
        async with run_postgres(closed / "database"):
            pass


@on_linux
def test_no_command_line_shows_the_environment(kafka_broker: Broker) -> None:
    assert kafka_broker.pid is not None
    command = Path(f"/proc/{parent_of(kafka_broker.pid)}/cmdline").read_bytes()
    assert b"server.properties" in command
    assert "PYTEST_VERSION" in os.environ
    assert b"PYTEST_VERSION" not in command


async def test_kafka_keeps_its_records_through_a_crash(kafka_broker: Broker) -> None:
    name = topic()
    await create_topic(kafka_broker.bootstrap, name)
    await produce(kafka_broker.bootstrap, name, b"kept", idempotence=True)
    await kafka_broker.restart()
    assert await first_value(kafka_broker.bootstrap, name) == b"kept"


async def test_a_broker_is_away_during_its_outage_and_back_after_it() -> None:
    async with run_embedded_broker() as broker:
        host, port = broker.bootstrap.split(":")
        async with broker.outage():
            assert not broker.is_running
            with pytest.raises(OSError, match="Connect"):
                await asyncio.open_connection(host, int(port))
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        await writer.wait_closed()


class TestWhatIsNotGiven:
    async def test_is_started_and_gone_afterwards(self) -> None:
        said: list[str] = []
        async with run_stack(broker=BrokerChoice.EMBEDDED, progress=said.append) as stack:
            assert stack.postgres is not None
            assert stack.broker is not None
            assert stack.broker.kind is BrokerKind.EMBEDDED
            assert not stack.idempotence
            assert await one(stack.dsn, "SELECT 1") == 1
        assert not is_alive(stack.postgres.pid)
        assert not is_alive(stack.broker.pid)
        assert len(said) == 2

    async def test_is_stopped_too_when_the_block_raises(self) -> None:
        with pytest.raises(ZeroDivisionError):
            async with run_stack(progress=lambda _: None) as stack:
                raise ZeroDivisionError
        assert stack.postgres is not None
        assert not is_alive(stack.postgres.pid)

    async def test_auto_takes_the_embedded_broker_without_java(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")
        async with run_stack(broker=BrokerChoice.AUTO, database_dsn="unused", progress=lambda _: None) as stack:
            assert stack.broker is not None
            assert stack.broker.kind is BrokerKind.EMBEDDED

    async def test_kafka_without_java_is_refused_with_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(ConfigError, match="install a Java 17 or newer; or use the embedded broker"):
            async with run_stack(broker=BrokerChoice.KAFKA, database_dsn="unused", progress=lambda _: None):
                pass


async def test_given_addresses_are_used_and_nothing_is_started(postgres: Postgres, embedded_broker: Broker) -> None:
    said: list[str] = []
    async with run_stack(
        broker=BrokerChoice.KAFKA, database_dsn=postgres.dsn, bootstrap=embedded_broker.bootstrap, progress=said.append
    ) as stack:
        assert (stack.postgres, stack.broker, said) == (None, None, [])
        assert (stack.dsn, stack.bootstrap) == (postgres.dsn, embedded_broker.bootstrap)
    assert postgres.is_running
    assert embedded_broker.is_running


@pytest.mark.parametrize(
    ("owner", "run"),
    [
        pytest.param("postgres", run_postgres, id="postgres"),
        pytest.param("embedded_broker", run_embedded_broker, id="embedded"),
        pytest.param("kafka_broker", run_kafka, id="kafka"),
    ],
)
async def test_a_port_that_another_server_of_its_kind_took_is_left_to_it(
    owner: str,
    run: Callable[[], AbstractAsyncContextManager[Postgres | Broker]],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = port_of(request.getfixturevalue(owner))
    offered: list[tuple[int, ...]] = []
    free_ports = local_server.free_ports

    def first_the_taken_one(count: int) -> tuple[int, ...]:
        ports = free_ports(count)
        offered.append(ports if offered else (taken, *ports[1:]))
        return offered[-1]

    monkeypatch.setattr(local_server, "free_ports", first_the_taken_one)
    async with run() as server:
        assert server.is_running
    assert [ports[0] for ports in offered] == [taken, port_of(server)]


def port_of(server: Postgres | Broker) -> int:
    return server.port if isinstance(server, Postgres) else int(server.bootstrap.rpartition(":")[2])


def names() -> list[str]:
    brokers = [kind for kind in BrokerKind if kind is not BrokerKind.KAFKA or kafka_unavailable_reason() is None]
    return ["postgres", *brokers]


@pytest.fixture(scope="module", params=["as_ourselves", pytest.param("as_an_ordinary_user", marks=as_root)])
def home(request: pytest.FixtureRequest) -> Iterator[ClosedHome]:
    account: Account | None = server_account() if request.param == "as_an_ordinary_user" else None
    with tempfile.TemporaryDirectory(prefix="shw-test-", dir=shared_temp(account)) as parent:
        Path(parent).chmod(0o711)
        yield closed_home(Path(parent), account)


def said_by(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    said: dict[str, object] = json.loads(process.stdout.readline())
    return said


def pids_in(said: dict[str, object]) -> list[int]:
    return [pid for name in names() if isinstance(pid := said[name], int)]


def test_the_stack_runs_and_stops_below_a_home_that_only_its_user_may_enter(home: ClosedHome) -> None:
    with home.run_servers(*names()) as process:
        said = said_by(process)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert said["uid"] == (os.geteuid() if home.account is None else home.account.uid)
    assert said["embedded said"] == "hello"
    assert said.get("kafka said", "hello") == "hello"
    assert len(pids_in(said)) == len(names())
    assert not [pid for pid in pids_in(said) if is_alive(pid)]
    assert not Path(str(said["data"])).exists()


def run_servers_here(*names: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.run_servers", *names],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_the_servers_end_when_their_owner_is_killed() -> None:
    with run_servers_here(*names()) as process:
        said = said_by(process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert len(pids_in(said)) == len(names())
    assert eventually(lambda: not [pid for pid in pids_in(said) if is_alive(pid)])
    assert eventually(lambda: not Path(str(said["data"])).parent.exists())


@on_linux
async def test_a_server_ends_when_its_guard_is_killed() -> None:
    async with run_embedded_broker() as broker:
        os.kill(parent_of(broker.pid), signal.SIGKILL)
        assert await asyncio.to_thread(eventually, lambda: not is_alive(broker.pid))
        assert not broker.is_running
