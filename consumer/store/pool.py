"""Connections, and the translation of Postgres's errors into ours."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg

from consumer.errors import ConfigError, RefusedByDatabase, TransientError
from consumer.settings import PostgresSettings
from consumer.store.asyncpg_internals import take_only_plain_arrays
from consumer.store.session import at_connect, bound_transactions, check_session, what_to_do

if TYPE_CHECKING:
    from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

_POOL_DEFAULTS: Final = {
    "max_queries": 50_000,
    "max_inactive_connection_lifetime": 300.0,
    "loop": None,
    "connection_class": asyncpg.Connection,
    "record_class": asyncpg.Record,
}
"""What `asyncpg.create_pool` gives to the pool that it makes."""
_DATA = ("22", "23", "54")
"""SQLSTATE classes of what no repetition cures: data, integrity, and limits such as an index row's."""
_Broken = asyncpg.InternalClientError
"""What the driver says of a connection that the server ended between two messages of one statement."""
_PASSING = ("08", "25", "40", "53", "55", "57", "58")
"""SQLSTATE classes of what may be cured by another try: connection, rollback, resources, locks, shutdown, I/O."""


class _BoundedPool(Pool):
    """A pool in which nobody waits for a connection without bound: a thousand heals may stand in the queue."""

    __slots__ = ("_acquire_within",)

    def __init__(self, dsn: str, acquire_within: float, **options: Any) -> None:  # noqa: ANN401 - as asyncpg has them
        super().__init__(dsn, **(_POOL_DEFAULTS | options))
        self._acquire_within = acquire_within

    def acquire(self, *, timeout: float | None = None) -> "PoolAcquireContext[asyncpg.Record]":
        return super().acquire(timeout=self._acquire_within if timeout is None else timeout)


def alone(settings: PostgresSettings) -> PostgresSettings:
    """Give the settings of a pool of one connection, for what must never wait for others."""
    return settings.model_copy(update={"pool_size": 1})


@asynccontextmanager
async def open_pool(
    settings: PostgresSettings, *, application: str = "shw", opened: Callable[[], None] = lambda: None
) -> AsyncIterator[Pool]:
    """Open the pool; every statement on it is bounded in time. `opened` is told of each connection.

    Raises
    ------
    ConfigError
        The database does not answer, or does not let us in, or what stands in front of it needs another setting.

    """
    seconds = settings.statement_timeout.total_seconds()
    take_only_plain_arrays()

    async def prepare(connection: Connection) -> None:
        opened()
        if not settings.pooler_shares:
            await bound_transactions(connection, settings.statement_timeout)

    with _refused(settings):
        pool = await _BoundedPool(
            settings.dsn.get_secret_value(),
            seconds + settings.connect_timeout.total_seconds(),
            min_size=min(4, settings.pool_size),
            max_size=settings.pool_size,
            init=prepare,
            # More than we have: each is planned a few times only. What a pooler's session has prepared is another's.
            statement_cache_size=0 if settings.pooler_shares else 200,
            reset=_leave_session,
            # The server stops a statement first, and says so; ours is for a server that is not there any more.
            command_timeout=seconds + 5,
            timeout=settings.connect_timeout.total_seconds(),
            server_settings=at_connect(settings, application),
        )
    try:
        with _refused(settings):
            async with pool.acquire() as connection:
                await check_session(connection, settings)
        yield pool
    finally:
        await _close(pool)


@contextmanager
def _refused(settings: PostgresSettings) -> Iterator[None]:
    """Turn what goes wrong before the pool is open into the line that says what to do."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"Postgres at {settings.shown()} {_refusal(error)}: {error or type(error).__name__}. "
            f"{what_to_do(str(error))}"
        ) from error


def _refusal(error: Exception) -> str:
    """Say whether it refused us, or was not there to do so."""
    return "does not answer" if isinstance(error, OSError | TimeoutError) else "does not let us in"


async def _leave_session(connection: Connection) -> None:
    """Spare the round trip that undoes what a borrower set for its session: we set for transactions only."""


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
            # Without the server's DETAIL: it quotes the whole row, raw bytes among them.
            raise RefusedByDatabase(str(error.args[0]) if error.args else state) from error
        if state.startswith(_PASSING):
            raise TransientError(f"Postgres: {error}") from error
        raise
    except (asyncpg.InterfaceError, _Broken, UnicodeEncodeError, OverflowError, OSError, TimeoutError) as error:
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
