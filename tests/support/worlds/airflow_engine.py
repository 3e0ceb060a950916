"""A real Airflow: a virtual environment and a database of its own, its four servers, and the DAGs beside this file."""

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from consumer.errors import TransientError
from consumer.local.broker import Broker
from consumer.local.server import LOCALHOST, Server, ServerProgram, serving
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pipeline import until
from tests.support.round_trip import create_topic
from tests.support.worlds.engine_parts import HOW, installed_airflow

DAGS: Final = Path(__file__).with_name("airflow_dags.py")
NAMES: Final = frozenset(re.findall(r'dag_id="(\w+)"', DAGS.read_text()))
START_WITHIN: Final = timedelta(minutes=6)
API_SERVER: Final = "api-server"
OTHERS: Final = ("scheduler", "dag-processor", "triggerer")
USER: Final = "healer"
PASSWORD: Final = "airflow-p4ssword-of-the-test"
LINEAGE_TOPIC: Final = "lineage.events"
LINEAGE_NAMESPACE: Final = "prod"
Sections: TypeAlias = Mapping[str, dict[str, str]]
"""Airflow's settings, by section and name."""


@dataclass(slots=True)
class Airflow:
    """A running Airflow, asked directly: what the tests do besides the runner."""

    port: int
    home: Path
    token: str = ""
    unpaused: set[str] = field(default_factory=set)

    @property
    def base(self) -> str:
        return f"http://{LOCALHOST}:{self.port}"

    def path(self, dag: str, run_id: str) -> str:
        """Path of a run, whose id is as Airflow makes them: with colons and a plus."""
        return f"/dags/{dag}/dagRuns/{quote(run_id, safe='')}"

    async def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON is anything
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            if not self.token:
                login = {"username": USER, "password": PASSWORD}
                self.token = (await client.post(f"{self.base}/auth/token", json=login)).json()["access_token"]
            headers = {"authorization": f"Bearer {self.token}"}
            answer = await client.request(method, f"{self.base}/api/v2{path}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()

    async def run(self, dag: str, **conf: object) -> str:
        """Have a DAG run; gives the run's id."""
        if dag not in self.unpaused:
            await self.ask("PATCH", f"/dags/{dag}?update_mask=is_paused", {"is_paused": False})
            self.unpaused.add(dag)
        run_id = f"manual__2026-11-30T00:00:00+00:00_{uuid.uuid4()}"
        await self.ask("POST", f"/dags/{dag}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})
        return run_id

    async def add(self, name: str, text: str) -> None:
        """Put a file of its own beside the DAGs, and wait until its DAG, which has its name, is known."""
        (self.home / "dags" / f"{name}.py").write_text(text)

        async def is_known() -> bool:
            return name in {dag["dag_id"] for dag in (await self.ask("GET", "/dags"))["dags"]}

        await until(is_known)

    async def task(self, dag: str, run_id: str, task: str) -> Any:  # noqa: ANN401 - JSON is anything
        return await self.ask("GET", f"{self.path(dag, run_id)}/taskInstances/{task}")

    async def until_run(self, dag: str, run_id: str, *states: str) -> str:
        async def ended() -> str:
            state = str((await self.ask("GET", self.path(dag, run_id)))["state"])
            return state if state in states else ""

        return await until(ended)

    async def until_task(self, dag: str, run_id: str, task: str, *states: str) -> Any:  # noqa: ANN401 - JSON is anything
        async def is_so() -> Any:  # noqa: ANN401
            found = await self.task(dag, run_id, task)
            return found if found["state"] in states else None

        return await until(is_so)


@pytest.fixture(scope="session")
def airflow(server_loop: BlockingPortal) -> Iterator[Airflow]:
    """One Airflow for the session; skips where it is not installed."""
    place = installed_airflow()
    if place is None:
        pytest.skip(f"no Airflow here: {HOW}")
    with server_loop.wrap_async_context_manager(run_airflow(place, {})) as engine:
        yield engine


@pytest.fixture(scope="session")
def lineage_airflow(server_loop: BlockingPortal, kafka_broker: Broker) -> Iterator[Airflow]:
    """One more Airflow, with the two settings of its OpenLineage provider: it tells Kafka of its failed tasks."""
    place = installed_airflow()
    if place is None:
        pytest.skip(f"no Airflow here: {HOW}")
    config = {"bootstrap.servers": kafka_broker.bootstrap}
    transport = {"type": "kafka", "topic": LINEAGE_TOPIC, "config": config, "flush": True}
    lineage = {"openlineage": {"namespace": LINEAGE_NAMESPACE, "transport": json.dumps(transport)}}
    server_loop.call(create_topic, kafka_broker.bootstrap, LINEAGE_TOPIC)  # neither Airflow nor the service makes it
    with server_loop.wrap_async_context_manager(run_airflow(place, lineage)) as engine:
        yield engine


@asynccontextmanager
async def run_airflow(place: Path, more: Sections) -> AsyncIterator[Airflow]:
    """Run Airflow's servers on an empty database; all of it ends with us, however we end."""
    async with AsyncExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="shw-airflow-", ignore_cleanup_errors=True))
        home = Path(temporary)
        (home / "dags").mkdir()
        shutil.copy(DAGS, home / "dags" / "world_dags.py")
        (home / "passwords.json").write_text(json.dumps({USER: PASSWORD}))
        secret = secrets.token_hex(32)
        await _migrate(place, home, secret, more)

        def build(ports: tuple[int, ...]) -> Server:
            return Server(_program(place, home, API_SERVER, ports[0], secret, more), lambda: _healthy(ports[0]))

        _, port = await stack.enter_async_context(serving(1, build))
        for name in OTHERS:
            server = Server(_program(place, home, name, port, secret, more), _at_once)
            stack.push_async_callback(server.stop)
            await server.start()
        engine = Airflow(port=port, home=home)
        await until(lambda: _knows_dags(engine))
        await engine.ask("POST", "/pools", {"name": "closed", "slots": 0})
        yield engine


