"""Online migrations: what would lock a large table for long is done before the migrations, beside those who write.

A file of `migrations/online` is named for the migration that finds its work done, and for the table that has to be
large for it. Its statements are divided by empty lines, and each is a transaction of its own: an index is built
concurrently, and rows are changed a stretch of the table at a time. Each can be done again, so what was interrupted is
begun anew.

They are no migrations of dbmate's: what waits for its lock has a snapshot, for which a concurrent build would wait.
Here whoever comes second asks for the lock again and again, and holds nothing meanwhile.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from consumer.errors import ConfigError

LARGE: Final = 2 * 2**20
"""Bytes of a table: a smaller one is locked for a fraction of a second; one of five times as much, for seconds."""
STRETCH: Final = 1000
"""Pages of a table that are gone through in one transaction: some tens of thousands of rows, for about a second."""
LOCK_WAIT: Final = timedelta(milliseconds=1500)
"""Who asks for a whole table has everybody behind it wait: it gives up after this, and asks again later. Longer than
PostgreSQL's `deadlock_timeout`, after which an autovacuum gives way to it."""
LOCK_TRIES: Final = 60
TURN_TRIES: Final = 600
PAUSE: Final = timedelta(seconds=1)
CONNECT_WITHIN: Final = timedelta(seconds=15)

_APPLIED: Final = "SELECT version FROM shw_migrations"
_TABLE_EXISTS: Final = "SELECT to_regclass('shw_migrations') IS NOT NULL"
_SIZE: Final = "SELECT coalesce(pg_table_size(to_regclass($1)), 0)"
_PAGES: Final = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint"
_TAKE_TURN: Final = "SELECT WHERE pg_try_advisory_xact_lock(20536)"
_TAKEN: Final = "SELECT 1"
_STAY_OPEN: Final = "SET LOCAL idle_in_transaction_session_timeout = 0"
_TAKE_TIME: Final = "SET statement_timeout = 0"
_IS_INVALID: Final = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
_BUILT: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\w+)")
_OUTSIDE: Final = re.compile(
    r"^(?:CREATE (?:UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|VACUUM)\b", re.MULTILINE
)
"""Statements that no transaction block may hold."""


@asynccontextmanager
async def online_migrations(dsn: str, folder: Path) -> AsyncIterator[None]:
    """Do what the migrations that are missing find done; nobody else does, or migrates, until the end of the block.

    Raises
    ------
    ConfigError
        A statement was refused, or another process has been at it for minutes.

    """
    work, turn = await _connected(dsn), await _connected(dsn)
    try:
        if not await _due(work, folder):
            yield
            return
        async with turn.transaction(isolation="read_committed"):  # another keeps a snapshot, for which builds wait
            await turn.execute(_STAY_OPEN)
            await _take_turn(turn)
            await work.execute(_TAKE_TIME)
            for file in await _due(work, folder):
                await _run_file(work, file)
            yield
    finally:
        for connection in (work, turn):
            connection.terminate()


async def _connected(dsn: str) -> asyncpg.Connection:
    within = CONNECT_WITHIN.total_seconds()
    # Behind a pooler a statement that was prepared is another client's a moment later.
    return await asyncpg.connect(dsn, timeout=within, statement_cache_size=0)


async def _due(connection: asyncpg.Connection, folder: Path) -> Sequence[Path]:
    """Return the files whose migration is missing, and whose table is large."""
    applied: set[str] = set()
    if await connection.fetchval(_TABLE_EXISTS):
        applied = {row["version"] for row in await connection.fetch(_APPLIED)}
    due = []
    for file in _files(folder):
        version, table, _ = file.name.split(".")
        if version not in applied and await connection.fetchval(_SIZE, table) > LARGE:
            due.append(file)
    return due


def _files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("*.sql"))


def _statements(file: Path) -> Sequence[str]:
    return file.read_text().split("\n\n")


async def _take_turn(connection: asyncpg.Connection) -> None:
    for _ in range(TURN_TRIES):
        # Told by the command tag of the simple protocol: a prepared query leaves its portal open in a transaction,
        # and with it a snapshot for which builds would wait.
        if await connection.execute(_TAKE_TURN) == _TAKEN:
            return
        await asyncio.sleep(PAUSE.total_seconds())
    raise ConfigError(
        "Another `shw migrate` has been at it for ten minutes: look in pg_stat_activity what it waits for"
    )


async def _run_file(connection: asyncpg.Connection, file: Path) -> None:
    table = file.name.split(".")[1]
    for statement in _statements(file):
        try:
            if "$from" in statement:
                await _go_through(connection, table, statement)
            elif _OUTSIDE.search(statement):
                await _run_outside(connection, statement)
            else:
                await _run_locking(connection, statement)
        except asyncpg.PostgresError as error:
            raise ConfigError(f"Migrations failed: {error} (migrations/online/{file.name}): run it again") from error


async def _go_through(connection: asyncpg.Connection, table: str, statement: str) -> None:
    """Run a statement for each stretch of a table; what comes in meanwhile is the migration's."""
    pages = await connection.fetchval(_PAGES, table)
    for first in range(0, pages, STRETCH):
        await connection.execute(statement.replace("$from", f"({first},0)").replace("$to", f"({first + STRETCH},0)"))


async def _run_outside(connection: asyncpg.Connection, statement: str) -> None:
    built = _BUILT.search(statement)
    # What an interrupted build leaves has the index's name, is written by all, and serves nobody.
    if built and await connection.fetchval(_IS_INVALID, built[1]):
        await connection.execute(f"DROP INDEX CONCURRENTLY {built[1]}")
    await connection.execute(statement)


async def _run_locking(connection: asyncpg.Connection, statement: str) -> None:
    for _ in range(LOCK_TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT // timedelta(milliseconds=1)}")
                await connection.execute(statement)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(PAUSE.total_seconds())
        else:
            return
    altered = statement.strip().splitlines()[-1]
    raise ConfigError(
        f"A lock was not to be had in {LOCK_TRIES} tries: look in pg_stat_activity who holds it ({altered})"
    )
