"""The consumer as a process of its own, so that it can be killed for real; it ends with the process that started it."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from consumer.errors import TransientError
from consumer.local import launch
from consumer.local.kafka_jars import CHECKOUT
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving

COMMAND: Final = (sys.executable, "-m", "consumer", "run")
GRACE: Final = timedelta(seconds=25)
"""Grace period above the default drain budget, so that a clean stop is not cut short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerProcess:
    """A running consumer with its API."""

    port: int
    log: Path
    _server: Server = field(repr=False)

    @property
    def address(self) -> str:
        """Base URL of its API, metrics and health checks."""
        return f"http://{LOCALHOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id; it changes with a restart."""
        return self._server.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is running."""
        return self._server.is_running

    async def kill(self) -> None:
        """Send SIGKILL; once this returns, nothing of the process runs any more."""
        os.kill(self._server.pid, signal.SIGKILL)
        await self._server.stop(hard=True)

    async def start(self) -> None:
        """Start a new process on the same port, and return once it has partitions assigned."""
        await self._server.start()

    async def stop(self) -> None:
        """Send SIGTERM, and wait until it has drained and left its group."""
        await self._server.stop()


@asynccontextmanager
async def run_consumer(
    settings: Mapping[str, str], log: Path, *, preferred_port: int | None = None
) -> AsyncIterator[ConsumerProcess]:
    """Run `shw run`, configured by these `SHW_*` variables alone; yields once it answers and has partitions assigned.

    It listens on `preferred_port` or the next free one, or on any free one where none is preferred.

    Raises
    ------
    ConfigError
        It exited instead; with the end of its log.

    """
    with tempfile.TemporaryDirectory(prefix="shw-consumer-", ignore_cleanup_errors=True) as private:

        def build(ports: tuple[int, ...]) -> Server:
            environment = {**_without_settings(os.environ), **settings, "SHW_API__PORT": str(ports[0])}
            launched = _write_launch_file(environment, Path(private) / "program.json")
            return Server(_program(launched, log, Path(private)), lambda: _check_ready(ports[0]))

        async with serving(1, build, preferred=preferred_port) as (server, port):
            yield ConsumerProcess(port=port, log=log, _server=server)


@asynccontextmanager
async def run_consumers(
    settings: Mapping[str, str], logs: Sequence[Path]
) -> AsyncIterator[tuple[ConsumerProcess, ...]]:
    """Run one replica per log, started concurrently; yields once all have partitions assigned."""
    async with AsyncExitStack() as replicas:
        async with asyncio.TaskGroup() as starting:
            tasks = [starting.create_task(replicas.enter_async_context(run_consumer(settings, log))) for log in logs]
        yield tuple(task.result() for task in tasks)


def _program(argv: tuple[str, ...], log: Path, private: Path) -> ServerProgram:
    return ServerProgram(
        name="the consumer",
        argv=argv,
        directory=CHECKOUT,
        log=log,
        environment={},
        stop_signal=signal.SIGTERM,
        grace=GRACE,
        remove_when_orphaned=private,
    )


def _write_launch_file(environment: Mapping[str, str], file: Path) -> tuple[str, ...]:
    """Keep passwords out of the process list, where a server's plan would show them."""
    program: launch.LaunchedProgram = {"argv": list(COMMAND), "environment": dict(environment)}
    file.write_text(json.dumps(program))  # its directory is accessible to this user only
    return sys.executable, "-I", "-S", launch.__file__, str(file)


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("SHW_")}


async def _check_ready(port: int) -> None:
    """Return once /readyz answers 200; raises TransientError until then."""
    try:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = (await reader.readline()).split()
            await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
    except OSError as error:
        raise TransientError(f"the consumer does not answer yet: {error}") from error
    if status[1:2] != [b"200"]:
        raise TransientError("the consumer is not ready yet")
