"""Every migration on a live table of millions of rows: none keeps what the platform reads and writes waiting."""

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import pytest

from consumer.local.postgres import run_postgres
from consumer.store.migrate import EXPECTED_SCHEMA, MIGRATIONS, migrate, schema_version

pytestmark = [pytest.mark.night, pytest.mark.timeout(3600)]
ROWS: Final = int(os.environ.get("SHW_NIGHT_ROWS", "3000000"))
LONGEST: Final = 2.0
"""Seconds of the processor's time that a migration may use while it holds a lock that others wait for: so long it holds
it on a machine that is idle."""
LOOK_EVERY: Final = 0.02
FIRST: Final = 100
"""What the platform has; the two tables are as its design document has them."""
SEED: Final = """
CREATE TABLE workflow_failures (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), org_id uuid NOT NULL, workflow_name text NOT NULL,
  failure_reason text NOT NULL, context jsonb DEFAULT '{}', detected_at timestamptz DEFAULT now(),
  resolved boolean NOT NULL DEFAULT false,
  CONSTRAINT workflow_failures_org_fk FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE);
CREATE TABLE workflow_heal_attempts (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), failure_id uuid NOT NULL, attempted_at timestamptz DEFAULT now(),
  strategy text NOT NULL, result text NOT NULL, details jsonb DEFAULT '{}',
  CONSTRAINT workflow_heal_attempts_failure_fk FOREIGN KEY (failure_id) REFERENCES workflow_failures(id)
    ON DELETE CASCADE);
CREATE INDEX idx_workflow_failures_org ON workflow_failures (org_id);
CREATE INDEX idx_workflow_failures_name ON workflow_failures (workflow_name);
CREATE INDEX idx_workflow_failures_detected ON workflow_failures (detected_at DESC);
CREATE INDEX idx_workflow_failures_reason ON workflow_failures (failure_reason);
CREATE INDEX idx_workflow_failures_unresolved ON workflow_failures (resolved) WHERE resolved = false;
CREATE INDEX idx_workflow_heal_attempts_failure ON workflow_heal_attempts (failure_id);
CREATE INDEX idx_workflow_heal_attempts_attempted ON workflow_heal_attempts (attempted_at DESC);
"""
_TABLES: Final = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
_INDEXES: Final = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS statement FROM pg_index i
 WHERE i.indrelid IN ('workflow_failures'::regclass, 'workflow_heal_attempts'::regclass) AND NOT i.indisunique
"""
_FILL: Final = """
INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context, detected_at, resolved)
SELECT $1, 'workflow-' || n % 500, 'Request timeout after 30 s: GET /products/' || n, '{"request": {"method": "GET"}}',
       now() - n * interval '1 second', n % 20 <> 0
  FROM generate_series(1, $2) AS n
"""
_FILL_LEDGER: Final = """
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, created_at)
SELECT $1, 'text_consume', 0.01, 100, now() - n * interval '1 second' FROM generate_series(1, $2) AS n
"""
_FILL_ATTEMPTS: Final = """
INSERT INTO workflow_heal_attempts (failure_id, strategy, result) SELECT id, 'auto-retry', 'failed'
  FROM workflow_failures WHERE NOT resolved
"""
# Only what was there before: nobody waits for a table that the same transaction has made.
_HELD: Final = """
SELECT c.relname, l.mode, l.pid
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.granted AND c.oid = ANY($1::oid[]) AND a.application_name <> 'watch'
   AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""


_WRITES: Final = (
    "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, 'live', 'Request timeout')",
    "UPDATE workflow_failures SET resolved = true WHERE org_id = $1 AND workflow_name = 'live' AND NOT resolved",
    "INSERT INTO token_usage_events (org_id, event_type, amount, remaining) VALUES ($1, 'text_consume', 0.01, 100)",
)


