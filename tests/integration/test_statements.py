"""Every statement of the store fits the migrated schema, and the hot ones find their rows by an index."""

import pkgutil
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

import consumer.store
from consumer.store import breakers, due, intake, leases, outbox, reports, settle
from tests.support.patience import PATIENCE

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
ROWS = 20_000


def statements() -> list[Any]:
    found = []
    for module in pkgutil.iter_modules(consumer.store.__path__, "consumer.store."):
        for name, value in vars(import_module(module.name)).items():
            if name.lstrip("_").isupper() and isinstance(value, str) and value.lstrip().startswith(VERBS):
                found.append(pytest.param(value, id=f"{module.name.rpartition('.')[2]}.{name}"))
    return found


@pytest.fixture
async def connection(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


def test_there_are_statements_to_look_at() -> None:
    assert len(statements()) >= 25


@pytest.mark.parametrize("statement", statements())
async def test_a_statement_fits_the_migrated_schema(unchanged_database: str, statement: str) -> None:
    connection = await asyncpg.connect(unchanged_database, timeout=PATIENCE)
    try:
        await connection.prepare(statement)
    finally:
        await connection.close(timeout=PATIENCE)


@pytest.mark.parametrize("statement", statements())
def test_no_statement_prints_a_document_of_others_to_measure_it(statement: str) -> None:
    assert re.search(r"\b(context|details|metadata|config)::text", statement) is None


async def _fill(connection: "asyncpg.Connection[asyncpg.Record]") -> UUID:
    """A history of resolved failures, a few that are open, and as many claims and messages as a busy hour has."""
    org = uuid4()
    await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
    await connection.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, status, resolved, due_at, waits_on,"
        " detected_at, failure_type)"
        " SELECT $1, 'w' || n % 50, 'timeout', CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'resolved' END, n % 100 <> 0,"
        " CASE WHEN n % 100 = 0 THEN clock_timestamp() + n % 300 * interval '1 s' END,"
        " CASE WHEN n % 200 = 0 THEN 'scope' || n END, clock_timestamp() - n * interval '1 s', 'unknown'"
        " FROM generate_series(1, $2::int) AS n",
        org,
        ROWS,
    )
    await connection.execute(
        "INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, owner, effect_deadline)"
        " SELECT 'scope' || n, gen_random_uuid(), gen_random_uuid(), 0, $1, 'auto-retry', 'none', 'owner' || n % 1000,"
        " clock_timestamp() + interval '1 minute' FROM generate_series(1, 20000) AS n",
        org,
    )
    await connection.execute(
        "INSERT INTO heal_outbox (id, failure_id, owner, topic, headers, created_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 'owner' || n % 1000, 't', '[]',"
        " clock_timestamp() - n * interval '10 ms' FROM generate_series(1, 20000) AS n"
    )
    await connection.execute("ANALYZE")
    return org


SPAN = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC), UUID(int=1))
HOT = [
    (due._ORGANISATIONS, (UUID(int=0), 1000), "workflow_failures_due", "due_at <="),  # noqa: SLF001 - the statements themselves
    (due._PICK, ([UUID(int=1)], [50], 60.0, 50, 200, 8_000_000, 550), "workflow_failures_due", "due_at <="),  # noqa: SLF001
    (due._PERSON_LATER, (), "workflow_failures_for_person", "due_at <="),  # noqa: SLF001
    (outbox._LEFT_OVER, ("me", 190.0, 500, ["o7"], "t", ["other"]), "heal_outbox_lane", "created_at <"),  # noqa: SLF001
    (settle._WAKE, (["scope200", "scope400"], 1, [], []), "workflow_failures_waiting", "waits_on ="),  # noqa: SLF001
    (breakers._NEXT_PROBE, (["scope200"],), "workflow_failures_waiting", "waits_on ="),  # noqa: SLF001
    (leases._BEGIN, (UUID(int=1), "owner7", 0), "heal_claim_attempt_id_key", "attempt_id ="),  # noqa: SLF001
    (leases._READ, ("owner7",), "heal_claim_revoked", "owner ="),  # noqa: SLF001
    (outbox._ACKED, ([UUID(int=1)],), "heal_outbox_pkey", "id ="),  # noqa: SLF001
    (intake._STORED, ([UUID(int=1)],), "workflow_failures_pkey", "id ="),  # noqa: SLF001
    (reports._REASONS, (*SPAN, None, None, 9, 9), "idx_workflow_failures_detected", "detected_at >="),  # noqa: SLF001
    (reports._DIAGNOSED, (*SPAN, 9, 1000), "idx_workflow_failures_detected", "detected_at >="),  # noqa: SLF001
]


async def test_hot_statements_search_an_index_and_read_no_history(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await _fill(connection)
    for statement, arguments, index, searched_by in HOT:
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
        assert index in plan, plan
        # Claims and messages under way are few; what grows for ever is the history of failures.
        assert "Seq Scan on workflow_failures" not in plan, plan
        assert any(searched_by in line for line in plan.splitlines() if "Index Cond" in line), plan
