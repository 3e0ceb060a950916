# ruff: noqa: ANN401 - a test writes any column, and looks into any answer
"""The API on a real server over a database of its own, with an organisation and the people around it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import httpx2 as httpx
import jwt
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from starlette.types import ASGIApp

from consumer.api.app import SupervisionEndpoints, create_api
from consumer.api.approvals import ApprovalEndpoints
from consumer.api.assets import ProvenFile
from consumer.api.orders import OrderEndpoints
from consumer.api.pauses import PauseAnswers
from consumer.api.reported import ReportEndpoints
from consumer.api.server import serve
from consumer.catalog import parse_catalog
from consumer.commands.execute import obey_user
from consumer.console.pages import console_pages
from consumer.ingest.decode import AdmissionRules
from consumer.kafka.writer import Sent
from consumer.metrics import Metrics
from consumer.model import ID_SPACE, Failure, FailureId, JsonObject, Message
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.results.pauses import pause_message
from consumer.service.api import find_misfit
from consumer.settings import ApiSettings, PostgresSettings
from consumer.store.pool import Pool, open_pool
from tests.support.documented_role import documented_role
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.pipeline import catalog

SECRET = "a secret of the tests that is long enough for HS256"
LEADERS = ("owner", "admin")
OTHERS = ("member", "stranger")
OUTLET = Outlet(results_topic="results", dlq_topic="dlq", max_bytes=1_000_000)
HOLDS_AFTER = timedelta(milliseconds=10)
"""No consumer runs beside the API."""


@dataclass
class Healer:
    """Stands for the process around the API: its clocks, its readiness and its resume loop."""

    clocks: dict[str, timedelta] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    rules: AdmissionRules = field(
        default_factory=lambda: AdmissionRules(catalog=parse_catalog(catalog()), max_event_bytes=1_000_000)
    )
    sent: list[Message] = field(default_factory=list)
    answer: Sent = Sent.ACKED
    files: dict[str, bytes] = field(default_factory=dict)
    """What heals have made, by digest."""
    asked: list[ProvenFile] = field(default_factory=list)

    async def send(self, messages: Sequence[Message]) -> list[Sent]:
        """Stand for the broker: take them, unless told to answer otherwise."""
        self.sent += messages if self.answer is Sent.ACKED else ()
        return [self.answer] * len(messages)

    async def read_file(self, file: ProvenFile) -> bytes | None:
        self.asked.append(file)
        return self.files.get(file.digest)

    def ages(self) -> Mapping[str, timedelta]:
        return self.clocks

    def reasons_not_ready(self) -> tuple[str, ...]:
        return self.reasons

    def notes(self) -> tuple[str, ...]:
        return ("a note",)


@dataclass
class World:
    """A served API over a fresh database, with one organisation and the people around it."""

    url: str
    pool: Pool
    """The test's own, as the tables' owner."""
    served: Pool
    """The API's, as the documented role."""
    healer: Healer
    metrics: Metrics
    app: ASGIApp
    viewers: Callable[[], int]
    """How many watch what moves."""
    org_id: UUID = field(default_factory=uuid4)
    people: dict[str, UUID] = field(default_factory=dict)

    def signed(
        self, person: str = "owner", *, secret: str = SECRET, algorithm: str = "HS256", **claims: str | int | None
    ) -> str:
        base = {"sub": str(self.people[person]), "aud": "authenticated", "exp": int(time.time()) + 60}
        kept = {name: value for name, value in (base | claims).items() if value is not None}
        return f"Bearer {jwt.encode(kept, secret, algorithm=algorithm)}"

    async def ask(self, method: str, path: str, person: str | None = "owner", **options: Any) -> httpx.Response:
        headers = {"Authorization": self.signed(person)} if person else {}
        headers |= options.pop("headers", {})
        # Plain HTTP: the certificates of the world are not read for each request.
        async with httpx.AsyncClient(
            base_url=self.url, timeout=PATIENCE, headers=headers, trust_env=False, verify=False
        ) as client:
            return await client.request(method, path, **options)

    async def get(self, path: str, person: str | None = "owner") -> Any:
        response = await self.ask("GET", path, person)
        assert response.status_code == 200, response.text
        return response.json()

    async def failure(self, name: str = "one", org_id: UUID | None = None, **columns: Any) -> FailureId:
        failure_id = uuid5(ID_SPACE, name)
        given = {
            "id": failure_id, "org_id": org_id or self.org_id, "workflow_name": "checkout", "failure_reason": name,
        } | columns  # fmt: skip
        marks = ", ".join(f"${n}" for n in range(1, len(given) + 1))
        await self.pool.execute(f"INSERT INTO workflow_failures ({', '.join(given)}) VALUES ({marks})", *given.values())
        return FailureId(failure_id)

    async def attempt(
        self,
        failure_id: FailureId,
        step: int | None,
        result: str = "success",
        *,
        by: str = "auto-retry",
        **details: Any,
    ) -> None:
        await self.pool.execute(
            "INSERT INTO workflow_heal_attempts (id, failure_id, strategy, result, step, details, attempted_at)"
            " VALUES ($1, $2, $6, $3, $4, $5, now() + make_interval(secs => coalesce($4, 0)))",
            uuid5(failure_id, f"attempt:{step}"),
            failure_id,
            result,
            step,
            json.dumps(details),
            by,
        )

    async def row(self, failure_id: FailureId) -> asyncpg.Record:
        row = await self.pool.fetchrow("SELECT * FROM workflow_failures WHERE id = $1", failure_id)
        assert row is not None
        return row