async def _knows_dags(engine: Airflow) -> bool:
    return len((await engine.ask("GET", "/dags"))["dags"]) >= len(NAMES)


async def _migrate(place: Path, home: Path, secret: str, more: Sections) -> None:
    with (home / "migrate.log").open("wb") as log:
        program = await asyncio.create_subprocess_exec(
            *(str(place / "bin" / "airflow"), "db", "migrate"),
            env=_environment(place, home, 9, secret, more),
            stdout=log,
            stderr=log,
        )
        assert await program.wait() == 0, (home / "migrate.log").read_text()[-2000:]


def _program(place: Path, home: Path, name: str, port: int, secret: str, more: Sections) -> ServerProgram:
    argv = [str(place / "bin" / "airflow"), name]
    if name == API_SERVER:
        argv += ["--host", LOCALHOST, "--port", str(port), "--workers", "1"]
    elif name != "dag-processor":
        argv += ["--skip-serve-logs"]  # it would be bound to all addresses
    return ServerProgram(
        name=f"Airflow's {name}",
        argv=tuple(argv),
        directory=home,
        log=home / f"{name}.log",
        environment=_environment(place, home, port, secret, more),
        stop_signal=signal.SIGTERM,
        start_within=START_WITHIN,
        remove_when_orphaned=home,
    )


def _environment(place: Path, home: Path, port: int, secret: str, more: Sections) -> dict[str, str]:
    base = f"http://{LOCALHOST}:{port}"
    sections = {
        "core": {
            "load_examples": "False",
            "dags_folder": str(home / "dags"),
            "parallelism": "2",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": str(home / "passwords.json"),
            "execution_api_server_url": f"{base}/execution/",
            "fernet_key": "",
            "internal_api_secret_key": secret,
        },
        # Airflow binds to all addresses unless it is told otherwise.
        "api": {"host": LOCALHOST, "port": str(port), "base_url": base, "workers": "1", "secret_key": secret},
        "api_auth": {"jwt_secret": secret},
        "scheduler": {
            "task_instance_heartbeat_timeout": "15",
            "task_instance_heartbeat_timeout_detection_interval": "5",
            "enable_health_check": "False",
        },
        "dag_processor": {"refresh_interval": "10"},
        "workers": {"execution_api_timeout": "60"},  # by default five seconds, which a busy machine takes
        "usage_data_collection": {"enabled": "False"},
    } | dict(more)
    return {
        "PATH": f"{place / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(ROOT / "report"),  # the kit that a callback may use
    } | {
        f"AIRFLOW__{section.upper()}__{name.upper()}": value
        for section, settings in sections.items()
        for name, value in settings.items()
    }


async def _at_once() -> None:
    """Take a server without an address for ready as soon as it runs."""


async def _healthy(port: int) -> None:
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            (await client.get(f"http://{LOCALHOST}:{port}/api/v2/version")).raise_for_status()
    except httpx2.HTTPError as error:
        raise TransientError(f"no answer yet: {type(error).__name__}") from error
