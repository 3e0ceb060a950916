"""`python -m benchmarks console [--failures N]`: how long the console's pages take, beside a bare SELECT of the page.

A temporary PostgreSQL is filled with failures of one organisation, and an attempt for each that was healed; without a
ledger and incidents. Each page is asked for as an owner, through the gateway and under row-level security, in one
process and without a network: what is measured is the server's own time. The peer is one SELECT of the same forty rows
by the table's owner.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, NoReturn
from uuid import UUID, uuid4

import asyncpg
import jwt
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from rich.console import Console
from starlette.types import ASGIApp, Message

from benchmarks.harness.report import median, percentile, table
from consumer.api.app import SupervisionEndpoints, create_api
from consumer.api.approvals import ApprovalEndpoints
from consumer.api.orders import OrderEndpoints
from consumer.api.pauses import PauseAnswers
from consumer.api.reported import ReportEndpoints
from consumer.console.pages import console_pages
from consumer.console.session import NAME
from consumer.local.postgres import run_postgres
from consumer.metrics import Metrics
from consumer.settings import ApiSettings, PostgresSettings
from consumer.store.migrate import migrate
from consumer.store.pool import Pool, open_pool

FAILURES: Final = 1_000_000
ROUNDS: Final = 100
BAR_MS: Final = 60.0
_SECRET: Final = "a secret of this benchmark that is long enough"  # noqa: S105 - of a server that lives for a minute
_FILL: Final = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, detected_at, status, resolved,
                               failure_type, due_at, step)
SELECT md5(n::text)::uuid, $1, 'shop.' || n % 40, 'cause ' || n % 25 || ': no answer from 10.0.0.' || n % 250,
       '{"payload": {"order": 7}}', now() - make_interval(secs => n),
       CASE WHEN n % 10 < 8 THEN 'resolved' WHEN n % 10 = 8 THEN 'given_up' ELSE 'deferred' END, n % 10 < 8,
       'api_timeout', CASE WHEN n % 10 = 9 THEN now() + interval '1 day' END, 1
  FROM generate_series(1, $2::int) n
"""
_ATTEMPTS: Final = """
INSERT INTO workflow_heal_attempts (id, failure_id, strategy, result, step, details, attempted_at)
SELECT md5('a' || n)::uuid, md5(n::text)::uuid, 'auto-retry', 'success', 0, '{}', now() - make_interval(secs => n)
  FROM generate_series(1, $1::int) n WHERE n % 10 < 8
"""
_BARE: Final = """
SELECT id, org_id, workflow_name, left(failure_reason, 300), status, detected_at FROM workflow_failures
 WHERE org_id = $1 ORDER BY detected_at DESC, id DESC LIMIT 40
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What one page took."""

    name: str
    median_ms: float
    p95_ms: float


class _Around:
    """A process around the API that is well."""

    def ages(self) -> dict[str, timedelta]:
        """Return no clock."""
        return {}

    def reasons_not_ready(self) -> tuple[str, ...]:
        """Return no reason."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """Return no note."""
        return ()


async def measure(failures: int, rounds: int) -> list[Timed]:
    """Fill a database, and time each page, and the peer."""
    async with run_postgres(settings={"shared_buffers": "512MB"}) as server:
        await asyncio.to_thread(migrate, server.dsn)
        dsn = PostgresSettings(dsn=SecretStr(server.dsn), pool_size=4, statement_timeout=timedelta(minutes=10))
        async with open_pool(dsn) as pool:
            org_id, owner = uuid4(), uuid4()
            await _fill(server.dsn, org_id, owner, failures)
            token = jwt.encode(
                {"sub": str(owner), "aud": "authenticated", "exp": int(time.time()) + 3600}, _SECRET, "HS256"
            )
            app = _api(pool)
            story = await pool.fetchval("SELECT id FROM workflow_failures WHERE status = 'given_up' LIMIT 1")
            pages = {
                "first page": "/",
                "feed by status": "/?status=given_up",
                "story": f"/failures/{story}",
                "spend": "/spend",
                "incidents": "/incidents",
            }
            timed = [await _time(name, partial(_ask, app, path, token), rounds) for name, path in pages.items()]
            return [*timed, await _time("bare SELECT", lambda: pool.fetch(_BARE, org_id), rounds)]


async def _fill(dsn: str, org_id: UUID, owner: UUID, failures: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org_id)
        member = "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, 'owner')"
        await connection.execute(member, owner, org_id)
        await connection.execute(_FILL, org_id, failures)
        await connection.execute(_ATTEMPTS, failures)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _api(pool: Pool) -> ASGIApp:
    async def nothing(*_: Any, **__: Any) -> Any:  # noqa: ANN401 - no page that is measured asks for it
        raise AssertionError("only pages are measured")

    def unmeasured(*_: object) -> NoReturn:
        raise AssertionError("only pages are measured")

    around = _Around()
    settings = ApiSettings(jwt_secret=SecretStr(_SECRET), user_rate=1e6, user_burst=1_000_000)
    return create_api(
        settings=settings, pool=pool, metrics=Metrics(CollectorRegistry()), clocks=around, readiness=around,
        wake=lambda: None, console=console_pages,
        supervision=SupervisionEndpoints(
            approvals=ApprovalEndpoints(tell=unmeasured, holds_after=timedelta(0), wake=lambda: None, change=nothing),
            pauses=PauseAnswers(tell=unmeasured, holds_after=timedelta(0)),
            orders=OrderEndpoints(obey=nothing, wake=lambda: None, input_schema=lambda *_: None, misfit=nothing),
            reports=ReportEndpoints(topic="failures", rules=unmeasured, send=nothing),
            read_file=nothing,
        ),
    )  # fmt: skip


async def _ask(app: ASGIApp, path: str, token: str) -> None:
    place, _, query = path.partition("?")
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = [(b"host", b"localhost"), (b"cookie", f"{NAME}={token}".encode())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": place, "raw_path": place.encode(), "query_string": query.encode(), "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    if status != 200:  # noqa: PLR2004 - HTTP's own
        raise RuntimeError(f"{path} answered {status}")


async def _time(name: str, act: Callable[[], Awaitable[object]], rounds: int) -> Timed:
    taken = []
    for number in range(rounds + 3):
        began = time.perf_counter()
        await act()
        if number >= 3:  # noqa: PLR2004 - the first ones warm up
            taken.append((time.perf_counter() - began) * 1000)
    return Timed(name=name, median_ms=median(taken), p95_ms=percentile(taken, 0.95))


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks console", description=__doc__)
    parser.add_argument("--failures", type=int, default=FAILURES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    told = parser.parse_args(arguments)
    timed = asyncio.run(measure(told.failures, told.rounds))
    rows = [[one.name, f"{one.median_ms:.1f}", f"{one.p95_ms:.1f}"] for one in timed]
    title = f"pages at {told.failures:,} failures; bar {BAR_MS:.0f} ms"
    Console().print(table(title, ("", "median ms", "p95 ms"), rows))
    return 0