@asynccontextmanager
async def serving(database: str, **settings: Any) -> AsyncIterator[World]:
    patient = dict.fromkeys(("header_timeout", "body_timeout", "request_timeout", "keep_alive"), BEYOND_PATIENCE)
    chosen: dict[str, Any] = {"jwt_secret": SecretStr(SECRET), "heal_wait": timedelta(seconds=5)} | patient | settings
    role = await documented_role(database)
    times: dict[str, Any] = {"statement_timeout": BEYOND_PATIENCE, "connect_timeout": BEYOND_PATIENCE}
    async with (
        open_pool(PostgresSettings(dsn=SecretStr(role), pool_size=5, **times)) as limited,
        open_pool(PostgresSettings(dsn=SecretStr(database), pool_size=4, **times)) as pool,
    ):
        healer, metrics = Healer(), Metrics(CollectorRegistry())
        app = create_api(
            settings=ApiSettings(**chosen),
            pool=limited,
            metrics=metrics,
            clocks=healer,
            readiness=healer,
            wake=healer.woken.set,
            console=console_pages,
            supervision=SupervisionEndpoints(
                approvals=ApprovalEndpoints(
                    tell=partial(status_message, outlet=OUTLET),
                    holds_after=HOLDS_AFTER,
                    wake=healer.woken.set,
                    change=no_changes,
                ),
                pauses=PauseAnswers(tell=partial(pause_message, outlet=OUTLET), holds_after=HOLDS_AFTER),
                orders=OrderEndpoints(
                    obey=partial(obey_user, outlet=OUTLET, price=lambda _: None),
                    wake=healer.woken.set,
                    input_schema=lambda _, context: context.get("schema"),
                    misfit=find_misfit,
                ),
                reports=ReportEndpoints(topic="failures", rules=lambda: healer.rules, send=healer.send),
                read_file=healer.read_file,
            ),
        )
        async with serve(app, "127.0.0.1", 0) as url:
            world = World(url, pool, limited, healer, metrics, app.app, app.live.__len__)
            world.people = {person: uuid4() for person in (*LEADERS, *OTHERS)}
            await pool.execute("INSERT INTO organizations (id) VALUES ($1)", world.org_id)
            await pool.executemany(
                "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, $3)",
                [(world.people[person], world.org_id, person) for person in (*LEADERS, "member")],
            )
            yield world


async def no_changes(_failure: Failure, _changes: JsonObject) -> str:
    return "nothing is planned here"


def error_of(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    return response.status_code, body["error"]["code"]
