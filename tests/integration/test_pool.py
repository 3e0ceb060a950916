"""What the pool's connections are set to, seen by what it is for."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from consumer.errors import ConfigError, TransientError
from consumer.settings import PostgresSettings
from consumer.store.pool import Connection, Pool, open_pool, single_connection, transaction

_FAILURES = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason)
SELECT x, $2, 'orders.sync', 'timeout' FROM unnest($1::uuid[]) AS x
"""
_ATTEMPTS = """
INSERT INTO workflow_heal_attempts (failure_id, strategy, result) SELECT x, 'auto-retry', 'failed'
  FROM unnest($1::uuid[]) AS x
"""
_READ_WHOLE = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'workflow_failures'"


async def _fail(connection: Connection, org: UUID, count: int) -> None:
    ids = [uuid4() for _ in range(count)]
    await connection.execute(_FAILURES, ids, org)
    await connection.execute(_ATTEMPTS, ids)


async def _times_read_whole(connection: Connection) -> int:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    times: int = await connection.fetchval(_READ_WHOLE)
    return times


async def test_a_table_that_was_small_at_first_is_not_read_whole_for_each_row_that_refers_to_it(database: str) -> None:
    async with (
        open_pool(PostgresSettings.model_validate({"dsn": database})) as pool,
        pool.acquire() as connection,
    ):
        org = uuid4()
        await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        await _fail(connection, org, 1)
        await connection.execute("VACUUM ANALYZE workflow_failures")
        for _ in range(10):  # the server keeps a plan of the foreign key's check after the fifth
            await _fail(connection, org, 1)
        before = await _times_read_whole(connection)

        await _fail(connection, org, 500)

        assert await _times_read_whole(connection) == before


async def test_arrays_of_every_kind_arrive_as_they_were_sent(database: str) -> None:
    now, one = datetime.now(UTC), uuid4()
    sent: list[tuple[str, object, list[object]]] = [
        ("uuid[]", (one,), [one]),
        ("text[]", ["a", None, ""], ["a", None, ""]),
        ("text[]", {"a"}, ["a"]),
        ("text[]", frozenset({"a"}), ["a"]),
        ("text[]", [], []),
        ("bytea[]", [b"", b"x"], [b"", b"x"]),
        ("timestamptz[]", [now], [now]),
        ("float8[]", [1.5, None], [1.5, None]),
        ("bool[]", [True, False], [True, False]),
        ("int[]", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ("jsonb[]", ['{"a": 1}'], ['{"a": 1}']),
    ]
    async with open_pool(PostgresSettings.model_validate({"dsn": database})) as pool:
        for kind, given, arrived in sent:
            assert await pool.fetchval(f"SELECT $1::{kind}", given) == arrived, kind
        for not_one in ("ab", b"ab", 7, one):
            with pytest.raises(asyncpg.DataError):
                await pool.fetchval("SELECT $1::text[]", not_one)


async def _on_every_connection(pool: Pool, size: int, statement: str) -> None:
    held = [await pool.acquire() for _ in range(size)]
    for connection in held:
        await connection.execute(statement)
        await pool.release(connection)


async def test_sessions_that_have_turned_read_only_are_replaced(database: str) -> None:
    settings = PostgresSettings.model_validate({"dsn": database, "pool_size": 4})
    async with open_pool(settings) as pool, open_pool(single_connection(settings)) as other:
        for one, size in ((pool, 4), (other, 1)):
            await _on_every_connection(one, size, "SET default_transaction_read_only = on")
        with pytest.raises(TransientError, match="read-only"):
            async with transaction(pool) as connection:
                await connection.execute("INSERT INTO organizations (id) VALUES ($1)", uuid4())
        for one in (pool, pool, pool, other):
            async with transaction(one) as connection:
                await connection.execute("INSERT INTO organizations (id) VALUES ($1)", uuid4())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("standard_conforming_strings", "off"),
        ("transform_null_equals", "on"),
        ("array_nulls", "off"),
        ("DateStyle", "German, DMY"),
        ("IntervalStyle", "iso_8601"),
        ("extra_float_digits", "-15"),
        ("bytea_output", "escape"),
        ("row_security", "off"),
        ("lock_timeout", "1ms"),
        ("idle_session_timeout", "1s"),
        ("default_transaction_deferrable", "on"),
    ],
)
async def test_what_a_statement_means_is_not_what_a_database_or_role_was_set_to(
    database: str, name: str, wrong: str
) -> None:
    control = await asyncpg.connect(database)
    right = await control.fetchval(f"SHOW {name}")
    its_name = await control.fetchval("SELECT quote_ident(current_database())")
    await control.execute(f"ALTER DATABASE {its_name} SET {name} = '{wrong}'")
    await control.close()
    fresh = await asyncpg.connect(database)
    assert await fresh.fetchval(f"SHOW {name}") == wrong
    await fresh.close()
    async with open_pool(PostgresSettings.model_validate({"dsn": database})) as pool:
        assert await pool.fetchval(f"SHOW {name}") == right


async def test_a_session_whose_triggers_do_not_fire_is_refused(database: str) -> None:
    control = await asyncpg.connect(database)
    name = await control.fetchval("SELECT quote_ident(current_database())")
    await control.execute(f"ALTER DATABASE {name} SET session_replication_role = 'replica'")
    await control.close()
    with pytest.raises(ConfigError, match="no trigger fires: run ALTER ROLE"):
        async with open_pool(PostgresSettings.model_validate({"dsn": database})):
            pass


@pytest.mark.parametrize(
    "setting", ["synchronous_commit = off", "default_transaction_isolation = 'serializable'", "enable_seqscan = on"]
)
async def test_what_durability_rests_on_is_pinned_whatever_the_database_is_set_to(database: str, setting: str) -> None:
    name, _, wrong = setting.partition(" = ")
    control = await asyncpg.connect(database)
    await control.execute(
        f"ALTER DATABASE {await control.fetchval('SELECT quote_ident(current_database())')} SET {setting}"
    )
    await control.close()
    fresh = await asyncpg.connect(database)
    assert await fresh.fetchval(f"SHOW {name}") == wrong.strip("'")
    await fresh.close()
    async with open_pool(PostgresSettings.model_validate({"dsn": database})) as pool:
        assert await pool.fetchval(f"SHOW {name}") in ("on", "read committed", "off")
        assert await pool.fetchval(f"SHOW {name}") != wrong.strip("'")
