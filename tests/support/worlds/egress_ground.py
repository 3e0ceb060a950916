"""A ground on which every address leads to one forbidden server: what is dialled at all is seen there, for real."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from ipaddress import ip_address

import httpcore2
import httpx2

from consumer.catalog import Secret, WorkflowPolicy
from consumer.local.stream_server import stream_server
from consumer.model.call import CallResult, OutboundRequest
from consumer.outbound.calls import OutboundCalls
from consumer.outbound.dialing import Resolve, SocketOption
from tests.support.worlds.http_world import World, http_world, json_reply

LIMIT = timedelta(seconds=10)


@dataclass(slots=True)
class LeadsHere(httpcore2.AsyncNetworkBackend):
    """Resolves as it is told (the system where it is told nothing), and whatever is dialled, dials the one server."""

    port: int
    names: dict[str, Sequence[str]] = field(default_factory=dict)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    ask: Resolve | None = None
    """A name server to ask instead."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        if host in self.names:
            return self.names[host]
        if self.ask is not None:
            return await self.ask(host, port)
        # Without a network the system still knows its own names and every spelling of an address.
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(address[4][0]) for address in found]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            address = str(ip_address(host))
        except ValueError:
            try:
                address = (await self.resolve(host, port))[0]
            except OSError as error:
                raise httpcore2.ConnectError from error
        self.dialled.append((address, port))
        return await httpcore2.AnyIOBackend().connect_tcp(
            "127.0.0.1", self.port, timeout, local_address, socket_options
        )

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@asynccontextmanager
async def forbidden_ground(names: dict[str, Sequence[str]] | None = None) -> AsyncIterator[tuple[World, LeadsHere]]:
    """Run the forbidden server, and give the network on which all ways lead to it."""
    async with http_world() as world:
        world.on("/", json_reply({"inside": "of the house"}))
        yield world, LeadsHere(world.port, names or {})


async def unguarded(url: str, network: LeadsHere) -> int | None:
    """Get a URL as any program does; the status, or None where the client itself refuses."""
    transport = httpx2.AsyncHTTPTransport(verify=tls(), trust_env=False)
    transport._pool = httpcore2.AsyncConnectionPool(network_backend=network)  # noqa: SLF001 - it has no parameter for it
    try:
        async with httpx2.AsyncClient(transport=transport, verify=tls(), trust_env=False) as client:
            return (await client.get(url)).status_code
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError):
        return None


async def guarded(
    request: OutboundRequest | str,
    allowed: WorkflowPolicy,
    network: LeadsHere | None = None,
    *,
    secrets: dict[str, Secret] | None = None,
    within: timedelta = LIMIT,
    max_bytes: int = 1 << 20,
) -> CallResult:
    """Make a call through the guard; on the real network where none is given."""
    asked = OutboundRequest(method="GET", url=request) if isinstance(request, str) else request
    if network is None:
        calls = OutboundCalls(secrets or {}, tls=tls())
    else:
        calls = OutboundCalls(secrets or {}, tls=tls(), resolve=network.resolve, network=network)
    return await calls.send(asked, allowed, within=within, max_bytes=max_bytes)


@cache
def tls() -> ssl.SSLContext:
    """One for all: reading the system's authorities takes longer than a call."""
    return ssl.create_default_context()


Play = Callable[[asyncio.StreamWriter, asyncio.Event], Awaitable[None]]
"""What a hostile server does with a connection whose request it has read; the event says that the test is over."""


@asynccontextmanager
async def hostile_server(play: Play) -> AsyncIterator[int]:
    """Serve raw bytes on a free port of 127.0.0.1."""
    ending = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await play(writer, ending)
            await writer.drain()

    async with stream_server(connected) as port:
        try:
            yield port
        finally:
            ending.set()
