"""A real Prefect: a virtual environment and a Postgres of its own, a server, and a process that runs a flow's runs."""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from consumer.errors import ConfigError, TransientError
from consumer.local.postgres import Postgres, run_postgres
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.required_tools import in_ci
from tests.support.worlds.engine_parts import virtual_environment

LOCK: Final = ROOT / "tests" / "data" / "prefect.lock"
START_WITHIN: Final = timedelta(minutes=5)
FLOW: Final = Path(__file__).with_name("prefect_flow.py")
CACHE: Final = ROOT / ".local" / "prefect"
UNUSED_SERVICES: Final = (
    *("CANCELLATION_CLEANUP", "CLEANUP_RECONCILER", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "REPOSSESSOR"),
    *("SCHEDULER", "TRIGGERS", "EVENT_PERSISTER", "TASK_RUN_RECORDER"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefect:
    """A running engine: its API, and the one deployment that it serves."""

    port: int
    deployment: str

    @property
    def api(self) -> str:
        return f"http://{LOCALHOST}:{self.port}/api"

    async def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON is anything
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            answer = await client.request(method, self.api + path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def run(self, **parameters: object) -> str:
        """Have the flow run with these parameters; gives the run's id."""
        wish = {"parameters": parameters}
        return str((await self.ask("POST", f"/deployments/{self.deployment}/create_flow_run", wish))["id"])

    async def made_for(self, run_id: str) -> Any:  # noqa: ANN401 - JSON is anything
        """The one run that was made in the place of a failed one."""
        (made,) = [
            run for run in await self.ask("POST", "/flow_runs/filter", {}) if run["labels"].get("shw.heals") == run_id
        ]
        return made

    async def state(self, run_id: str) -> str:
        return str((await self.ask("GET", f"/flow_runs/{run_id}"))["state"]["type"])


@pytest.fixture(scope="session")
def prefect(server_loop: BlockingPortal) -> Iterator[Prefect]:
    """One engine for the session; skips where pip cannot install it, which in CI is a failure."""
    try:
        place = virtual_environment(LOCK, CACHE)
    except ConfigError as error:
        if in_ci():
            raise
        pytest.skip(f"no Prefect: {error}")
    with server_loop.wrap_async_context_manager(run_prefect(place)) as engine:
        yield engine


@asynccontextmanager
async def run_prefect(place: Path) -> AsyncIterator[Prefect]:
    """Run a server with an empty database, and serve the flow; all of it ends with us, however we end.

    On Postgres, as in production: SQLite, its default, refuses a write in the middle of another, and its API then says
    503. It is a server of its own, which no test restarts.
    """
    with tempfile.TemporaryDirectory(prefix="shw-prefect-", ignore_cleanup_errors=True) as temporary:
        home, python = Path(temporary), place / "bin" / "python"
        async with run_postgres(fsync=False) as postgres, _serve(python, home, postgres) as engine:
            yield engine


@asynccontextmanager
async def _serve(python: Path, home: Path, postgres: Postgres) -> AsyncIterator[Prefect]:
    def build(ports: tuple[int, ...]) -> Server:
        argv = ("-m", "prefect", "server", "start", "--host", LOCALHOST, "--port", str(ports[0]))
        database = postgres.dsn.replace("postgresql:", "postgresql+asyncpg:").replace("sslmode=", "ssl=")
        environment = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
        program = _program("Prefect's server", (str(python), *argv), home, ports[0], environment)
        return Server(program, lambda: _answers(ports[0], "/health"))

    async with serving(1, build) as (_, port):
        # Beside nothing of ours: the first place where Python looks for modules is the script's own.
        flow = Path(shutil.copy(FLOW, home / "flows.py"))
        worker = Server(
            _program("the flow's server", (str(python), str(flow)), home, port),
            lambda: _answers(port, "/deployments/name/orders/orders"),
        )
        try:
            await worker.start()
            found = await Prefect(port=port, deployment="").ask("GET", "/deployments/name/orders/orders")
            yield Prefect(port=port, deployment=found["id"])
        finally:
            await worker.stop()


def _program(
    name: str, argv: tuple[str, ...], home: Path, port: int, environment: Mapping[str, str] | None = None
) -> ServerProgram:
    return ServerProgram(
        name=name,
        argv=argv,
        directory=home,
        log=home / f"{name.rpartition(' ')[0].replace(' ', '-')}.log",
        environment=_environment(home, port) | dict(environment or {}),
        stop_signal=signal.SIGTERM,
        start_within=START_WITHIN,
        remove_when_orphaned=home,
    )


def _environment(home: Path, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{LOCALHOST}:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    } | {f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in UNUSED_SERVICES}


async def _answers(port: int, path: str) -> None:
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=2) as client:
            (await client.get(f"http://{LOCALHOST}:{port}/api{path}")).raise_for_status()
    except httpx2.HTTPError as error:
        raise TransientError(f"no answer yet: {type(error).__name__}") from error
