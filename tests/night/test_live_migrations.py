"""Every migration on a live table of millions of rows: none keeps what the platform reads and writes waiting."""

import asyncio
import contextlib
import os
import shutil
import sys
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
FIRST: Final = 102
"""Schema of the first table with rows of this service: before it there is only what the platform has."""
_TABLES: Final = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
_INDEXES: Final = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS statement FROM pg_index i
 WHERE i.indrelid IN ('workflow_failures'::regclass, 'workflow_heal_attempts'::regclass) AND NOT i.indisunique
"""
_FILL: Final = """
INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context, detected_at, resolved, status, due_at)
SELECT $1, 'workflow-' || n % 500, 'Request timeout after 30 s: GET /products/' || n, '{"request": {"method": "GET"}}',
       now() - n * interval '1 second', n % 20 <> 0,
       CASE WHEN n % 20 <> 0 THEN 'resolved' ELSE 'pending' END, CASE WHEN n % 20 = 0 THEN now() END
  FROM generate_series(1, $2) AS n
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
                if lock not in began:
                    began[lock] = used, await schema_version(connection) or "none"
                first, version = began[lock]
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
    """Have `migrate` stop at the first schema of this service."""
    for file in MIGRATIONS.glob("*.sql"):
        if int(file.name.partition("_")[0]) <= FIRST:
            shutil.copy(file, tmp_path)
    monkeypatch.setattr("consumer.store.migrate.MIGRATIONS", tmp_path)


async def fill(connection: asyncpg.Connection, org: UUID) -> None:
    """Fill both tables, and index them once for all rows."""
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    await connection.execute("SET session_replication_role = replica")  # neither triggers nor foreign keys
    await connection.execute(_FILL, org, ROWS)
    await connection.execute(_FILL_ATTEMPTS)
    await connection.execute("RESET session_replication_role")
    for index in indexes:
        await connection.execute(index["statement"])


async def test_no_migration_holds_a_lock_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch()
    async with (
        run_postgres(fsync=False, settings={"max_wal_size": "4GB"}) as server,
        connected(server.dsn) as connection,
        connected(server.dsn) as watching,
    ):
        with monkeypatch.context() as patched:
            since(tmp_path, patched)
            await asyncio.to_thread(migrate, server.dsn)
        org = uuid4()
        await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        await fill(connection, org)
        await connection.execute("VACUUM ANALYZE workflow_failures, workflow_heal_attempts")
        tables = [row["oid"] for row in await connection.fetch(_TABLES)]
        async with asyncio.TaskGroup() as meanwhile:
            watcher = meanwhile.create_task(watch.look(watching, tables))
            await asyncio.to_thread(migrate, server.dsn)
            watcher.cancel()
        assert await schema_version(connection) == EXPECTED_SCHEMA
        assert await connection.fetchval("SELECT count(*) FROM workflow_failures") == ROWS
    longest = sorted(watch.held.items(), key=lambda one: -one[1])
    with capsys.disabled():
        sys.stdout.write("".join(f"\n{seconds:7.2f} s  {name}" for name, seconds in longest[:12]) + "\n")
    assert longest, "no lock was seen: the watch sees nothing"
    assert not [one for one in longest if one[1] > LONGEST]
