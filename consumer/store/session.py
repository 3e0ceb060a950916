"""What a session has to be set to, and who keeps it so: the connection itself, or the role behind a pooler.

A pooler in transaction mode gives each transaction another of the server's sessions. What a connection sets for its own
session, and what it has prepared there, is another's a moment later. So behind one nothing is prepared by name, and the
settings are the role's. Both are looked at before anything else is done: a pooler that drops the settings in silence
would leave statements without a bound.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from consumer.errors import ConfigError
from consumer.settings import PostgresSettings

if TYPE_CHECKING:
    from consumer.store.pool import Connection

_BOUNDS_TRANSACTIONS: Final = 17
"""The first major version of PostgreSQL that can bound a transaction as a whole."""
_PLANS: Final = {
    # A plan that is kept, that of a foreign key's check too, may be from when a table had one page: to read it whole,
    # still with 100,000 rows. Everything that we ask often has an index. `plan_cache_mode` would not do: under it the
    # checks of foreign keys plan theirs anew for every row.
    "enable_seqscan": "off",
    # Until version 17 that makes a plan look so dear that the server would compile it, each time.
    "jit": "off",
}
_BOUNDS: Final = ("statement_timeout", "idle_in_transaction_session_timeout")
_TRANSACTION_BOUND: Final = "transaction_timeout"
_SET_POOLER: Final = "set SHW_POSTGRES__POOLER=transaction (docs/operations.md, A pooler)"

_SESSION = """
SELECT pg_backend_pid() AS pid, quote_ident(session_user) AS role, quote_ident(current_database()) AS database,
       ARRAY(SELECT s.name FROM pg_settings s
              WHERE CASE WHEN s.name = ANY($1::text[]) THEN NOT s.setting::bigint BETWEEN 1 AND $2::bigint END
              ORDER BY s.name) AS unbounded,
       ARRAY(SELECT s.name FROM pg_settings s WHERE s.name = ANY($3::text[]) AND s.setting <> 'off'
              ORDER BY s.name) AS planned
"""


def at_connect(settings: PostgresSettings, application: str) -> dict[str, str]:
    """Give what a connection says of its session at once; behind a pooler only what every pooler keeps for it."""
    kept = {"application_name": application, "TimeZone": "UTC"}
    if settings.pooler_shares:
        return kept
    bound = str(_milliseconds(settings.statement_timeout))
    return kept | dict.fromkeys(_BOUNDS, bound) | _PLANS


async def bound_transactions(connection: "Connection", longest: timedelta) -> None:
    """Bound transactions as a whole, where the server can.

    A process that is stopped between two messages of one statement holds its locks: neither of the other limits counts
    there, and every replica would wait for the same scopes.
    """
    if connection.get_server_version().major >= _BOUNDS_TRANSACTIONS:
        await connection.execute(f"SET {_TRANSACTION_BOUND} = {_milliseconds(longest)}")


def what_to_do(said: str) -> str:
    """Tell what to change, from what the server said when it did not let us in."""
    if "startup parameter" in said:
        return f"A pooler stands in front of it: {_SET_POOLER}."
    return "Check SHW_POSTGRES__DSN and that the server runs."


async def check_session(connection: "Connection", settings: PostgresSettings) -> None:
    """See that no pooler is there that the settings do not name, and that behind one the role keeps what it must.

    Raises
    ------
    ConfigError
        With what to set, or the statements to run.

    """
    longest = _milliseconds(settings.statement_timeout)
    (row,) = await connection.fetch(_SESSION, [*_BOUNDS, _TRANSACTION_BOUND], longest, list(_PLANS))
    # A pooler has to make up the process id that it announces: the session behind it changes.
    if not settings.pooler_shares and row["pid"] != connection.get_server_pid():
        raise ConfigError(f"A pooler stands in front of Postgres at {settings.shown()}: {_SET_POOLER}.")
    if settings.pooler_shares and (row["unbounded"] or row["planned"]):
        wanted = dict.fromkeys(row["unbounded"], f"{longest}ms") | {name: _PLANS[name] for name in row["planned"]}
        of = f"ALTER ROLE {row['role']} IN DATABASE {row['database']}"
        statements = " ".join(f"{of} SET {name} = '{value}';" for name, value in wanted.items())
        raise ConfigError(
            f"Behind a pooler the role must keep its settings itself: run {statements} "
            "Then have the pooler connect anew (pgbouncer: RECONNECT)."
        )


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
