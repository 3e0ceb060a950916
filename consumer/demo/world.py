"""Simulated services on 127.0.0.1: they time out, fail and recover for real, and record what they really did."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final, TypeAlias, assert_never

from consumer.local.server import LOCALHOST, PORT_TRIES, first_free_port
from consumer.local.stream_server import Connected, stream_server
from consumer.model import Json, JsonObject

READ_WITHIN: Final = timedelta(seconds=10)
DOWN_ANSWERS_AFTER: Final = timedelta(milliseconds=200)
"""Delay of a 503, as of an overloaded service, so that concurrent calls overlap and can be counted."""
MAX_BODY_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldCall:
    """One request as a service received it."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    """Header names are in lower case."""
    body: JsonObject
    content: bytes = b""
    """The body as it came; `body` is empty where it is no JSON."""

    @property
    def subject(self) -> str:
        """Subject of the call: the body's `reference`, else the last part of the path."""
        reference = self.body.get("reference")
        return reference if isinstance(reference, str) else self.path.rpartition("/")[2]

    @property
    def key(self) -> str:
        """The idempotency key; empty where there is none."""
        return self.headers.get("idempotency-key", "")

    @property
    def name(self) -> str:
        """Name of the effect that this call asks for."""
        return f"{self.service}:{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldReply:
    """Reply with JSON, or with a file."""

    status: int = HTTPStatus.OK
    body: Json = None
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    """A file in place of JSON, of the type that the headers tell."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Hold the connection open and never reply: the caller times out, or dies."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection without a reply."""


Ending: TypeAlias = WorldReply | Silence | Cut


@dataclass(slots=True)
class EffectRecord:
    """Ground truth of the demo: calls and effects as the services themselves counted them."""

    calls: Counter[str] = field(default_factory=Counter)
    """Number of calls per service."""
    at_once: Counter[str] = field(default_factory=Counter)
    """Number of open calls per service."""
    most_at_once: Counter[str] = field(default_factory=Counter)
    """Maximum of open calls per service since `watch_anew`."""
    effects: Counter[str] = field(default_factory=Counter)
    """How often each effect was really performed."""
    bodies: dict[str, JsonObject] = field(default_factory=dict)
    """Body of the call that last performed an effect."""

    def perform(self, call: WorldCall) -> None:
        """Record an effect: it has happened now, whether or not the caller ever learns of it."""
        self.effects[call.name] += 1
        self.bodies[call.name] = call.body

    def watch_anew(self, service: str) -> None:
        """Reset the maximum of open calls of a service."""
        self.most_at_once[service] = self.at_once[service]

    @contextmanager
    def counted(self, service: str) -> Iterator[None]:
        """Count a call that is open until the block ends."""
        self.calls[service] += 1
        self.at_once[service] += 1
        self.most_at_once[service] = max(self.most_at_once[service], self.at_once[service])
        try:
            yield
        finally:
            self.at_once[service] -= 1


Service: TypeAlias = Callable[[WorldCall, EffectRecord], Ending]
"""Performs a call, and returns how it ends."""


