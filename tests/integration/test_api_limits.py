"""What a stranger, or a user, can take of the API: bytes, time, connections, requests; and what is left for others."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.support.api_world import World, error_of, serving
from tests.support.patience import PATIENCE
from tests.support.pipeline import until

MB = 1024 * 1024
SOON = timedelta(milliseconds=300)
SAFE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


class Line:
    """A connection written by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, json.loads(body) if body else None

    async def is_closed(self) -> bool:
        try:
            return not await asyncio.wait_for(self.reader.read(), PATIENCE)
        except ConnectionError:
            return True


@asynccontextmanager
async def line(world: World) -> AsyncIterator[Line]:
    place = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


def post(world: World, person: str | None, *headers: str) -> str:
    signed = [f"Authorization: {world.signed(person)}"] if person else []
    lines = ["POST /api/healing/heal HTTP/1.1", "Host: x", "Content-Type: application/json", *signed, *headers]
    return "\r\n".join(lines) + "\r\n\r\n"


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def pour(sender: Line, size: int) -> None:
    """Write until so many bytes are on their way, or the other side has had enough."""
    chunk = b"x" * MB
    try:
        for _ in range(size // MB):
            sender.write(chunk)
            await sender.writer.drain()
    except ConnectionError:
        return


# --- bytes


async def test_without_a_token_nothing_of_a_body_is_kept_and_the_connection_is_closed(world: World) -> None:
    async with line(world) as stranger:
        stranger.write(post(world, None, f"Content-Length: {200 * MB}"))
        status, headers, body = await stranger.answer()
        assert (status, body["error"]["code"], headers["connection"]) == (401, "not_signed_in", "close")
        await pour(stranger, 200 * MB)
        assert await stranger.is_closed()
    async with line(world) as stranger:  # whoever waits to be asked for the body is not asked
        stranger.write(post(world, None, f"Content-Length: {200 * MB}", "Expect: 100-continue"))
        assert (await stranger.answer())[0] == 401


@pytest.mark.parametrize("told", [f"Content-Length: {200 * MB}", "Transfer-Encoding: chunked"])
async def test_a_body_that_is_too_large_is_a_413_whether_or_not_its_length_is_told(world: World, told: str) -> None:
    async with line(world) as user:
        user.write(post(world, "owner", told))
        if "chunked" in told:
            user.write(b"20000\r\n" + b" " * 0x20000 + b"\r\n")  # twice as much as the default
        status, headers, body = await user.answer()
        assert (status, body["error"]["code"], headers["connection"]) == (413, "too_large", "close")


async def test_large_and_aborted_bodies_leave_no_memory_behind(world: World) -> None:
    await (await _poured(world, "owner"))
    gc.collect()
    before, highest = resident(), 0
    for person in (None, "owner", "owner"):
        await (await _poured(world, person))
        highest = max(highest, resident())
    gc.collect()
    assert highest - before < 40 * MB
    assert resident() - before < 20 * MB
    assert (await world.ask("GET", "/api/healing/stats")).status_code == 200


async def _poured(world: World, person: str | None) -> Any:  # noqa: ANN401
    async def pouring() -> None:
        async with line(world) as sender:
            sender.write(post(world, person, "Transfer-Encoding: chunked"))
            chunk = b"%x\r\n" % MB + b"x" * MB + b"\r\n"
            try:
                for _ in range(200):
                    sender.write(chunk)
                    await sender.writer.drain()
            except ConnectionError:
                return

    return pouring()


async def test_a_body_within_the_limit_is_read_however_it_comes(world: World) -> None:
    failure_id = await world.failure()
    await world.attempt(failure_id, 0)
    body = json.dumps({"failureId": str(failure_id)}).encode()
    async with line(world) as user:
        user.write(post(world, "owner", "Transfer-Encoding: chunked"))
        for byte in body:
            user.write(b"1\r\n" + bytes([byte]) + b"\r\n")
            await user.writer.drain()
        user.write(b"0\r\n\r\n")
        status, headers, answer = await user.answer()
        assert (status, answer["success"], headers.get("connection")) == (200, True, None)
        user.write(post(world, "owner", f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert (await user.answer())[0] == 100
        user.write(body)
        assert (await user.answer())[0] == 200


# --- time


async def test_half_a_head_and_half_a_body_are_given_a_time_and_an_answer(database: str) -> None:
    async with serving(database, header_timeout=SOON, body_timeout=SOON) as world:
        async with line(world) as slow:
            slow.write("GET /healthz HTTP/1.1\r\nHost: x\r\nX-")
            status, headers, body = await slow.answer()
            assert (status, body["error"]["code"]) == (408, "too_slow")
            assert headers.items() >= SAFE.items()
            assert await slow.is_closed()
        async with line(world) as slow:
            slow.write(post(world, "owner", "Content-Length: 100") + "{")
            assert (await slow.answer())[0] == 408
            assert await slow.is_closed()
        async with line(world) as silent:
            assert await silent.is_closed()
        async with line(world) as again:  # the next head on a kept connection has the same time
            again.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he")
            assert (await again.answer())[0] == 200
            assert (await again.answer())[0] == 408


async def test_a_head_that_comes_byte_by_byte_gets_no_more_time_than_another(database: str) -> None:
    async with serving(database, header_timeout=SOON) as world, line(world) as slow:

        async def drip() -> None:
            slow.write("GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")
            while True:
                slow.write("a")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        with suppress(ConnectionResetError):  # a byte that comes after the end may take the answer with it
            assert (await slow.answer())[0] == 408
        dripping.cancel()


async def test_an_idle_connection_is_closed_and_a_busy_one_is_kept(database: str) -> None:
    async with serving(database, keep_alive=timedelta(seconds=1)) as world, line(world) as kept:
        for _ in range(3):
            kept.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await kept.answer())[0] == 200
        assert await kept.is_closed()


async def test_a_request_that_hangs_is_answered_503_in_time(database: str) -> None:
    times = {"request_timeout": SOON, "body_timeout": SOON, "heal_wait": SOON}
    async with serving(database, **times) as world, world.pool.acquire() as other:
        failure_id = await world.failure()
        async with other.transaction():
            await other.execute("LOCK TABLE workflow_failures IN ACCESS EXCLUSIVE MODE")
            response = await world.ask("GET", f"/api/healing/failures/{failure_id}")
            assert error_of(response) == (503, "busy")
            assert "Retry-After" in response.headers
        assert (await world.ask("GET", f"/api/healing/failures/{failure_id}")).status_code == 200


async def test_who_does_not_take_an_answer_is_cut_off(database: str) -> None:
    # However long the work on a request may take.
    async with serving(database, request_timeout=timedelta(seconds=1.5), address_burst=100_000) as world:
        for index in range(8):
            await world.failure(f"f{index}", context=json.dumps({"text": "x" * 40_000}))
        async with line(world) as lazy:
            head = f"GET /api/healing/failures HTTP/1.1\r\nHost: x\r\nAuthorization: {world.signed()}\r\n\r\n"
            lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]
            lazy.write(head * 60)

            async def is_cut_off() -> bool:
                return _connections(await world.ask("GET", "/metrics", None)) == 1  # our own

            await until(is_cut_off)


def _connections(response: Any) -> float:  # noqa: ANN401
    said = next(one for one in response.text.splitlines() if one.startswith("shw_api_connections "))
    return float(said.split()[1])


# --- connections


async def test_idle_connections_far_above_the_cap_keep_nobody_out(database: str) -> None:
    async with serving(database, connections=32) as world:
        place = urlsplit(world.url)
        opened = [await asyncio.open_connection(place.hostname, place.port) for _ in range(300)]
        for index, (_, writer) in enumerate(opened):
            if index % 2:
                writer.write(b"GET /healthz HTTP/1.1\r\nX-Half: ")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await world.ask("GET", path, None)).status_code == 200
        response = await world.ask("GET", "/api/healing/stats")
        assert response.status_code == 200
        assert _connections(await world.ask("GET", "/metrics", None)) <= 32
        for _, writer in opened:
            writer.transport.abort()


