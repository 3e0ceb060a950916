"""Session settings: which a session must have, and what keeps them: the connection, or the role behind a pooler.

A pooler in transaction mode gives each transaction another server session. What a connection sets for its session, or
prepares there, belongs to another client a moment later. So behind a pooler nothing is prepared by name, and the
settings are the role's. Both are checked before anything else is done: a pooler that drops the settings in silence
would leave statements without a timeout.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from consumer.errors import ConfigError
from consumer.settings import PostgresSettings

if TYPE_CHECKING:
    from consumer.store.pool import Connection

_TRANSACTION_TIMEOUT_VERSION: Final = 17
"""The first major version of PostgreSQL with a timeout for a transaction as a whole."""
_PLANNER_SETTINGS: Final = {
    # A cached plan, that of a foreign key's check too, may date from when a table had one page: a sequential scan, kept
    # even at 100,000 rows. Every frequent statement has an index. `plan_cache_mode` would not do: under it the checks
    # of foreign keys are planned anew for every row.
    "enable_seqscan": "off",
    # Until version 17 the setting above makes a plan look so costly that the server would JIT-compile it, each time.
    "jit": "off",
}
_DURABILITY_SETTINGS: Final = {
    # An offset is committed, and an effect made, because a commit was answered: it has to be on disk.
    "synchronous_commit": "on",
    # What statements decide rests on seeing, after a lock was waited for, what was committed meanwhile.
    "default_transaction_isolation": "read committed",
}
_PINNED_SETTINGS: Final = _PLANNER_SETTINGS | _DURABILITY_SETTINGS
_MEANING_SETTINGS: Final = {
    # With these a statement means, and prints, something else than it was written for, or ends early.
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "row_security": "on",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_deferrable": "off",
}
_REQUIRED_SETTINGS: Final = _PINNED_SETTINGS | _MEANING_SETTINGS
_TIMEOUT_SETTINGS: Final = ("statement_timeout", "idle_in_transaction_session_timeout")
_TRANSACTION_TIMEOUT: Final = "transaction_timeout"
_ABOVE_STATEMENTS: Final = 2
"""A transaction may last so many times as long as one of its statements."""
POOLER_HINT: Final = "set SHW_POSTGRES__POOLER=transaction (docs/operations.md, A pooler)"

_INSPECT_SESSION = """
SELECT pg_backend_pid() AS pid, quote_ident(session_user) AS role, quote_ident(current_database()) AS database,
       ARRAY(SELECT s.name FROM pg_settings s
              WHERE CASE WHEN s.name = ANY($1::text[])
                         THEN NOT s.setting::bigint BETWEEN 1 AND $2::bigint
                                  * CASE s.name WHEN 'transaction_timeout' THEN 2 ELSE 1 END END
              ORDER BY s.name) AS unbounded,
       ARRAY(SELECT s.name FROM pg_settings s JOIN unnest($3::text[], $4::text[]) AS p (name, wanted) USING (name)
              WHERE s.setting <> p.wanted ORDER BY s.name) AS differing,
       current_setting('session_replication_role') AS replication
"""


def at_connect(settings: PostgresSettings, application: str) -> dict[str, str]:
    """Return the session settings sent at connect; behind a pooler only those that every pooler keeps."""
    kept = {"application_name": application, "TimeZone": "UTC"}
    if settings.pooler_shares:
        return kept
    bound = str(_milliseconds(settings.statement_timeout))
    return kept | dict.fromkeys(_TIMEOUT_SETTINGS, bound) | _PINNED_SETTINGS


async def prepare_session(connection: "Connection", longest: timedelta) -> None:
    """Set what a database or role may have set otherwise, and a timeout for transactions as a whole.

    The latter, where the server has one, is above that of `longest` for a statement, and ends the session: a process
    that is stopped between two messages of one statement holds its locks. Neither other timeout counts there, and
    every replica would wait for the same scopes.
    """
    wanted = dict(_MEANING_SETTINGS)
    if connection.get_server_version().major >= _TRANSACTION_TIMEOUT_VERSION:
        wanted[_TRANSACTION_TIMEOUT] = str(_ABOVE_STATEMENTS * _milliseconds(longest))
    await connection.execute(";".join(f"SET {name} = '{value}'" for name, value in wanted.items()))


async def check_session(connection: "Connection", settings: PostgresSettings) -> None:
    """Check that triggers fire, that no pooler is unknown to the settings, and that behind one the role has them all.

    Raises
    ------
    ConfigError
        With what to set, or the statements to run.

    """
    longest = _milliseconds(settings.statement_timeout)
    timeouts = [*_TIMEOUT_SETTINGS, _TRANSACTION_TIMEOUT]
    (row,) = await connection.fetch(
        _INSPECT_SESSION, timeouts, longest, list(_REQUIRED_SETTINGS), list(_REQUIRED_SETTINGS.values())
    )
    if row["replication"] != "origin":
        raise ConfigError(
            f"Postgres at {settings.shown()}: session_replication_role is {row['replication']}, so no trigger fires: "
            f"run ALTER ROLE {row['role']} IN DATABASE {row['database']} "
            "SET session_replication_role = 'origin';"
        )
    # A pooler has to make up the process id that it announces: the session behind it changes.
    if not settings.pooler_shares and row["pid"] != connection.get_server_pid():
        raise ConfigError(f"A pooler stands in front of Postgres at {settings.shown()}: {POOLER_HINT}.")
    if settings.pooler_shares and (row["unbounded"] or row["differing"]):
        wanted = {
            name: f"{longest * (_ABOVE_STATEMENTS if name == _TRANSACTION_TIMEOUT else 1)}ms"
            for name in row["unbounded"]
        } | {name: _REQUIRED_SETTINGS[name] for name in row["differing"]}
        of = f"ALTER ROLE {row['role']} IN DATABASE {row['database']}"
        statements = " ".join(f"{of} SET {name} = '{value}';" for name, value in wanted.items())
        raise ConfigError(
            f"Behind a pooler the role must keep its settings itself: run {statements} "
            "Then have the pooler connect anew (pgbouncer: RECONNECT)."
        )


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
