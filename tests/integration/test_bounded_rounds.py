"""What each replica asks every second reads no more of it, however much waits, is parked or has yet to be told."""

import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final
from uuid import UUID

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal

from consumer.local.postgres import Postgres
from consumer.model import OrgId
from consumer.settings import PostgresSettings
from consumer.store import agent_budget, backlog, due, intake, leases, outbox, settle, suspended, untold
from consumer.store.session import at_connect
from tests.support.pipeline import Site, call, until
from tests.support.worlds.http_world import World, json_reply

# Pages are counted, and not time: a tenth of what would hurt shows it as well.
UNTOLD: Final = 60_000
PARKED: Final = 30_000
SUSPENDED: Final = 10_000
WAITERS: Final = 20_000
ORG, PEOPLE, CROWD = (UUID(int=n) for n in (1, 2, 3))
FIRST: Final = UUID(int=0)
GATE: Final = "dependency:crowd"
Connection = asyncpg.Connection

# Triggers and foreign keys are left out: they would take longer than all the rest.
FILL: Final = f"""
SET session_replication_role = replica;
INSERT INTO organizations (id) VALUES ('{ORG}'), ('{PEOPLE}'), ('{CROWD}');
INSERT INTO heal_owner (owner, lease_until) VALUES ('alive', 'infinity'), ('me', 'infinity');
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, status, due_at, source)
SELECT md5('told' || n)::uuid, '{ORG}', 'w' || n % 50, 'timeout', 'deferred',
       clock_timestamp() - interval '1 hour' + n * interval '1 ms', 'urn:test' FROM generate_series(1, {UNTOLD}) AS n;
INSERT INTO heal_outbox (id, failure_id, owner, topic, headers, created_at)
SELECT md5('message' || n)::uuid, md5('told' || n)::uuid, 'alive', 'results', '[]',
       clock_timestamp() - interval '1 hour' FROM generate_series(1, {UNTOLD}) AS n;
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, status, due_at, source, step)
SELECT md5('parked' || n)::uuid, '{PEOPLE}', 'w', 'timeout', 'needs_person', clock_timestamp() + interval '12 hours',
       'urn:test', 1 FROM generate_series(1, {PARKED}) AS n;
INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, owner, claimed_at,
                        effect_deadline, parked_step)
SELECT 'scope' || n, md5('parked' || n)::uuid, md5('attempt' || n)::uuid, 0, '{PEOPLE}', 'auto-retry', 'unsafe',
       'parked', clock_timestamp() - interval '1 day', clock_timestamp() - interval '1 day', 1
  FROM generate_series(1, {PARKED}) AS n;
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, status, due_at, source)
SELECT md5('suspended' || n)::uuid, '{PEOPLE}', 'w', 'timeout', 'pending', clock_timestamp() + interval '12 hours',
       'urn:test' FROM generate_series(1, {SUSPENDED}) AS n;
INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, owner, claimed_at,
                        effect_deadline, state, state_version, look_at, suspended_at)
SELECT 'job' || n, md5('suspended' || n)::uuid, md5('job' || n)::uuid, 0, '{PEOPLE}', 'auto-retry', 'unsafe',
       'suspended', clock_timestamp() - interval '1 day', clock_timestamp() - interval '1 day', '{{}}', 1,
       clock_timestamp() + n * interval '1 minute', clock_timestamp() - interval '1 hour'
  FROM generate_series(1, {SUSPENDED}) AS n;
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, due_at, source, waits_on)
SELECT md5('waits' || n)::uuid, '{CROWD}', 'w', 'timeout', clock_timestamp() + n * interval '300 ms', 'urn:test',
       '{GATE}' FROM generate_series(1, {WAITERS}) AS n;
SET session_replication_role = origin;
ANALYZE;
"""


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement, timeout=120)
    await connection.close()