async def test_one_address_closes_its_own_idle_connections_and_no_others(database: str) -> None:
    async with serving(database, connections=40, connections_per_address=20) as world:
        place = urlsplit(world.url)
        async with line(world) as honest:
            honest.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await honest.answer())[0] == 200
            opened = [
                await asyncio.open_connection(place.hostname, place.port, local_addr=("127.0.0.2", 0))
                for _ in range(100)
            ]
            assert _connections(await world.ask("GET", "/metrics", None)) <= 22
            honest.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await honest.answer())[0] == 200
            for _, writer in opened:
                writer.transport.abort()


async def test_while_all_connections_wait_for_heals_probes_are_answered_and_others_told_to_come_again(
    database: str,
) -> None:
    async with serving(database, connections=16, heal_wait=timedelta(seconds=30)) as world, AsyncExitStack() as stack:
        failure_id = await world.failure()
        body = json.dumps({"failureId": str(failure_id)})
        asking = [await stack.enter_async_context(line(world)) for _ in range(8)]
        for one in asking:
            assert (await world.ask("GET", "/api/healing/stats")).status_code == 200
            one.write(post(world, "owner", f"Content-Length: {len(body)}") + body)
            assert (await world.ask("GET", "/healthz", None)).status_code == 200
        assert error_of(await world.ask("GET", "/api/healing/stats")) == (503, "busy")
        assert (await world.ask("GET", "/metrics", None)).status_code == 200
        await world.attempt(failure_id, 0)
        assert [(await one.answer())[0] for one in asking] == [200] * 8
        assert (await world.ask("GET", "/api/healing/stats")).status_code == 200


