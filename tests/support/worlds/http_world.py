"""A small real HTTP/1.1 server that behaves as it is told, and keeps the record of every effect that it performed."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from consumer.local.stream_server import stream_server

BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer, and how badly."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    effect: bool | None = None
    """Whether the call did its work; None: exactly when the status is below 400."""
    after: float = 0.0
    """Seconds between doing the work and answering; shorter where the client hangs up."""
    never: bool = False
    """Do the work as told and never answer."""
    held: asyncio.Event | None = None
    """Do the work, and answer once it is set."""
    drop: bool = False
    """Close the connection instead of answering."""
    cut: bool = False
    """Announce the whole body, send half of it and close."""


@dataclass(slots=True, kw_only=True)
class Span:
    """One request under way, from its arrival until it was answered or its client hung up; `time.monotonic()`."""

    seen: Seen
    begin: float
    end: float = float("inf")


def json_reply(
    value: object,
    status: int = 200,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    effect: bool | None = None,
    after: float = 0.0,
) -> Reply:
    headers = (("Content-Type", "application/json"), *headers)
    return Reply(status=status, body=json.dumps(value).encode(), headers=headers, effect=effect, after=after)


def page_reply(text: str, status: int = 200) -> Reply:
    return Reply(status=status, body=text.encode(), headers=(("Content-Type", "text/html; charset=utf-8"),))


Script = Callable[[int, Seen], Reply]
"""The reply to the n-th request (from 1) at a path."""


@dataclass(slots=True, kw_only=True)
class World:
    """Where the server listens, how each path behaves, and what happened there."""

    port: int = 0
    scripts: dict[str, Script] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Effects performed, by path and idempotency key; a key's second call performs none, an empty key's always does."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def on(self, path: str, *replies: Reply | Script) -> None:
        """Answer the first request at a path with the first reply and so on; the last one stays."""

        def script(n: int, seen: Seen) -> Reply:
            reply = replies[min(n, len(replies)) - 1]
            return reply(n, seen) if callable(reply) else reply

        self.scripts[path] = script

    def calls(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.partition("?")[0] == path]

    def performed(self, path: str) -> int:
        return sum(count for (at, _), count in self.effects.items() if at == path)

    def reply(self, seen: Seen) -> Reply:
        """Record a request and its effect."""
        self.seen.append(seen)
        path = seen.path.partition("?")[0]
        script = self.scripts.get(path)
        if script is None:
            return json_reply({"error": "no such path"}, 404)
        reply = script(len(self.calls(path)), seen)
        works = reply.status < BAD_REQUEST if reply.effect is None else reply.effect
        if works and not (seen.key and self.effects[path, seen.key]):
            self.effects[path, seen.key] += 1
        return reply


@asynccontextmanager
async def http_world() -> AsyncIterator[World]:
    """Run the server on a free port of 127.0.0.1; every connection is closed at the end."""
    world = World()
    ending = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await _answered(world, reader, writer, ending):
                pass

    async with stream_server(connected) as world.port:
        try:
            yield world
        finally:
            ending.set()


async def _answered(
    world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ending: asyncio.Event
) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    span = Span(seen=Seen(method=method, path=path, headers=headers, body=body), begin=time.monotonic())
    world.spans.append(span)
    try:
        return await _replied(world.reply(span.seen), method, reader, writer, ending)
    finally:
        span.end = time.monotonic()  # also where the client was gone before the answer


async def _replied(
    reply: Reply, method: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ending: asyncio.Event
) -> bool:
    if reply.after and await _hung_up(reader, reply.after):
        return False
    if reply.held is not None:
        waits = [asyncio.ensure_future(reply.held.wait()), asyncio.ensure_future(ending.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
    if reply.never:
        await ending.wait()
    if reply.drop or reply.never:
        return False
    lines = [f"HTTP/1.1 {reply.status} Scripted", f"Content-Length: {len(reply.body)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    payload = b"" if method == "HEAD" else reply.body
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    writer.write(payload[: len(payload) // 2] if reply.cut else payload)
    await writer.drain()
    return not reply.cut


async def _hung_up(reader: asyncio.StreamReader, within: float) -> bool:
    """Whether the client has closed its connection within so many seconds."""
    try:
        async with asyncio.timeout(within):
            return not await reader.read(1)
    except TimeoutError:
        return False
