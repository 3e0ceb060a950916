"""A real Conductor: one server with SQLite inside, task and workflow definitions, and workers that the tests play."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from consumer.errors import TransientError
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving
from tests.support.pipeline import until
from tests.support.worlds.engine_parts import HOW, installed_conductor

START_WITHIN: Final = timedelta(minutes=6)
NO_CONTENT: Final = 204


def simple(name: str, **inputs: object) -> dict[str, object]:
    """One task of a definition that a worker outside takes."""
    return {"name": name, "taskReferenceName": name, "type": "SIMPLE", "inputParameters": inputs}


DEFINITIONS: Final[dict[str, list[dict[str, object]]]] = {
    "orders": [simple("reserve"), simple("charge", amount="${workflow.input.amount}")],
    "unserved": [simple("ship")],
    "timer": [
        {
            "name": "later",
            "taskReferenceName": "later",
            "type": "WAIT",
            "inputParameters": {"duration": "2 hours"},
        }
    ],
    "signal": [{"name": "sign", "taskReferenceName": "sign", "type": "WAIT", "inputParameters": {}}],
    "human": [{"name": "approve", "taskReferenceName": "approve", "type": "HUMAN", "inputParameters": {}}],
    "lasting": [simple("slow")],
}
TASKS: Final = {
    "reserve": {},
    "charge": {},
    "ship": {},
    # A worker that says nothing for so long has died.
    "slow": {"responseTimeoutSeconds": 2, "timeoutSeconds": 600},
}


@dataclass(slots=True)
class Conductor:
    """A running Conductor, asked directly: what the tests do besides the runner."""

    port: int
    done: dict[str, list[Any]] = field(default_factory=dict)
    """The inputs of the tasks that were completed, by reference name."""

    @property
    def api(self) -> str:
        return f"http://{LOCALHOST}:{self.port}/api"

    async def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON is anything
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.request(method, self.api + path, json=body)
        answer.raise_for_status()
        if not answer.content or answer.status_code == NO_CONTENT:
            return None
        try:
            return answer.json()
        except ValueError:
            return answer.text

    async def define(self) -> None:
        limits = {"retryCount": 0, "timeoutSeconds": 600, "responseTimeoutSeconds": 300, "ownerEmail": "a@example.com"}
        await self.ask("POST", "/metadata/taskdefs", [{"name": name} | limits | more for name, more in TASKS.items()])
        for name, tasks in DEFINITIONS.items():
            await self.put_definition(name, 1, tasks)

    async def put_definition(self, name: str, version: int, tasks: list[dict[str, object]]) -> None:
        wish = {"name": name, "version": version, "schemaVersion": 2, "ownerEmail": "a@example.com"}
        wish |= {"timeoutSeconds": 0, "timeoutPolicy": "ALERT_ONLY", "tasks": tasks}
        await self.ask("PUT", "/metadata/workflow", [wish])

    async def run(self, name: str, **inputs: object) -> str:
        """Have a workflow run; gives the run's id."""
        return str(await self.ask("POST", "/workflow", {"name": name, "version": 1, "input": inputs}))

    async def state(self, run_id: str) -> Any:  # noqa: ANN401 - JSON is anything
        return await self.ask("GET", f"/workflow/{run_id}?includeTasks=true")

    async def take(self, kind: str) -> Any:  # noqa: ANN401 - JSON is anything
        """Take the next task of a kind, as a worker does."""
        return await until(lambda: self.ask("GET", f"/tasks/poll/{kind}?workerid=w-1"))

    async def work(self, kind: str, *, fails: str | None = None) -> Any:  # noqa: ANN401 - JSON is anything
        """Take a task and complete it, or fail it for good; gives its input."""
        task = await self.take(kind)
        answer = {"workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"]}
        if fails is None:
            self.done.setdefault(f"{task['workflowInstanceId']}:{kind}", []).append(task["inputData"])
            answer |= {"status": "COMPLETED"}
        else:
            answer |= {"status": "FAILED_WITH_TERMINAL_ERROR", "reasonForIncompletion": fails}
        await self.ask("POST", "/tasks", answer)
        return task["inputData"]

    async def until_run(self, run_id: str, *statuses: str) -> Any:  # noqa: ANN401 - JSON is anything
        async def ended() -> Any:  # noqa: ANN401
            found = await self.state(run_id)
            return found if found["status"] in statuses else None

        return await until(ended)


@pytest.fixture(scope="session")
def conductor(server_loop: BlockingPortal) -> Iterator[Conductor]:
    """One Conductor for the session; skips where it is not installed."""
    parts = installed_conductor()
    if parts is None:
        pytest.skip(f"no Conductor here: {HOW} (with a Java 21 or newer)")
    with server_loop.wrap_async_context_manager(run_conductor(*parts)) as engine:
        yield engine


@asynccontextmanager
async def run_conductor(java: Path, jar: Path) -> AsyncIterator[Conductor]:
    """Run a server with an empty database; all of it ends with us, however we end."""
    with tempfile.TemporaryDirectory(prefix="shw-conductor-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)

        def build(ports: tuple[int, ...]) -> Server:
            argv = (str(java), "-Xmx700m", "-jar", str(jar), f"--server.address={LOCALHOST}")
            program = ServerProgram(
                name="Conductor",
                argv=(*argv, f"--server.port={ports[0]}"),
                directory=home,
                log=home / "conductor.log",
                environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)},
                stop_signal=signal.SIGTERM,
                start_within=START_WITHIN,
                remove_when_orphaned=home,
            )
            return Server(program, lambda: _healthy(ports[0]))

        async with serving(1, build) as (_, port):
            engine = Conductor(port=port)
            await asyncio.wait_for(engine.define(), START_WITHIN.total_seconds())
            yield engine


async def _healthy(port: int) -> None:
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            (await client.get(f"http://{LOCALHOST}:{port}/api/metadata/workflow")).raise_for_status()
    except httpx2.HTTPError as error:
        raise TransientError(f"no answer yet: {type(error).__name__}") from error
