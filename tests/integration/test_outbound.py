"""The way out against a real server: what the guard lets through, and what a call's result says."""

import gzip
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import httpcore2
import httpx2
import pytest

from consumer.catalog import Host, Secret, WorkflowPolicy
from consumer.local.stream_server import stream_server
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from consumer.outbound.calls import OutboundCalls, open_calls
from consumer.outbound.dialing import Resolve, SocketOption
from tests.support.healing import policy
from tests.support.worlds.http_world import Reply, World, http_world, json_reply

SECOND = timedelta(seconds=1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


def get(url: str, **headers: str) -> OutboundRequest:
    return OutboundRequest(method="GET", url=url, headers=tuple(headers.items()))


async def sent(
    request: OutboundRequest,
    allowed: WorkflowPolicy,
    *,
    calls: OutboundCalls | None = None,
    within: timedelta = 10 * SECOND,
    max_bytes: int = 1 << 20,
) -> CallResult:
    if calls is not None:
        return await calls.send(request, allowed, within=within, max_bytes=max_bytes)
    async with open_calls({}) as opened:
        return await opened.send(request, allowed, within=within, max_bytes=max_bytes)


def resolving(*rounds: Sequence[str]) -> Resolve:
    """A resolver that answers each question with the next of its rounds, the last one for ever."""
    asked = 0

    async def resolve(host: str, port: int) -> Sequence[str]:
        nonlocal asked
        del host, port
        asked += 1
        return rounds[min(asked, len(rounds)) - 1]

    return resolve


class Dialled(httpcore2.AsyncNetworkBackend):
    """Notes which addresses are dialled; really dials those of this machine."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.addresses.append(host)
        if host != "127.0.0.1":
            raise httpcore2.ConnectError("not this machine")
        return await self.network.connect_tcp(host, port, timeout, local_address, socket_options)


async def test_an_unguarded_client_reaches_a_private_address_and_ours_refuses(world: World) -> None:
    world.on("/", json_reply({"ok": True}))
    async with httpx2.AsyncClient(trust_env=False) as unguarded:
        assert (await unguarded.get(world.url("/", "localhost"))).status_code == 200
    listed_by_name_only = WorkflowPolicy(
        name="*", hosts=(Host(host="localhost", ports=(world.port,), schemes=("http",)),)
    )
    refused = await sent(get(world.url("/", "localhost")), listed_by_name_only)
    assert isinstance(refused, EgressRefused)
    assert "loopback" in refused.reason
    assert "addresses" in refused.reason
    assert len(world.seen) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/", "http://[::1]:{}/", "http://localhost:{}/"])
async def test_a_host_outside_the_catalog_is_never_dialled(world: World, url: str) -> None:
    dialled = Dialled()
    async with open_calls({}, network=dialled) as calls:
        refused = await sent(get(url.format(world.port)), policy(world.port, host="api.example.com"), calls=calls)
    assert isinstance(refused, EgressRefused)
    assert dialled.addresses == []


async def test_a_name_that_turns_private_between_two_calls_is_dialled_only_while_public() -> None:
    dialled = Dialled()
    allowed = WorkflowPolicy(name="*", hosts=(Host(host="rebind.example", ports=(80,), schemes=("http",)),))
    async with open_calls({}, resolve=resolving(["93.184.216.34"], ["127.0.0.1"]), network=dialled) as calls:
        first = await sent(get("http://rebind.example/"), allowed, calls=calls)
        second = await sent(get("http://rebind.example/"), allowed, calls=calls)
    assert isinstance(first, NotSent)
    assert isinstance(second, EgressRefused)
    assert dialled.addresses == ["93.184.216.34"]


@pytest.mark.parametrize("hidden", ["127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "169.254.169.254"])
async def test_one_private_address_among_public_ones_refuses_them_all(hidden: str) -> None:
    dialled = Dialled()
    allowed = WorkflowPolicy(name="*", hosts=(Host(host="mixed.example", ports=(80,), schemes=("http",)),))
    async with open_calls({}, resolve=resolving(["8.8.8.8", hidden]), network=dialled) as calls:
        result = await sent(get("http://mixed.example/"), allowed, calls=calls)
    assert isinstance(result, EgressRefused)
    assert dialled.addresses == []


async def test_the_checked_address_is_dialled_and_the_host_header_stays_the_names(world: World) -> None:
    world.on("/", json_reply({}))
    dialled = Dialled()
    async with open_calls({}, resolve=resolving(["127.9.9.9", "127.0.0.1"]), network=dialled) as calls:
        request = get(world.url("/", "service.test"), Host="evil.example", Connection="upgrade")
        result = await sent(request, policy(world.port, host="service.test"), calls=calls)
    assert isinstance(result, Answer)
    assert dialled.addresses == ["127.9.9.9", "127.0.0.1"]
    assert world.seen[0].headers["host"] == f"service.test:{world.port}"
    assert world.seen[0].headers.get("connection") != "upgrade"


async def test_a_redirect_is_the_answer_and_is_not_followed(world: World) -> None:
    world.on("/", Reply(status=302, headers=(("Location", world.url("/inner")),)))
    world.on("/inner", json_reply({"secret": 1}))
    result = await sent(get(world.url("/")), policy(world.port))
    assert isinstance(result, Answer)
    assert result.status == 302
    assert world.calls("/inner") == []


async def test_a_proxy_in_the_environment_is_not_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    world.on("/", json_reply({}))
    assert isinstance(await sent(get(world.url("/")), policy(world.port)), Answer)


async def test_repeated_headers_are_all_kept(world: World) -> None:
    world.on("/", Reply(headers=(("X-Many", "1"), ("X-Many", "2"))))
    result = await sent(get(world.url("/")), policy(world.port))
    assert isinstance(result, Answer)
    assert [value for name, value in result.headers if name.lower() == "x-many"] == ["1", "2"]


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_is_cut_at_its_decoded_size(world: World, *, compressed: bool) -> None:
    body = b"x" * 8_000_000
    reply = Reply(body=gzip.compress(body), headers=(("Content-Encoding", "gzip"),)) if compressed else Reply(body=body)
    world.on("/", reply)
    result = await sent(get(world.url("/")), policy(world.port), max_bytes=10_000)
    assert isinstance(result, Answer)
    assert result.truncated
    assert len(result.body) == 10_000


async def test_a_compressed_answer_is_decoded(world: World) -> None:
    world.on("/", Reply(body=gzip.compress(b"hello"), headers=(("Content-Encoding", "gzip"),)))
    result = await sent(get(world.url("/")), policy(world.port))
    assert isinstance(result, Answer)
    assert (result.body, result.truncated) == (b"hello", False)


async def test_a_silent_server_is_ambiguous_when_the_time_is_over(world: World) -> None:
    world.on("/", Reply(never=True))
    result = await sent(get(world.url("/")), policy(world.port), within=SECOND / 5)
    assert isinstance(result, Ambiguous)
    assert result.kind == "ReadTimeout"
    assert result.elapsed < 3 * SECOND
    assert world.performed("/") == 1


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(body=b"x" * 1000, cut=True)], ids=["drop", "cut"])
async def test_a_connection_lost_after_sending_is_ambiguous(world: World, reply: Reply) -> None:
    world.on("/", reply)
    assert isinstance(await sent(get(world.url("/")), policy(world.port)), Ambiguous)


async def test_a_body_that_cannot_be_decoded_is_ambiguous(world: World) -> None:
    world.on("/", Reply(body=b"not gzip", headers=(("Content-Encoding", "gzip"),)))
    assert isinstance(await sent(get(world.url("/")), policy(world.port)), Ambiguous)


async def test_a_closed_port_is_provably_not_sent() -> None:
    async with http_world() as gone:
        port = gone.port
    result = await sent(get(f"http://127.0.0.1:{port}/"), policy(port))
    assert isinstance(result, NotSent)
    assert result.kind == "ConnectError"


async def test_a_name_without_address_is_provably_not_sent() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError(host, port)

    async with open_calls({}, resolve=nowhere) as calls:
        result = await sent(get("http://gone.test/"), policy(80, host="gone.test"), calls=calls)
    assert isinstance(result, NotSent)
    assert result.kind == "NameResolutionError"


async def test_waiting_for_a_free_connection_ends_as_not_sent(world: World) -> None:
    world.on("/", json_reply({}))
    async with open_calls({}, connections=0) as calls:
        result = await sent(get(world.url("/")), policy(world.port), calls=calls, within=SECOND / 10)
    assert isinstance(result, NotSent)
    assert result.kind == "PoolTimeout"
    assert world.seen == []


async def test_a_tls_handshake_that_does_not_end_is_provably_not_sent(world: World) -> None:
    result = await sent(get(f"https://127.0.0.1:{world.port}/"), policy(world.port), within=SECOND / 2)
    assert isinstance(result, NotSent)
    assert world.seen == []


SECRET = "s3cr3t-value-of-the-key"
DECLARED = {
    "KEY": Secret(env="TEST_OUTBOUND_KEY", hosts=("127.0.0.1",), methods="*", paths="*", headers="*"),
    "GONE": Secret(env="TEST_OUTBOUND_GONE", methods="*", paths="*", headers="*"),
}


async def test_a_secret_reaches_the_server_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEST_OUTBOUND_KEY", SECRET)
    world.on("/", lambda _, seen: json_reply({"echo": seen.headers["authorization"]}, headers=(("X-Echo", SECRET),)))
    request = get(world.url("/"), Authorization="Bearer secret://KEY")
    async with open_calls(DECLARED) as calls:
        result = await sent(request, policy(world.port, secrets=("KEY",)), calls=calls)
    assert world.seen[0].headers["authorization"] == f"Bearer {SECRET}"
    assert isinstance(result, Answer)
    assert b"Bearer secret://KEY" in result.body
    assert SECRET not in repr((request, result)) + caplog.text


@pytest.mark.parametrize(("name", "listed"), [("KEY", ()), ("GONE", ("GONE",)), ("KEY", ("KEY",))])
async def test_a_secret_that_may_not_or_cannot_be_read_stops_the_call(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, listed: tuple[str, ...]
) -> None:
    monkeypatch.delenv("TEST_OUTBOUND_KEY", raising=False)
    async with open_calls(DECLARED) as calls:
        request = get(world.url("/"), Authorization=f"secret://{name}")
        result = await sent(request, policy(world.port, secrets=listed), calls=calls)
    assert isinstance(result, EgressRefused)
    assert f"secret://{name}" in result.reason
    assert world.seen == []


async def test_a_secret_can_come_from_a_file(world: World, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    world.on("/", json_reply({}))
    declared = {"KEY": Secret(file=str(tmp_path / "key"), hosts=("127.0.0.1",), methods="*", paths="*", headers="*")}
    async with open_calls(declared) as calls:
        await sent(get(world.url("/"), X="secret://KEY"), policy(world.port, secrets=("KEY",)), calls=calls)
    assert world.seen[0].headers["x"] == SECRET


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
async def test_a_method_that_tunnels_or_echoes_is_never_sent(world: World, method: str) -> None:
    request = OutboundRequest(method=method, url=world.url("/"))
    assert isinstance(await sent(request, policy(world.port)), EgressRefused)
    assert world.seen == []


@asynccontextmanager
async def tls_server(folder: Path) -> AsyncIterator[tuple[int, ssl.SSLContext, list[str | None]]]:
    """A TLS server for `secure.test`; the names that clients asked for by SNI."""
    import asyncio  # noqa: PLC0415 - only this server needs it

    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=secure.test"
    files = ["-addext", "subjectAltName=DNS:secure.test", "-keyout", str(folder / "k"), "-out", str(folder / "c")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)  # noqa: ASYNC221 - once, quick
    names: list[str | None] = []
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / "c", folder / "k")
    server_side.sni_callback = lambda _socket, name, _context: names.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    client_side = ssl.create_default_context(cafile=str(folder / "c"))
    async with stream_server(answer, tls=server_side) as port:
        yield port, client_side, names


async def test_tls_asks_for_and_verifies_the_urls_name_whatever_address_is_dialled(tmp_path: Path) -> None:
    async with tls_server(tmp_path) as (port, trusting, names):
        hosts = tuple(
            Host(host=name, ports=(port,), addresses=(ip_network("127.0.0.0/8"),))
            for name in ("secure.test", "other.test")
        )
        allowed = WorkflowPolicy(name="*", hosts=hosts)
        calls = OutboundCalls({}, tls=trusting, resolve=resolving(["127.0.0.1"]))
        right = await sent(get(f"https://secure.test:{port}/"), allowed, calls=calls)
        wrong = await sent(get(f"https://other.test:{port}/"), allowed, calls=calls)
    assert isinstance(right, Answer)
    assert right.body == b"ok"
    assert isinstance(wrong, NotSent)
    assert names == ["secure.test", "other.test"]
