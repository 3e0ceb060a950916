"""A TCP proxy of 127.0.0.1 that delays, stalls, cuts and refuses as told, and loses the answer to a named request."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from consumer.local.stream_server import stream_server

CHUNK = 64 * 1024


class Loss(StrEnum):
    """Where the connection of a named request is cut."""

    REQUEST = "request"
    """Before it reaches the server: nothing is done."""
    ANSWER = "answer"
    """When the server answers: it is done, and who asked is never told."""
    BOTH = "both"
    """As soon as it is sent: done or not."""


class Way(StrEnum):
    """A direction, as the client sees it."""

    UP = "up"
    DOWN = "down"


class Wire(Protocol):
    """Reads what one client sends."""

    def asked(self, data: bytes) -> Sequence[str]:
        """Name the requests that end in these bytes."""
        ...


class Opaque:
    """Knows nothing of what it carries."""

    def asked(self, data: bytes) -> Sequence[str]:  # noqa: ARG002 - the Protocol's
        return ()


@dataclass(slots=True, eq=False)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    wire: Wire
    swallows: bool = False

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


@dataclass(slots=True, kw_only=True)
class TcpProxy:
    """Where it listens, where it leads, and what it does to what passes. Not safe outside its own loop."""

    to: int
    wire: Callable[[], Wire] = Opaque
    port: int = 0
    delay: float = 0.0
    """Seconds that each chunk waits, in both directions."""
    refusing: bool = False
    injected: Counter[str] = field(default_factory=Counter)
    """What was done, by kind."""
    _links: set[_Link] = field(default_factory=set)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _losses: dict[str, list[Loss]] = field(default_factory=lambda: defaultdict(list))
    _left: dict[Way, int] = field(default_factory=dict)
    _ended: bool = False

    def cut(self, at_most: int | None = None) -> int:
        """Cut connections now; gives how many there were."""
        links = list(self._links)[:at_most]
        for link in links:
            link.abort()
        self.injected["cut"] += len(links)
        return len(links)

    def cut_after(self, count: int, way: Way) -> None:
        """Cut whichever connection carries the n-th byte from now in a direction, in the middle of what it carries."""
        self._left[way] = count

    def stall(self) -> None:
        """Carry nothing, and keep every connection open."""
        self.injected["stall"] += 1
        self._flows.clear()

    def flow(self) -> None:
        """End a stall."""
        self._flows.set()

    def lose(self, request: str, *losses: Loss) -> None:
        """Lose the next requests of this name, one after the other, each in its way."""
        self._losses[request] += losses

    def be_well(self) -> None:
        """Do no harm from now on."""
        self.delay, self.refusing = 0.0, False
        self._losses.clear()
        self._left.clear()
        self.flow()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side has closed it."""
        link: _Link | None = None
        try:
            if not self.refusing:
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.to)
                link = _Link(writer, up_writer, self.wire())
                self._links.add(link)
                await asyncio.gather(self._carry(link, reader, Way.UP), self._carry(link, up_reader, Way.DOWN))
            else:
                self.injected["refused"] += 1
        except OSError:
            pass  # the server is away: so is the connection
        finally:
            writer.transport.abort()
            if link is not None:
                self._links.discard(link)
                link.abort()

    async def _carry(self, link: _Link, reader: asyncio.StreamReader, way: Way) -> None:
        writer = link.server if way is Way.UP else link.client
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                while not self._flows.is_set() and not self._ended:
                    await self._flows.wait()
                data = self._cut_short(data, way)
                if way is Way.DOWN and link.swallows:
                    break
                loss = self._loss(link, data) if way is Way.UP else None
                if loss is Loss.REQUEST:
                    break
                link.swallows = link.swallows or loss is Loss.ANSWER
                writer.write(data)
                await writer.drain()
                if loss is Loss.BOTH or self._left.get(way) == 0:
                    self._left.pop(way, None)
                    break
        link.abort()

    def _loss(self, link: _Link, data: bytes) -> Loss | None:
        for request in link.wire.asked(data):
            if self._losses.get(request):
                loss = self._losses[request].pop(0)
                self.injected[f"{request}: {loss} lost"] += 1
                return loss
        return None

    def _cut_short(self, data: bytes, way: Way) -> bytes:
        left = self._left.get(way)
        if left is None:
            return data
        self._left[way] = max(0, left - len(data))
        if self._left[way] == 0:
            self.injected[f"cut in the middle, {way}"] += 1
        return data[:left]

    def end(self) -> None:
        """Let go of everything."""
        self._ended = True
        self.flow()
        for link in list(self._links):
            link.abort()


@asynccontextmanager
async def tcp_proxy(to: int, wire: Callable[[], Wire] = Opaque, *, port: int = 0) -> AsyncIterator[TcpProxy]:
    """Run a proxy, on a free port unless one is given."""
    proxy = TcpProxy(to=to, wire=wire)
    proxy.flow()
    async with stream_server(proxy.connected, port=port) as proxy.port:
        try:
            yield proxy
        finally:
            proxy.end()
