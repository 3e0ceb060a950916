"""Connections, and the translation of Postgres's errors into ours."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from consumer.errors import ConfigError, RefusedByDatabase, TransientError
from consumer.settings import PostgresSettings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

_DATA = ("22", "23", "54")
"""SQLSTATE classes of what no repetition cures: data, integrity, and limits such as an index row's."""
_PASSING = ("08", "25", "40", "53", "55", "57", "58")
"""SQLSTATE classes of what may be cured by another try: connection, rollback, resources, locks, shutdown, I/O."""


@asynccontextmanager
async def open_pool(settings: PostgresSettings, *, application: str = "shw") -> AsyncIterator[Pool]:
    """Open the pool; every statement on it is bounded in time.

    Raises
    ------
    ConfigError
        The database does not answer, or does not let us in.

    """
    seconds = settings.statement_timeout.total_seconds()
    try:
        pool = await asyncpg.create_pool(
            settings.dsn.get_secret_value(),
            min_size=min(4, settings.pool_size),
            max_size=settings.pool_size,
            # The server stops a statement first, and says so; ours is for a server that is not there any more.
            command_timeout=seconds + 5,
            timeout=settings.connect_timeout.total_seconds(),
            server_settings={
                "application_name": application,
                "statement_timeout": str(int(seconds * 1000)),
                "idle_in_transaction_session_timeout": str(int(seconds * 1000)),
                "TimeZone": "UTC",
                # A generic plan is kept from when the tables were small; planning anew costs a batch 1 ms.
                "plan_cache_mode": "force_custom_plan",
            },
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"Postgres at {settings.shown()} does not let us in: {error or type(error).__name__}. "
            "Check SHW_POSTGRES__DSN and that the server runs."
        ) from error
    try:
        yield pool
    finally:
        await _close(pool)


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()


@contextmanager
def translated() -> Iterator[None]:
    """Turn Postgres's errors into ours: RefusedByDatabase for the data's fault, TransientError for what may pass.

    Anything else (a missing column, a right that we lack) is a mistake of ours or the operator's, and is let through:
    the process ends with it rather than go round in circles.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        state = getattr(error, "sqlstate", None) or ""
        if state.startswith(_DATA):
            raise RefusedByDatabase(str(error)) from error
        if state.startswith(_PASSING):
            raise TransientError(f"Postgres: {error}") from error
        raise
    except (asyncpg.InterfaceError, UnicodeEncodeError, OverflowError, OSError, TimeoutError) as error:
        # What the driver cannot even encode (a lone surrogate, a number too wide) is a ValueError beside its own kind.
        if isinstance(error, ValueError | OverflowError):
            raise RefusedByDatabase(str(error)) from error
        raise TransientError(f"Postgres: {error or type(error).__name__}") from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction on a connection of its own; errors translated. A failed commit may have been one: ask."""
    with translated():
        async with pool.acquire() as connection, connection.transaction():
            yield connection