class Writer:
    """The platform, which goes on writing; how long one statement of it has waited at most."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.written = 0

    async def run(self, connection: asyncpg.Connection, org: UUID) -> None:
        for statement in itertools.cycle(_WRITES):
            began = time.monotonic()
            await connection.execute(statement, org)
            self.longest = max(self.longest, time.monotonic() - began)
            self.written += statement is _WRITES[0]
            await asyncio.sleep(LOOK_EVERY)


@dataclass
class Watch:
    """For how long each migration held a lock that others wait for."""

    held: dict[str, float] = field(default_factory=dict)

    async def look(self, connection: asyncpg.Connection, tables: list[int]) -> None:
        began: dict[tuple[str, str, int], tuple[float, str]] = {}
        while True:
            found = {(row["relname"], row["mode"], row["pid"]) for row in await connection.fetch(_HELD, tables)}
            for gone in began.keys() - found:
                del began[gone]
            for lock in found:
                used = processor_seconds(lock[2])
                version = await schema_version(connection) or "none"
                if lock not in began or began[lock][1] != version:  # one process runs one migration after the other
                    began[lock] = used, version
                first = began[lock][0]
                name = f"after {version}: {lock[1]} of {lock[0]}"
                self.held[name] = max(self.held.get(name, 0.0), used - first)
            await asyncio.sleep(LOOK_EVERY)


def processor_seconds(pid: int) -> float:
    """What a process has used so far; 0 once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "watch"})
    try:
        yield connection
    finally:
        await connection.close()


def since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `migrate` stop at what the platform has."""
    for file in MIGRATIONS.glob("*.sql"):
        if int(file.name.partition("_")[0]) <= FIRST:
            shutil.copy(file, tmp_path)
    monkeypatch.setattr("consumer.store.migrate.MIGRATIONS", tmp_path)


async def fill(connection: asyncpg.Connection, org: UUID) -> None:
    """Fill the tables, and index them once for all rows."""
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    await connection.execute("SET session_replication_role = replica")  # neither triggers nor foreign keys
    await connection.execute(_FILL, org, ROWS)
    await connection.execute(_FILL_LEDGER, org, ROWS)
    await connection.execute(_FILL_ATTEMPTS)
    await connection.execute("RESET session_replication_role")
    for index in indexes:
        await connection.execute(index["statement"])


async def test_no_migration_holds_a_lock_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch, writer = Watch(), Writer()
    async with (
        run_postgres(fsync=False, settings={"max_wal_size": "4GB"}) as server,
        connected(server.dsn) as connection,
        connected(server.dsn) as watching,
    ):
        with monkeypatch.context() as patched:
            since(tmp_path, patched)
            await asyncio.to_thread(migrate, server.dsn)
        await connection.execute(SEED)
        org = uuid4()
        await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        await fill(connection, org)
        await connection.execute("VACUUM ANALYZE workflow_failures, workflow_heal_attempts, token_usage_events")
        tables = [row["oid"] for row in await connection.fetch(_TABLES)]
        async with asyncio.TaskGroup() as meanwhile:
            tasks = [meanwhile.create_task(watch.look(watching, tables))]
            tasks.append(meanwhile.create_task(writer.run(connection, org)))
            await asyncio.to_thread(migrate, server.dsn)
            for task in tasks:
                task.cancel()
        assert await schema_version(watching) == EXPECTED_SCHEMA
        assert await watching.fetchval("SELECT count(*) FROM workflow_failures") in {
            ROWS + writer.written,
            ROWS + writer.written + 1,
        }
        assert not await watching.fetchval(
            "SELECT count(*) FROM workflow_failures WHERE resolved <> (status = 'resolved')"
        )
    longest = sorted(watch.held.items(), key=lambda one: -one[1])
    with capsys.disabled():
        sys.stdout.write("".join(f"\n{seconds:7.2f} s  {name}" for name, seconds in longest[:12]) + "\n")
        sys.stdout.write(f"{writer.longest:7.2f} s  longest wait of one of {3 * writer.written} statements beside it\n")
    assert longest, "no lock was seen: the watch sees nothing"
    assert not [one for one in longest if one[1] > LONGEST]
