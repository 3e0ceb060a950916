"""The HTTP server, in the healer's own process and event loop: uvicorn, which takes no more connections than it may."""

import asyncio
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import structlog
import uvicorn

from consumer.api.connections import ConnectionTable
from consumer.api.gateway import Gateway
from consumer.api.http_connection import SAFE_HEADERS, ApiConnection, PhaseTimes
from consumer.errors import ConfigError, own_fault
from consumer.event_loop import wait_for_event
from consumer.metrics import ApiLimit

log = structlog.get_logger(__name__)

START_WITHIN: Final = timedelta(seconds=10)
STOP_WITHIN: Final = timedelta(seconds=3)
"""Timeout for responses under way at a stop: part of the process's own time to stop, so short."""
BACKLOG: Final = 1024
AT_ONCE: Final = 32
"""Connections taken in one go."""
CHECK_EVERY: Final = timedelta(milliseconds=500)
WITHOUT_FILES: Final = 0.2
"""Seconds until the next connection is taken after one could not be, for want of descriptors."""
FEWEST: Final = 16


def connections_beside(reserved: int, wanted: int) -> int:
    """Return how many connections the limit of open files leaves beside `reserved` others, up to `wanted`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(FEWEST, min(wanted, soft - reserved))


class _Server(uvicorn.Server):
    """uvicorn's server, which takes connections itself: a few at a time, and only what its table has room for."""

    def __init__(self, gateway: Gateway, listener: socket.socket, table: ConnectionTable) -> None:
        settings = gateway.settings
        super().__init__(
            uvicorn.Config(
                gateway,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                headers=list(SAFE_HEADERS),
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies,
                timeout_keep_alive=max(1, round(settings.keep_alive.total_seconds())),
                timeout_graceful_shutdown=int(STOP_WITHIN.total_seconds()),
            )
        )
        self._times = PhaseTimes(
            head=settings.header_timeout.total_seconds(),
            request=(settings.longest_request + settings.request_timeout).total_seconds(),
            taking=settings.request_timeout.total_seconds(),
        )
        self._gateway = gateway
        self._listener = listener
        self._table = table
        self._closed = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        # The process stops in its own order: the pipeline drains first, and the server answers until it has.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        del sockets
        self.servers = []
        self.started = True

    async def main_loop(self) -> None:
        """Take connections and watch over their times until the stop."""
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(self._take())
            watching = group.create_task(self._watch())
            await super().main_loop()
            self._gateway.live.close()
            self._closed.set()
            taking.cancel()
            await watching

    async def _watch(self) -> None:
        while not self._closed.is_set():
            now = time.monotonic()
            for connection in self._table:
                connection.check(now)
            await wait_for_event(self._closed, CHECK_EVERY)

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted = [await loop.sock_accept(self._listener)]
                accepted += self._others_that_wait()
            except OSError as error:
                await self._without_files(error)
                continue
            before = self._table.closed_idle
            taken: list[socket.socket] = []
            coming: list[str] = []
            for one, peer in accepted:
                if self._table.make_room(str(peer[0]), coming):
                    taken.append(one)
                    coming.append(str(peer[0]))
                else:
                    one.close()
                    self._gateway.turned_away(ApiLimit.CONNECTIONS, str(peer[0]))
            self._gateway.metrics.api_turned_away[ApiLimit.CONNECTIONS].inc(self._table.closed_idle - before)
            await asyncio.gather(*map(self._begin, taken))

    def _others_that_wait(self) -> list[tuple[socket.socket, Any]]:
        """Take what waits besides: the kernel's queue is short, and who finds it full comes again after a second."""
        accepted: list[tuple[socket.socket, Any]] = []
        with suppress(OSError):  # none is left, or no descriptor: the next call says so
            while len(accepted) < AT_ONCE:
                accepted.append(self._listener.accept())
        return accepted

    async def _begin(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, accepted)
        except OSError as error:
            accepted.close()
            await self._without_files(error)

    def _connection(self) -> ApiConnection:
        return ApiConnection(
            self.config,
            self.server_state,
            {"connections": self._table},
            times=self._times,
            table=self._table,
            metrics=self._gateway.metrics,
        )

    async def _without_files(self, error: OSError) -> None:
        fault = own_fault(error)
        if fault is None:  # most likely the caller hung up before it was taken
            await asyncio.sleep(WITHOUT_FILES / 10)
            return
        self._gateway.metrics.own_faults[fault].inc()
        self._gateway.lines.write("api_without_files", fault, fault=fault, error=str(error))
        await asyncio.sleep(WITHOUT_FILES)


@asynccontextmanager
async def serve(gateway: Gateway, host: str, port: int, *, connections: int | None = None) -> AsyncIterator[str]:
    """Serve until the block ends; yields the address, with the real port where 0 was asked for.

    Raises
    ------
    ConfigError
        The address is taken, or not this machine's.

    """
    settings = gateway.settings
    listener = _listen(host, port)
    table = ConnectionTable(
        most=connections or settings.connections,
        most_of_address=settings.connections_per_address,
        proxies=frozenset((settings.trusted_proxies or "").replace(" ", "").split(",")),
    )
    gateway.metrics.api_connections.set_function(lambda: len(table))
    server = _Server(gateway, listener, table)
    running = asyncio.create_task(server.serve(), name="api")
    try:
        await _wait_until_started(server, running)
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait({running}, timeout=STOP_WITHIN.total_seconds() + 1)
        running.cancel()
        await asyncio.wait({running})
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Set SHW_API__HOST, and SHW_API__PORT "
            "(0 takes a free one)."
        ) from error
    listener.setblocking(False)
    return listener


async def _wait_until_started(server: uvicorn.Server, running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(START_WITHIN.total_seconds()):
        while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn has a flag, and no event
            await asyncio.sleep(0.005)
    if running.done():
        await running
