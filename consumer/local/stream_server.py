"""A server of asyncio's streams that ends whole: a connection that comes while it ends is let go too."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from consumer.local.server import LOCALHOST

Connected: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_AT_ONCE: Final = 100
_PATIENCE: Final = 1.0
"""Seconds in which what handles a connection sees that it is closed; after that it is cancelled."""


@asynccontextmanager
async def stream_server(
    connected: Connected, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve on a port of 127.0.0.1, any free one for 0, until the block ends; yields the port.

    At the end every connection is aborted, and what handles it awaited. OSError where the port is taken.
    """
    # asyncio's own server loses what it has accepted and not yet handed on when it is closed.
    listener = socket.create_server((LOCALHOST, port), backlog=_AT_ONCE)
    listener.setblocking(False)
    connections = _Connections(connected, tls)
    loop = asyncio.get_running_loop()
    loop.add_reader(listener, connections.accept, listener)
    try:
        yield listener.getsockname()[1]
    finally:
        loop.remove_reader(listener)
        listener.close()
        await connections.end()


class _Connections:
    """What was accepted, from its first moment on."""

    def __init__(self, connected: Connected, tls: ssl.SSLContext | None) -> None:
        self._connected = connected
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._ended = False

    def accept(self, listener: socket.socket) -> None:
        """Take what waits."""
        try:
            accepted, _ = listener.accept()
        except OSError:  # it hung up before it was taken
            return
        accepted.setblocking(False)
        task = asyncio.create_task(self._serve(accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=self._tls)
        except OSError:  # no TLS that both know
            accepted.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self._open.add(writer)
        try:
            if not self._ended:
                await self._connected(reader, writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def end(self) -> None:
        """Abort every connection, and wait for what handles it."""
        self._ended = True
        for writer in self._open:
            writer.transport.abort()
        if self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=_PATIENCE)
            for task in slow:
                task.cancel()
            if slow:
                await asyncio.wait(slow)
