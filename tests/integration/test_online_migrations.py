"""Migrations of a table that is large already: most is done beside those who write, and the schema is the same."""

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from consumer.errors import ConfigError
from consumer.local.postgres import Postgres
from consumer.store import migrate as migrations
from consumer.store import online_migrations as module
from consumer.store.migrate import EXPECTED_SCHEMA, MIGRATIONS, migrate, schema_version
from tests.support.stack import OPEN_TO_ALL

SEED = """
CREATE TABLE workflow_failures (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), org_id uuid NOT NULL, workflow_name text NOT NULL,
  failure_reason text NOT NULL, context jsonb DEFAULT '{}'::jsonb, detected_at timestamptz DEFAULT now(),
  resolved boolean NOT NULL DEFAULT false,
  CONSTRAINT workflow_failures_org_fk FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE);
CREATE INDEX idx_workflow_failures_reason ON workflow_failures (failure_reason);
INSERT INTO organizations (id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, resolved)
SELECT '00000000-0000-4000-8000-000000000001', 'w', 'r', n % 3 > 0 FROM generate_series(1, 200) AS n;
"""
SCHEMA = """
SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
       || coalesce(column_default, '-')
  FROM information_schema.columns WHERE table_schema = 'public'
 UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
 UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
 UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
 ORDER BY 1
"""
BY_STATUS = (
    "SELECT status, resolved, due_at IS NULL AS ended, count(*) FROM workflow_failures GROUP BY 1, 2, 3 ORDER BY 1"
)


@pytest.fixture
async def seeded(postgres: Postgres) -> AsyncIterator[str]:
    """A database of the platform before the first migration of this service."""
    name = f"seeded_{uuid.uuid4().hex[:12]}"
    server = await asyncpg.connect(postgres.dsn)
    await server.execute(f"CREATE DATABASE {name}")
    dsn = postgres.dsn_of(name)
    connection = await asyncpg.connect(dsn)
    await connection.execute((MIGRATIONS / "100_platform.sql").read_text().split("-- migrate:down")[0])
    await connection.execute(SEED)
    await connection.close()
    yield dsn
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture
def every_table_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(module, "STRETCH", 1)
    monkeypatch.setattr(module, "PAUSE", module.PAUSE / 20)


async def _fetch(dsn: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


@pytest.mark.usefixtures("every_table_is_large")
async def test_a_large_table_gets_the_schema_that_a_small_one_gets(seeded: str, database: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, seeded) for _ in range(2)))
    assert await _fetch(seeded, SCHEMA) == await _fetch(database, SCHEMA)
    assert [tuple(row) for row in await _fetch(seeded, BY_STATUS)] == [
        ("pending", False, False, 66),
        ("resolved", True, True, 134),
    ]


@pytest.mark.usefixtures("every_table_is_large")
async def test_an_index_of_an_interrupted_build_is_built_anew(seeded: str) -> None:
    connection = await asyncpg.connect(seeded)
    await connection.execute("CREATE INDEX idx_workflow_failures_org ON workflow_failures (org_id)")
    await connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_workflow_failures_org'::regclass"
    )
    await asyncio.to_thread(migrate, seeded)
    assert await connection.fetchval("SELECT bool_and(indisvalid) FROM pg_index")
    assert await schema_version(connection) == EXPECTED_SCHEMA
    await connection.close()


@pytest.mark.usefixtures("every_table_is_large")
async def test_a_lock_that_is_not_to_be_had_makes_no_queue_and_is_one_line(
    seeded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_TRIES", 2)
    monkeypatch.setattr(module, "LOCK_WAIT", module.LOCK_WAIT / 20)
    connection = await asyncpg.connect(seeded)
    monkeypatch.setattr(module, "_files", lambda _: [MIGRATIONS / "online" / "102.workflow_failures.sql"])
    async with connection.transaction():
        await connection.execute("LOCK TABLE workflow_failures IN ACCESS SHARE MODE")
        with pytest.raises(
            ConfigError, match="A lock was not to be had in 2 tries: look in pg_stat_activity"
        ) as caught:
            await asyncio.to_thread(migrate, seeded)
    assert "\n" not in str(caught.value)
    await connection.close()


@pytest.mark.usefixtures("every_table_is_large")
async def test_the_owner_of_the_tables_needs_no_more_rights(postgres: Postgres) -> None:
    owner = f"owner_{uuid.uuid4().hex[:12]}"
    server = await asyncpg.connect(postgres.dsn)
    await server.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'p'")
    await server.execute(f"CREATE DATABASE {owner} OWNER {owner}")
    dsn = postgres.dsn_of(owner).replace(f"//postgres:{postgres.password}@", f"//{owner}:p@")
    connection = await asyncpg.connect(dsn)
    await connection.execute(OPEN_TO_ALL)
    await connection.execute((MIGRATIONS / "100_platform.sql").read_text().split("-- migrate:down")[0])
    await connection.execute(SEED)
    await asyncio.to_thread(migrate, dsn)
    assert await schema_version(connection) == EXPECTED_SCHEMA
    assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    await connection.close()
    await server.execute(f"DROP DATABASE {owner} WITH (FORCE)")
    await server.close()


@pytest.mark.parametrize("large", [False, True])
async def test_a_column_of_the_platforms_own_is_not_taken_over(
    seeded: str, large: bool, request: pytest.FixtureRequest
) -> None:
    if large:
        request.getfixturevalue("every_table_is_large")
    connection = await asyncpg.connect(seeded)
    await connection.execute("ALTER TABLE workflow_failures ADD COLUMN source text, ADD COLUMN size integer")
    with pytest.raises(ConfigError, match=r"columns already that the healer would make: {size,source}"):
        await asyncio.to_thread(migrate, seeded)
    assert not await connection.fetch("SELECT FROM pg_attribute WHERE attname = 'waits_on'")
    await connection.close()


async def test_a_migration_behind_a_long_reader_lets_writers_through_and_goes_on_after_it(
    seeded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await asyncpg.connect(seeded), await asyncpg.connect(seeded)
    tried = 0

    def count(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - as subprocess has it
        nonlocal tried
        tried += argv[-1] == "migrate"
        return run(argv, **options)

    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", count)
    reading = reader.transaction()
    await reading.start()
    await reader.execute("LOCK TABLE workflow_failures IN ACCESS SHARE MODE")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(migrate, seeded))
        while tried < 2:
            await writer.execute(
                "SET statement_timeout = '10s'; UPDATE workflow_failures SET context = '{}' WHERE false"
            )
        await reading.rollback()
    assert await schema_version(writer) == EXPECTED_SCHEMA
    for connection in (reader, writer):
        await connection.close()


async def test_a_reader_that_does_not_end_is_one_line(seeded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "LOCK_TRIES", 1)
    reader = await asyncpg.connect(seeded)
    async with reader.transaction():
        await reader.execute("LOCK TABLE workflow_failures IN ACCESS SHARE MODE")
        with pytest.raises(ConfigError, match=r"^Migrations failed: .*due to lock timeout[^\n]*$"):
            await asyncio.to_thread(migrate, seeded)
    await reader.close()