# --- requests


async def test_a_stranger_is_slowed_down_and_a_user_at_the_same_address_is_not(database: str) -> None:
    async with serving(database, address_rate=0.001, address_burst=5) as world:
        statuses = [(await world.ask("GET", "/api/healing/stats", None)).status_code for _ in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        response = await world.ask("GET", "/nothing", None)
        assert error_of(response) == (429, "too_many_requests")
        assert 900 <= int(response.headers["Retry-After"]) <= 1000
        assert response.headers.items() >= SAFE.items()
        assert (await world.ask("GET", "/api/healing/stats")).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await world.ask("GET", path, None)).status_code == 200


async def test_a_user_is_slowed_down_and_another_is_not(database: str) -> None:
    async with serving(database, user_rate=0.001, user_burst=5) as world:
        statuses = [(await world.ask("GET", "/api/healing/stats")).status_code for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        assert (await world.ask("GET", "/api/healing/stats", "admin")).status_code == 200
        text = (await world.ask("GET", "/metrics", None)).text
        assert 'shw_api_turned_away_total{limit="user_rate"} 3.0' in text


async def test_a_forwarded_address_counts_only_where_its_proxy_is_trusted(database: str) -> None:
    for trusted, expected in ((None, [401, 401, 429, 429]), ("127.0.0.0/8", [401] * 4)):
        async with serving(database, address_rate=0.001, address_burst=2, trusted_proxies=trusted) as world:
            statuses = [
                (await world.ask("GET", "/api/healing/stats", None, headers={"X-Forwarded-For": f"192.0.2.{n}"}))
                for n in range(4)
            ]
            assert [one.status_code for one in statuses] == expected
            await world.pool.execute("DELETE FROM user_organizations")
            await world.pool.execute("DELETE FROM organizations")


# --- every answer


async def test_no_answer_may_be_kept_or_taken_for_another_kind(world: World) -> None:
    odd: list[tuple[str, str, str | None, dict[str, Any]]] = [
        ("GET", "/api/healing/failures", "owner", {}),
        ("GET", "/api/healing/failures", None, {}),
        ("GET", "/api/healing/failures?limit=x", "owner", {}),
        ("GET", f"/api/healing/failures/{uuid4()}", "owner", {}),
        ("DELETE", "/api/healing/heal", "owner", {}),
        ("POST", "/api/healing/heal", "owner", {"content": b"x" * 100_000}),
        ("GET", "/nothing", None, {}),
        ("GET", "/metrics", None, {}),
        ("GET", "/healthz", None, {}),
        ("GET", "/api/healing/openapi.json", None, {}),
    ]
    for method, path, person, more in odd:
        response = await world.ask(method, path, person, **more)
        assert response.headers.items() >= SAFE.items(), (method, path, response.status_code)
    async with line(world) as garbage:
        garbage.write("GARBAGE\r\n\r\n")
        status, headers, body = await garbage.answer()
        assert (status, body["error"]["code"]) == (400, "bad_request")
        assert headers.items() >= SAFE.items()
    await world.pool.execute("ALTER TABLE workflow_failures RENAME COLUMN resolved TO gone")
    response = await world.ask("GET", "/api/healing/stats")
    assert response.status_code == 500
    assert response.headers.items() >= SAFE.items()


async def test_garbage_fills_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for text in (
        "GARBAGE\r\n\r\n",
        "POST /api/healing/heal HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        for _ in range(10):
            async with line(world) as garbage:
                garbage.write(text)
                assert (await garbage.answer())[0] in (400, 401)
    assert len(caplog.records) <= 1