class World:
    """The running services: their addresses, and their record."""

    def __init__(self, first_port: int | None = None) -> None:
        self._first_port = first_port
        self.record = EffectRecord()
        self._ports: dict[str, int] = {}
        self._services_down: set[str] = set()
        self._calls_held: set[str] = set()
        self._changed = asyncio.Condition()

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports of all services, including the dead ones."""
        return tuple(self._ports.values())

    def url(self, service: str, path: str) -> str:
        """Return the URL of a path at a service."""
        return f"http://{LOCALHOST}:{self._ports[service]}{path}"

    def take_down(self, service: str) -> None:
        """Make a service answer 503 to every call, without any effect."""
        self._services_down.add(service)

    def bring_up(self, service: str) -> None:
        """Make the service work again."""
        self._services_down.discard(service)

    async def until_held(self, names: frozenset[str], within: timedelta) -> None:
        """Return once calls with these effects are held open at the same time; raises TimeoutError otherwise."""
        async with asyncio.timeout(within.total_seconds()), self._changed:
            await self._changed.wait_for(lambda: names <= self._calls_held)

    async def open(self, name: str, service: Service, resources: AsyncExitStack) -> None:
        """Serve until the resources are released: on any free port, or on the next one of a kept world."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._handle_connection(name, service, reader, writer)

        self._ports[name] = await self._listen(connected, resources)

    def refuse(self, name: str, resources: AsyncExitStack) -> None:
        """Reserve a port without listening: every connection to it is refused, and no other program can take it."""
        bound = resources.enter_context(socket.socket())
        bound.bind((LOCALHOST, self._choose_port()))
        self._ports[name] = bound.getsockname()[1]

    async def _listen(self, connected: Connected, resources: AsyncExitStack) -> int:
        for tries_left in reversed(range(PORT_TRIES)):
            try:
                return await resources.enter_async_context(stream_server(connected, port=self._choose_port()))
            except OSError:  # another program was faster
                if not tries_left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def _choose_port(self) -> int:
        """Return the port after the last one, or the next free one; 0, which is any, where none is the first."""
        if self._first_port is None:
            return 0
        return first_free_port(max(self._ports.values(), default=self._first_port - 1) + 1)

    async def _handle_connection(
        self, name: str, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await self._handle_call(name, service, reader, writer)
        except (OSError, EOFError, ValueError, TimeoutError):
            return  # the caller went away, or did not send HTTP: nothing to reply, and no effect was performed
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _handle_call(
        self, name: str, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with asyncio.timeout(READ_WITHIN.total_seconds()):
            call = await _read_call(name, reader)
        with self.record.counted(name):
            ending = await self._unavailable() if name in self._services_down else service(call, self.record)
            match ending:
                case WorldReply():
                    writer.write(_encode_reply(ending))
                    await writer.drain()
                case Silence():
                    await self._hold(call.name, reader)
                case Cut():
                    return
                case _:
                    assert_never(ending)

    async def _unavailable(self) -> WorldReply:
        await asyncio.sleep(DOWN_ANSWERS_AFTER.total_seconds())
        return WorldReply(status=HTTPStatus.SERVICE_UNAVAILABLE, body={"error": "down"})

    async def _hold(self, name: str, reader: asyncio.StreamReader) -> None:
        await self._mark_held(name, held=True)
        try:
            await reader.read()  # until the caller gives up, or its process dies
        finally:
            await self._mark_held(name, held=False)

    async def _mark_held(self, name: str, *, held: bool) -> None:
        async with self._changed:
            if held:
                self._calls_held.add(name)
            else:
                self._calls_held.discard(name)
            self._changed.notify_all()


@asynccontextmanager
async def run_world(
    services: Mapping[str, Service], *, dead: tuple[str, ...] = (), first_port: int | None = None
) -> AsyncIterator[World]:
    """Run services on free ports of 127.0.0.1 until the block ends; the `dead` ones refuse every connection.

    With a `first_port` they are that and the ones after it, so that a second run finds its services where they were.
    """
    world = World(first_port)
    async with AsyncExitStack() as resources:
        for name, service in services.items():
            await world.open(name, service, resources)
        for name in dead:
            world.refuse(name, resources)
        yield world


async def _read_call(service: str, reader: asyncio.StreamReader) -> WorldCall:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY_BYTES:
        raise ValueError("the body is longer than this world reads")
    content = await reader.readexactly(length)
    body = json.loads(content or b"{}") if headers.get("content-type", "application/json") == "application/json" else {}
    if not isinstance(body, dict):
        raise ValueError("this world's services take JSON objects")  # noqa: TRY004 - the caller's text is wrong
    path = target.partition("?")[0]
    return WorldCall(service=service, method=method, path=path, headers=headers, body=body, content=content)


def _encode_reply(reply: WorldReply) -> bytes:
    body = json.dumps(reply.body).encode() if reply.content is None else reply.content
    media = () if reply.content is not None else (("Content-Type", "application/json"),)
    ours = (*media, ("Content-Length", str(len(body))), ("Connection", "close"))
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (*ours, *reply.headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
