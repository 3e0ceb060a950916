"""The FastAPI application and its HTTP server, in the healer's own process and event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from consumer.api.errors import answer_errors
from consumer.api.healing import healing_routes
from consumer.api.health import Clocks, Readiness, health_routes
from consumer.errors import ConfigError
from consumer.settings import ApiSettings
from consumer.store.pool import Pool

START_WITHIN: Final = timedelta(seconds=10)
STOP_WITHIN: Final = timedelta(seconds=3)
"""Timeout for responses under way at a stop: part of the process's own time to stop, so short."""
BACKLOG: Final = 256


def create_api(
    *,
    settings: ApiSettings,
    pool: Pool,
    registry: CollectorRegistry,
    clocks: Clocks,
    readiness: Readiness,
    wake: Callable[[], None],
) -> FastAPI:
    """Create the application; `wake` has the resume loop check at once for failures that a request made due."""
    # The interactive pages load their scripts from elsewhere; the description itself is enough.
    app = FastAPI(
        title="Self-Healing Workflows", docs_url=None, redoc_url=None, openapi_url="/api/healing/openapi.json"
    )
    answer_errors(app)
    app.include_router(health_routes(settings, registry, clocks, readiness))
    app.include_router(healing_routes(settings, pool, wake))
    return app


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The process stops in its own order: the pipeline drains first, and the server answers until it has.
        yield


@asynccontextmanager
async def serve(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """Serve until the block ends; yields the address, with the real port where 0 was asked for.

    Raises
    ------
    ConfigError
        The address is taken, or not this machine's.

    """
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=int(STOP_WITHIN.total_seconds()),
        )
    )
    running = asyncio.create_task(server.serve(sockets=[listener]), name="api")
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
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Set SHW_API__HOST, and SHW_API__PORT "
            "(0 takes a free one)."
        ) from error


async def _wait_until_started(server: uvicorn.Server, running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(START_WITHIN.total_seconds()):
        while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn has a flag, and no event
            await asyncio.sleep(0.005)
    if running.done():
        await running
