"""A real Temporal: its development server with SQLite inside, asked over its HTTP API, and workers in Python."""

import os
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from consumer.errors import TransientError
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving
from tests.support.patience import PATIENCE
from tests.support.pipeline import until
from tests.support.worlds.engine_parts import HOW, installed_temporal

WORKER: Final = Path(__file__).with_name("temporal_worker.py")
START_WITHIN: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Temporal:
    """A running server, asked directly: what the tests do besides the runner."""

    port: int
    """Of its own protocol, which workers speak."""
    http_port: int
    workers: Path
    """The virtual environment of the workers."""
    home: Path

    @property
    def api(self) -> str:
        return f"http://{LOCALHOST}:{self.http_port}/api/v1"

    async def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON is anything
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            answer = await client.request(method, f"{self.api}/namespaces/default{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    async def run(self, workflow: str, *given: object, queue: str) -> str:
        """Have a workflow run; gives how the run is named."""
        workflow_id = f"{workflow}-{uuid.uuid4()}"
        wish = {"workflowType": {"name": workflow}, "taskQueue": {"name": queue}, "input": [*given]}
        begun = await self.ask("POST", f"/workflows/{workflow_id}", wish)
        return f"{workflow_id}/{begun['runId']}"

    async def describe(self, run: str) -> Any:  # noqa: ANN401 - JSON is anything
        workflow_id, _, run_id = run.rpartition("/")
        return await self.ask("GET", f"/workflows/{workflow_id}?execution.runId={run_id}")

    async def newest(self, run: str) -> Any:  # noqa: ANN401 - JSON is anything
        """Describe the newest run of the workflow of a run."""
        return (await self.ask("GET", f"/workflows/{run.rpartition('/')[0]}"))["workflowExecutionInfo"]

    async def signal(self, run: str, name: str) -> None:
        await self.ask("POST", f"/workflows/{run.rpartition('/')[0]}/signal/{name}", {})

    async def until_run(self, run: str, *statuses: str) -> str:
        async def ended() -> str:
            status = str((await self.newest(run))["status"]).removeprefix("WORKFLOW_EXECUTION_STATUS_")
            return status if status in statuses else ""

        return await until(ended)

    async def until_told(self, run: str, member: str, **expected: object) -> Any:  # noqa: ANN401 - JSON is anything
        """Wait for something of a run that is pending, and for what is told of it."""

        async def is_so() -> Any:  # noqa: ANN401
            found = (await self.describe(run)).get(member)
            one = found[0] if isinstance(found, list) else found
            return one if one and expected.items() <= one.items() else None

        return await until(is_so)

    @asynccontextmanager
    async def worker(self, queue: str, build: str = "1") -> AsyncIterator[Server]:
        """Run a worker that takes from a queue; returns once the server knows it."""
        program = ServerProgram(
            name="a Temporal worker",
            argv=(
                *(str(self.workers / "bin" / "python"), str(WORKER)),
                *(f"{LOCALHOST}:{self.port}", queue, build),
            ),
            directory=self.home,
            log=self.home / f"worker-{queue}-{build}.log",
            environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home)},
            stop_signal=signal.SIGTERM,
            start_within=START_WITHIN,
        )
        server = Server(program, lambda: self._polled(queue))
        await server.start()
        try:
            yield server
        finally:
            await server.stop(hard=True)

    async def _polled(self, queue: str) -> None:
        for kind in ("WORKFLOW", "ACTIVITY"):
            found = await self.ask("GET", f"/task-queues/{queue}?taskQueueType=TASK_QUEUE_TYPE_{kind}")
            if not found.get("pollers"):
                raise TransientError("nobody polls yet")


@pytest.fixture(scope="session")
def temporal(server_loop: BlockingPortal) -> Iterator[Temporal]:
    """One Temporal for the session; skips where it is not installed."""
    parts = installed_temporal()
    if parts is None:
        pytest.skip(f"no Temporal here: {HOW} (with Go)")
    with server_loop.wrap_async_context_manager(run_temporal(*parts)) as engine:
        yield engine


@asynccontextmanager
async def run_temporal(program: Path, workers: Path) -> AsyncIterator[Temporal]:
    """Run a server with an empty database; all of it ends with us, however we end."""
    with tempfile.TemporaryDirectory(prefix="shw-temporal-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)

        ports: dict[str, int] = {}

        def build(chosen: tuple[int, ...]) -> Server:
            ports.update(zip(("port", "http_port", "metrics_port"), chosen, strict=True))
            return Server(_program(program, home, **ports), lambda: _healthy(ports["http_port"]))

        async with serving(3, build):
            yield Temporal(port=ports["port"], http_port=ports["http_port"], workers=workers, home=home)


def _program(program: Path, home: Path, *, port: int, http_port: int, metrics_port: int) -> ServerProgram:
    argv = (str(program), "server", "start-dev", "--headless", "--ip", LOCALHOST, "--log-level", "error")
    return ServerProgram(
        name="Temporal",
        argv=(
            *(*argv, "--port", str(port), "--http-port", str(http_port)),
            *("--metrics-port", str(metrics_port), "--db-filename", str(home / "temporal.db")),
        ),
        directory=home,
        log=home / "temporal.log",
        environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)},
        stop_signal=signal.SIGTERM,
        start_within=START_WITHIN,
        remove_when_orphaned=home,
    )


async def _healthy(http_port: int) -> None:
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            base = f"http://{LOCALHOST}:{http_port}/api/v1/namespaces/default"
            (await client.get(f"{base}/workflows?pageSize=1")).raise_for_status()
    except httpx2.HTTPError as error:
        raise TransientError(f"no answer yet: {type(error).__name__}") from error
