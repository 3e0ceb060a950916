"""Connection pool, transactions, and the translation of Postgres errors into the service's own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakSet

import asyncpg

from consumer.errors import ConfigError, RefusedByDatabase, TransientError
from consumer.settings import PostgresSettings
from consumer.store.asyncpg_internals import expire_connections, take_only_plain_arrays
from consumer.store.refused_connection import refused_connection
from consumer.store.session import at_connect, check_session, prepare_session

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
"""The defaults that `asyncpg.create_pool` passes to the pool that it makes."""
_PERMANENT_STATES = ("22", "23", "54")
"""SQLSTATE classes of permanent errors, which no retry cures: data, integrity, and limits such as an index row's."""
_BrokenConnection = asyncpg.InternalClientError
"""The driver's error for a connection that the server ended between two messages of one statement."""
_TRANSIENT_STATES = ("08", "25", "40", "53", "55", "57", "58")
"""SQLSTATE classes of transient errors, to be tried again: connection, rollback, resources, locks, shutdown, I/O."""


_OPERATORS_STATES = ("28", "3F000", "42501", "42P01", "42703", "42883")
"""SQLSTATEs of what only an operator can change: sign-in, privileges, the search path, the schema."""
_OPERATORS_ADVICE: Final = (
    "Check the role of SHW_POSTGRES__DSN and its settings (search_path), `shw migrate`, and deploy/grants.sql"
)

_OPEN_POOLS: Final["WeakSet[_BoundedPool]"] = WeakSet()
_READ_ONLY: Final = "25006"
"""SQLSTATE of a write in a read-only session: the server was demoted, and its sessions stay so for ever."""


class _BoundedPool(Pool):
    """Connection pool with a bounded acquire: a thousand heals may queue for it, and none waits without bound."""

    __slots__ = ("__weakref__", "_acquire_within")

    def __init__(self, dsn: str, acquire_within: float, **options: Any) -> None:  # noqa: ANN401 - as asyncpg has them
        super().__init__(dsn, **(_POOL_DEFAULTS | options))
        self._acquire_within = acquire_within
        _OPEN_POOLS.add(self)

    def acquire(self, *, timeout: float | None = None) -> "PoolAcquireContext[asyncpg.Record]":
        return super().acquire(timeout=self._acquire_within if timeout is None else timeout)


def single_connection(settings: PostgresSettings) -> PostgresSettings:
    """Return the settings of a pool of one connection, for work that must never queue behind other work."""
    return settings.model_copy(update={"pool_size": 1})


@asynccontextmanager
async def open_pool(
    settings: PostgresSettings, *, application: str = "shw", opened: Callable[[], None] = lambda: None
) -> AsyncIterator[Pool]:
    """Open the connection pool; every statement on it has a timeout. `opened` is called for each connection.

    Raises
    ------
    ConfigError
        The database does not answer or refuses the connection, or a pooler in front of it needs another setting.

    """
    seconds = settings.statement_timeout.total_seconds()
    take_only_plain_arrays()

    async def prepare(connection: Connection) -> None:
        opened()
        if not settings.pooler_shares:
            await prepare_session(connection, settings.statement_timeout)

    with _config_errors(settings):
        pool = await _BoundedPool(
            settings.dsn.get_secret_value(),
            seconds + settings.connect_timeout.total_seconds(),
            min_size=min(4, settings.pool_size),
            max_size=settings.pool_size,
            init=prepare,
            # More than there are statements: each is planned a few times only. Behind a pooler the session in which
            # one was prepared is another client's a moment later.
            statement_cache_size=0 if settings.pooler_shares else 200,
            reset=_skip_reset,
            # The server's own timeout stops a statement first, and says so; this one is for a server that is gone.
            command_timeout=seconds + 5,
            timeout=settings.connect_timeout.total_seconds(),
            server_settings=at_connect(settings, application),
        )
    try:
        with _config_errors(settings):
            async with pool.acquire() as connection:
                await check_session(connection, settings)
        yield pool
    finally:
        await _close(pool)


@contextmanager
def _config_errors(settings: PostgresSettings) -> Iterator[None]:
    """Turn errors from before the pool is open into a ConfigError, one line that says what to do."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, OverflowError, TimeoutError, ValueError) as error:
        raise refused_connection(error, settings) from error


async def _skip_reset(connection: Connection) -> None:
    """Skip the session reset, and save its round trip: settings are made for transactions only, never for a session."""


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()


@contextmanager
def translated() -> Iterator[None]:
    """Translate Postgres errors: RefusedByDatabase where the data is at fault, TransientError where a retry may help.

    The process ends with anything else rather than retry for ever: with a ConfigError where a privilege or a table is
    missing, which the next start names, or with a mistake of the code.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        state = getattr(error, "sqlstate", None) or ""
        if state == _READ_ONLY:
            _expire_sessions()
        if state.startswith(_PERMANENT_STATES):
            # Without the server's DETAIL: it quotes the whole row, raw bytes among them.
            raise RefusedByDatabase(str(error.args[0]) if error.args else state) from error
        if state.startswith(_TRANSIENT_STATES):
            raise TransientError(f"Postgres: {error}") from error
        if state.startswith(_OPERATORS_STATES):
            raise ConfigError(f"Postgres: {error}. {_OPERATORS_ADVICE}") from error
        raise
    except (
        asyncpg.InterfaceError,
        _BrokenConnection,
        UnicodeEncodeError,
        OverflowError,
        OSError,
        TimeoutError,
    ) as error:
        # What the driver cannot even encode (a lone surrogate, a number too wide) raises one that is a ValueError too.
        if isinstance(error, ValueError | OverflowError):
            raise RefusedByDatabase(str(error)) from error
        raise TransientError(f"Postgres: {error or type(error).__name__}") from error


def _expire_sessions() -> None:
    """Have every pool connect anew before a connection is used again: maybe to the server that is writable now."""
    for pool in tuple(_OPEN_POOLS):
        expire_connections(pool)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Open a transaction on a connection of its own; errors translated. A commit that fails may be applied: check."""
    with translated():
        async with pool.acquire() as connection, connection.transaction():
            yield connection
