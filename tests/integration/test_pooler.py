"""pgbouncer in transaction mode in front of PostgreSQL: refused with what to change, and then it works."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from consumer.errors import ConfigError
from consumer.local.postgres import Postgres
from consumer.settings import PostgresSettings
from consumer.store.pool import open_pool
from tests.support.faults.pooler import IGNORED, SERVER_CONNECTIONS, pgbouncer, through
from tests.support.patience import BEYOND_PATIENCE
from tests.support.pipeline import NEVER_LEFT, Site, call, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.http_world import World, json_reply

pytestmark = pytest.mark.needs_tool("pgbouncer")


@pytest.fixture
async def pooler(postgres: Postgres) -> AsyncIterator[int]:
    async with pgbouncer(postgres) as port:
        yield port


async def refusal(dsn: str, pooler: str = "none") -> str:
    with pytest.raises(ConfigError) as refused:
        async with open_pool(PostgresSettings.model_validate({"dsn": dsn, "pooler": pooler})):
            pass
    return str(refused.value)


async def use_catalog(database: str, said: str) -> None:
    """Run the statements that a refusal named."""
    connection = await asyncpg.connect(database)
    await connection.execute(said[said.index("ALTER ROLE") : said.rindex(";")])
    await connection.close()


async def test_a_pooler_that_refuses_what_a_session_is_set_to_is_named(database: str, pooler: int) -> None:
    said = await refusal(through(database, pooler))
    assert "startup parameter" in said
    assert "set SHW_POSTGRES__POOLER=transaction" in said
    assert "\n" not in said


async def test_a_pooler_that_drops_what_a_session_is_set_to_is_noticed(postgres: Postgres, database: str) -> None:
    async with pgbouncer(postgres, ignored=IGNORED) as port:
        said = await refusal(through(database, port))
    assert "A pooler stands in front of Postgres" in said
    assert "set SHW_POSTGRES__POOLER=transaction" in said


async def test_behind_a_pooler_the_role_keeps_the_settings_and_the_refusal_says_how(database: str, pooler: int) -> None:
    control = await asyncpg.connect(database)
    name = await control.fetchval("SELECT quote_ident(current_database())")
    await control.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await control.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    await control.close()
    address = through(database, pooler)
    said = await refusal(address, "transaction")
    assert "ALTER ROLE postgres IN DATABASE test_" in said
    for name in (*IGNORED, "transaction_timeout"):
        assert f"SET {name} = '" in said
    await use_catalog(database, said)
    # The sessions from before do not know of it: as after RECONNECT, they are gone.
    await _end_sessions(database)
    settings = PostgresSettings.model_validate({"dsn": address, "pooler": "transaction"})
    async with open_pool(settings) as pool:
        bounds = await pool.fetchrow(
            "SELECT current_setting('statement_timeout'), current_setting('transaction_timeout'),"
            " current_setting('enable_seqscan'), current_setting('TimeZone'), current_setting('application_name')"
        )
        assert bounds is not None
        assert tuple(bounds) == ("30s", "1min", "off", "UTC", "shw")


async def _end_sessions(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()


@pytest.fixture
async def pooled_place(kafka_place: Site, database: str, pooler: int) -> Site:
    """A place whose consumers reach the database through the pooler; the test itself does not."""
    address = through(database, pooler)
    await use_catalog(database, await refusal(address, "transaction"))
    # Not the test's own: only those that the refusal came over.
    await kafka_place.db.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'shw'"
    )
    return kafka_place.changed(postgres={"dsn": address, "pooler": "transaction", "pool_size": 10})


async def test_failures_are_healed_once_through_a_pooler_with_fewer_sessions_than_connections(
    pooled_place: Site, world: World
) -> None:
    # Nobody dies here, and nobody is to be taken for dead on a busy machine.
    place, count = pooled_place.changed(heal={"lease": BEYOND_PATIENCE}), 300
    org = await place.organisation("100")
    events = []
    for n in range(count):
        path, method = f"/{n}", ("GET", "POST", "POST")[n % 3]
        world.on(path, json_reply({"done": True}))
        more = {"idempotency_key": f"k{n}"} if n % 3 == 1 else {}
        context = call(world.url(path), method, error=NEVER_LEFT, **more)
        events.append(event(org, n, workflow_name=f"w{n}", context=context))
    async with place.consumer() as one, place.consumer():
        await place.publish(*events, *events[:100], b"not json")
        rows = await one.settled(count)
        sessions = await place.count("pg_stat_activity WHERE datname = current_database() AND application_name = 'shw'")
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert sum(world.performed(f"/{n}") for n in range(count)) == count == len(world.seen)
    assert await place.count("workflow_heal_attempts") == count
    assert len(await place.letters()) == 1
    assert sessions <= SERVER_CONNECTIONS


async def test_an_operators_commands_and_decisions_pass_a_pooler(pooled_place: Site, world: World) -> None:
    place = pooled_place
    org = await place.organisation()
    world.on("/never", json_reply({}, 503, headers=(("Retry-After", "3600"),)))
    await place.publish(event(org, "1", workflow_name="w", context=call(world.url("/never"))))
    async with place.consumer():
        failure = await until(lambda: place.db.fetchval("SELECT id FROM workflow_failures"))
        for arguments in (("give-up", str(failure), "--reason", "enough"), ("failures",), ("attempts", str(failure))):
            ran = await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))
            assert ran.code == 0, ran.err
        row = (await place.failures())["w"]
    assert row["status"] == "given_up"


async def test_an_outage_of_the_database_behind_a_pooler_is_waited_for(
    pooled_place: Site, postgres: Postgres, world: World
) -> None:
    place, count = pooled_place, 100
    org = await place.organisation()
    world.on("/it", json_reply({"done": True}))
    events = [event(org, n, workflow_name=f"w{n:03}", context=call(world.url(f"/it?{n}"))) for n in range(count)]
    async with place.consumer() as running:
        await place.publish(*events[: count // 2])
        await until(lambda: place.count("workflow_failures"))
        async with postgres.outage():
            await place.publish(*events[count // 2 :])
        rows = await running.settled(count)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert await place.count("workflow_heal_attempts") == count