@pytest.fixture(scope="module")
def crowded(postgres: Postgres, database_template: Callable[[str], str], server_loop: BlockingPortal) -> Iterator[str]:
    """Give a database with all of it; what a test changes there is rolled back."""
    name = f"crowded_{uuid.uuid4().hex[:12]}"
    server_loop.call(_run, postgres.dsn, f"CREATE DATABASE {name} TEMPLATE {database_template('plain')}")
    server_loop.call(_run, postgres.dsn_of(name), FILL)
    yield postgres.dsn_of(name)
    server_loop.call(_run, postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def connection(crowded: str) -> AsyncIterator[Connection]:
    """As the service's sessions are."""
    settings = at_connect(PostgresSettings(), "test")
    opened = await asyncpg.connect(crowded, server_settings=settings)
    yield opened
    await opened.close()


def literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case list():
            return "'{" + ",".join("NULL" if one is None else f'"{one}"' for one in value) + "}'"
        case _:
            return f"'{value}'"


async def blocks_read(connection: Connection, statement: str, *arguments: object, mode: str) -> tuple[int, str]:
    """Run a statement as the driver does, under a plan for these arguments or for any; gives the pages it touched."""
    given = f"({', '.join(map(literal, arguments))})" if arguments else ""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
    await connection.execute(f"PREPARE asked AS {statement}")
    try:
        lines = [row[0] for row in await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE asked{given}")]
    finally:
        await transaction.rollback()
        await connection.execute("DEALLOCATE ALL")
    whole = next(line for line in lines if "Buffers: shared" in line)
    return sum(int(pages) for pages in re.findall(r"(?:hit|read)=(\d+)", whole)), "\n".join(lines)


READS: Final = (["auto-retry"], ["auto-retry 1"], 3600)
SOME: Final = [UUID(int=n) for n in range(50)]
ASKED: Final = [
    ("due organisations", due._ORGANISATIONS, (FIRST, 1000), 100),  # noqa: SLF001 - the statements themselves
    ("pick", due._PICK, ([ORG], [50], 15, 50, 200, 8_000_000, 550), 40_000),  # noqa: SLF001
    ("put aside", untold._PUT_ASIDE, ([ORG], 500, 5.0), 60_000),  # noqa: SLF001
    ("release", untold._RELEASE, (None, 2000), 2500),  # noqa: SLF001
    ("who waits for a person", due._PERSON_LATER, (), 100),  # noqa: SLF001
    ("sweep of one topic", outbox._LEFT_OVER, ("me", 10, 500, [], "results", []), 200),  # noqa: SLF001
    ("sweep of former topics", outbox._LEFT_OVER, ("me", 10, 50, [], None, ["results"]), 200),  # noqa: SLF001
    ("take over", leases._TAKE_OVER, ("me", 50, ["auto-retry"], ["dead"], [], 3600), 200),  # noqa: SLF001
    ("orphans", leases._ORPHANS, ("me", 10, SOME), 200),  # noqa: SLF001
    ("suspended organisations", suspended._ORGANISATIONS, (*READS, FIRST, 200), 200),  # noqa: SLF001
    ("suspended and due", suspended._GO_ON, (*READS, "me", [PEOPLE], [50], 50), 200),  # noqa: SLF001
    ("suspended and revoked", suspended._HURRY_REVOKED, (), 100),  # noqa: SLF001
    ("dead owners", leases._FORGET_DEAD, (["dead"],), 100),  # noqa: SLF001
    ("old calls of the agent", agent_budget._FORGET_CALLS, (100,), 100),  # noqa: SLF001
    ("old budgets of the agent", agent_budget._FORGET_BUDGETS, (100,), 100),  # noqa: SLF001
    ("parked", leases._PARKED, (FIRST, 2000), 3000),  # noqa: SLF001
    ("revoked", leases._READ, ("me",), 100),  # noqa: SLF001
    ("wake", settle._WAKE, ([GATE], 1, [], []), 200),  # noqa: SLF001
    ("wait", due._WRITE_STATE, ([UUID(int=9)], [GATE], [None], ["unknown"], ["retry"], [30.0]), 200),  # noqa: SLF001
    ("wait from intake", intake._SET_WAITING, ([UUID(int=9)], [GATE], [None], [30.0]), 200),  # noqa: SLF001
]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(("statement", "arguments", "most"), [a[1:] for a in ASKED], ids=[a[0] for a in ASKED])
async def test_a_round_reads_a_bounded_number_of_pages(
    connection: Connection, statement: str, arguments: tuple[object, ...], most: int, mode: str
) -> None:
    read, plan = await blocks_read(connection, statement, *arguments, mode=mode)
    assert read <= most, plan


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_decisions_on_parked_claims_are_sought_in_parts(connection: Connection, mode: str) -> None:
    parked = [row[0] for row in await connection.fetch(leases._PARKED, FIRST, leases.PARKED_AT_ONCE)]  # noqa: SLF001
    assert len(parked) == leases.PARKED_AT_ONCE
    read, plan = await blocks_read(connection, leases._RELEASE_DECIDED, 50, parked, mode=mode)  # noqa: SLF001
    assert read <= 25 * leases.PARKED_AT_ONCE, plan


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_what_waits_for_the_outbox_is_looked_at_in_parts(connection: Connection, mode: str) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SET LOCAL session_replication_role = replica")
    await connection.execute(
        "UPDATE workflow_failures SET waits_on = 'outbox', due_at = now() + interval '5 minutes' WHERE org_id = $1", ORG
    )
    read, plan = await blocks_read(connection, untold._RELEASE, None, untold.RELEASED_FROM, mode=mode)  # noqa: SLF001
    await transaction.rollback()
    assert read <= 30 * untold.RELEASED_FROM, plan


async def test_the_census_reads_all_and_is_the_only_one(connection: Connection) -> None:
    """What is asked without a bound is limited in time: `flow_control/backlog.py` and `brake.py`.

    Rows are counted here: once the server has cleaned up, an index alone answers, of few pages.
    """
    _, plan = await blocks_read(connection, backlog._COUNT_OTHERS, mode="auto")  # noqa: SLF001
    rows = [int(each) * int(loops) for each, loops in re.findall(r"actual time=\S+ rows=(\d+)[.\d]* loops=(\d+)", plan)]
    assert max(rows) >= UNTOLD, plan


async def test_waiters_look_again_no_more_often_than_a_hundred_however_many_they_are(database: str) -> None:
    many, retry = 3000, 30.0
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO organizations (id) VALUES ($1)", CROWD)
    await connection.execute(
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason)"
        " SELECT md5(n::text)::uuid, $1, 'w', 'r' FROM generate_series(1, $2::int) AS n",
        CROWD,
        many,
    )
    ids = [row[0] for row in await connection.fetch("SELECT id FROM workflow_failures")]
    for first in range(0, many, 300):
        some = ids[first : first + 300]
        gates = [GATE] * len(some)
        await connection.execute(intake._SET_WAITING, some, gates, gates, [retry] * len(some))  # noqa: SLF001
    (spread,) = await connection.fetch(
        "SELECT count(*) FILTER (WHERE due_at < now() + interval '60 s') AS soon,"
        " extract(epoch FROM max(due_at) - now()) AS last FROM workflow_failures"
    )
    assert spread["soon"] <= 110
    assert spread["last"] >= 0.9 * many * retry / 100
    # Who looks again goes to the end of the queue, and the others keep their places.
    state = [ids[:1], [GATE], [None], ["unknown"], ["retry"], [retry]]
    await connection.execute(due._WRITE_STATE, *state)  # noqa: SLF001
    assert await connection.fetchval("SELECT id FROM workflow_failures ORDER BY due_at DESC LIMIT 1") == ids[0]
    await connection.close()


async def test_who_waits_for_the_outbox_does_not_stand_before_others_and_goes_on_once_all_is_told(
    embedded_place: Site, world: World
) -> None:
    place, many = embedded_place, 1500
    world.on("/works", json_reply({"done": True}))
    org = OrgId(await place.organisation())
    await place.db.execute("INSERT INTO heal_owner (owner, lease_until) VALUES ('alive', 'infinity')")
    await place.db.execute(
        "WITH f AS (INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context, due_at)"
        " SELECT $1, 'told.' || n, 'request timeout', $2::jsonb, clock_timestamp() - interval '1 minute'"
        " FROM generate_series(1, $3::int) AS n RETURNING id)"
        " INSERT INTO heal_outbox (id, failure_id, owner, topic, headers, created_at)"
        " SELECT gen_random_uuid(), id, 'alive', 'elsewhere', '[]', clock_timestamp() - interval '1 minute' FROM f",
        org,
        json.dumps(call(world.url("/works"))),
        many,
    )
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context)"
        " VALUES ($1, 'last', 'timeout', $2)",
        org,
        json.dumps(call(world.url("/works"))),
    )
    async with place.consumer() as running:
        await until(lambda: last_is_healed(place))
        assert await place.count("workflow_failures WHERE waits_on = 'outbox'") == many
        await place.db.execute(
            "DELETE FROM heal_outbox WHERE topic = 'elsewhere' AND ctid IN"
            " (SELECT ctid FROM heal_outbox WHERE topic = 'elsewhere' LIMIT 5)"
        )
        await until(lambda: gone_on(place, 6))
        await running.abandon()


async def last_is_healed(place: Site) -> bool:
    return await place.count("workflow_failures WHERE workflow_name = 'last' AND resolved") == 1


async def gone_on(place: Site, number: int) -> bool:
    return await place.count("workflow_failures WHERE resolved") == number
