"""The consumer as a process of its own, so that it can be killed for real, and ends with whoever started it."""

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
"""Above the default drain budget: a clean stop is not cut short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerProcess:
    """A running consumer with its API."""

    port: int
    log: Path
    _server: Server = field(repr=False)

    @property
    def address(self) -> str:
        """Where its API, metrics and health are."""
        return f"http://{LOCALHOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id; another after a restart."""
        return self._server.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._server.is_running

    async def kill(self) -> None:
        """SIGKILL it: nothing of it runs any more when this returns."""
        os.kill(self._server.pid, signal.SIGKILL)
        await self._server.stop(hard=True)

    async def start(self) -> None:
        """Start another one on the same port; returns when it has partitions."""
        await self._server.start()

    async def stop(self) -> None:
        """SIGTERM it, and wait until it has drained and left."""
        await self._server.stop()


@asynccontextmanager
async def run_consumer(settings: Mapping[str, str], log: Path) -> AsyncIterator[ConsumerProcess]:
    """Run `shw run` with settings from `SHW_*` variables alone; gives it once it answers and has partitions.

    Raises
    ------
    ConfigError
        It ended instead; with the end of its log.

    """
    with tempfile.TemporaryDirectory(prefix="shw-consumer-", ignore_cleanup_errors=True) as private:

        def build(ports: tuple[int, ...]) -> Server:
            environment = {**_without_ours(os.environ), **settings, "SHW_API__PORT": str(ports[0])}
            launched = _launched_with(environment, Path(private) / "program.json")
            return Server(_program(launched, log, Path(private)), lambda: _ready(ports[0]))

        async with serving(1, build) as (server, port):
            yield ConsumerProcess(port=port, log=log, _server=server)


@asynccontextmanager
async def run_consumers(
    settings: Mapping[str, str], logs: Sequence[Path]
) -> AsyncIterator[tuple[ConsumerProcess, ...]]:
    """Run as many replicas as there are logs, started at the same time; gives them once all have partitions."""
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


def _launched_with(environment: Mapping[str, str], file: Path) -> tuple[str, ...]:
    """Keep passwords out of the process list, where a server's plan would show them."""
    program: launch.LaunchedProgram = {"argv": list(COMMAND), "environment": dict(environment)}
    file.write_text(json.dumps(program))  # its directory lets nobody else in
    return sys.executable, "-I", "-S", launch.__file__, str(file)


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("SHW_")}


async def _ready(port: int) -> None:
    """Return when /readyz says so; TransientError until then."""
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
