"""What a member inserts is bounded by the database, by row and by organisation; nobody else feels it.

A row that came past the triggers is given up, and nothing of it is read.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from consumer.settings import PostgresSettings
from consumer.store import backlog, due
from consumer.store.pool import open_pool
from consumer.store.rows import read_failure
from tests.support.pipeline import SECOND, Site, event, until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
INSERT = "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context) VALUES ($1, $2, $3, $4)"
MANY = (
    "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason)"
    " SELECT $1, 'm' || n, 'timeout' FROM generate_series(1, $2::int) AS n"
)
MIB = 1024 * 1024
LONG_NUMBERS = json.dumps(["NUMBER"] * 9_000).replace('"NUMBER"', "1e131071")
"""A hundred KB as it is sent, and more as text than PostgreSQL holds in one value."""


def nested(depth: int) -> str:
    """A document of so many levels."""
    return '{"a":' * depth + "1" + "}" * depth


@asynccontextmanager
async def member_of(dsn: str, org: UUID) -> AsyncIterator[Connection]:
    """Open a session as the platform gives it to a signed-in member of the organisation."""
    connection = await asyncpg.connect(dsn)
    try:
        user = uuid4()
        await connection.execute(
            "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, 'member')", user, org
        )
        await connection.execute("SET ROLE authenticated")
        await connection.execute("SELECT set_config('request.jwt.claims', $1, false)", json.dumps({"sub": str(user)}))
        yield connection
    finally:
        await connection.close()


async def organisation(connection: Connection) -> UUID:
    org = uuid4()
    await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
    return org


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (lambda: ("w", "timeout", json.dumps({"a": "x" * 10 * MIB})), ["too large", str(MIB)]),
        (lambda: ("w", "timeout", json.dumps({f"k{n}": n for n in range(500_000)})), ["too large", str(MIB)]),
        (lambda: ("w", "x" * 2 * MIB, "{}"), ["too large", str(MIB)]),
        (lambda: ("x" * 2 * MIB, "timeout", "{}"), ["too large", str(MIB)]),
        (lambda: ("w", "timeout", LONG_NUMBERS), ["too large", str(MIB)]),
        (lambda: ("w", "timeout", nested(101)), ["nested too deep", "100"]),
        (lambda: ("w", "timeout", nested(3000)), ["nested too deep", "100"]),
    ],
    ids=[
        "10 MB of context",
        "500,000 keys",
        "reason",
        "name",
        "numbers beyond any text",
        "one level too deep",
        "3,000 levels",
    ],
)
async def test_a_row_that_is_too_large_or_too_deep_is_refused_with_what_is_allowed(
    database: str, admin: Connection, row: Callable[[], tuple[str, str, str]], says: list[str]
) -> None:
    org = await organisation(admin)
    async with member_of(database, org) as member:
        with pytest.raises(asyncpg.ProgramLimitExceededError) as refused:
            await member.execute(INSERT, org, *row())
        assert all(part in str(refused.value) for part in says), refused.value
        await member.execute(INSERT, org, "w", "timeout", nested(100))
    assert await admin.fetchval("SELECT count(*) FROM workflow_failures") == 1


async def test_an_owner_cannot_make_a_row_too_large_afterwards_and_its_size_is_counted(
    database: str, admin: Connection
) -> None:
    org = await organisation(admin)
    async with member_of(database, org) as member:
        await member.execute(INSERT, org, "w", "timeout", json.dumps({"a": "x" * 1000}))
        assert await admin.fetchval("SELECT size FROM workflow_failures") == 1 + 7 + 1009
        await admin.execute("UPDATE user_organizations SET role = 'owner'")
        await member.execute("UPDATE workflow_failures SET failure_reason = 'a'")
        assert await admin.fetchval("SELECT size FROM workflow_failures") == 1 + 1 + 1009
        with pytest.raises(asyncpg.ProgramLimitExceededError, match="too large"):
            await member.execute("UPDATE workflow_failures SET context = $1", json.dumps({"a": "x" * 2 * MIB}))


async def test_a_role_that_inherits_a_members_rights_is_bound_as_well(database: str, admin: Connection) -> None:
    org, role = await organisation(admin), f"person_{uuid4().hex[:12]}"
    await admin.execute(f"CREATE ROLE {role} LOGIN INHERIT IN ROLE authenticated")
    try:
        async with member_of(database, org) as member:
            await member.execute("RESET ROLE")
            await member.execute(f"SET ROLE {role}")
            with pytest.raises(asyncpg.ProgramLimitExceededError):
                await member.execute(INSERT, org, "w", "x" * 2 * MIB, "{}")
            # A table of their own with the same name changes nothing.
            await member.execute("CREATE TEMP TABLE workflow_failures (size int)")
            with pytest.raises(asyncpg.ProgramLimitExceededError):
                await member.execute(
                    "INSERT INTO public.workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, 'w', $2)",
                    org,
                    "x" * 2 * MIB,
                )
    finally:
        await admin.execute(f"DROP ROLE {role}")


async def test_an_insert_beyond_the_organisations_share_is_refused_whole_and_another_organisation_has_its_own(
    database: str, admin: Connection
) -> None:
    org, other = await organisation(admin), await organisation(admin)
    async with member_of(database, org) as member, member_of(database, other) as stranger:
        await member.execute(MANY, org, 9_000)
        with pytest.raises(asyncpg.ConfigurationLimitExceededError) as refused:
            await member.execute(MANY, org, 1_001)
        assert f"members of organisation {org}" in str(refused.value)
        assert "10000" in str(refused.value)
        assert "Nothing was stored" in str(refused.value.hint)
        await member.execute(MANY, org, 1_000)
        await stranger.execute(MANY, other, 1_000)
        assert await admin.fetchval("SELECT count(*) FROM workflow_failures") == 11_000
        # What has ended makes room again.
        await admin.execute("UPDATE workflow_failures SET status = 'given_up', due_at = NULL WHERE org_id = $1", org)
        await member.execute(MANY, org, 10_000)


async def test_the_share_is_one_of_bytes_too_and_an_operators_to_change(database: str, admin: Connection) -> None:
    org = await organisation(admin)
    await admin.execute("UPDATE intake_member_limit SET open_bytes = 100000, row_bytes = 60000")
    async with member_of(database, org) as member:
        await member.execute(INSERT, org, "w", "x" * 50_000, "{}")
        with pytest.raises(asyncpg.ConfigurationLimitExceededError, match="100000 bytes"):
            await member.execute(INSERT, org, "w", "x" * 50_000, "{}")


async def test_two_inserts_at_once_have_one_share(database: str, admin: Connection) -> None:
    org = await organisation(admin)
    async with member_of(database, org) as member, member_of(database, org) as other:
        first = member.transaction()
        await first.start()
        await member.execute(MANY, org, 6_000)
        await other.execute("SET lock_timeout = '200ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other.execute(MANY, org, 6_000)
        await first.commit()
        with pytest.raises(asyncpg.ConfigurationLimitExceededError):
            await other.execute(MANY, org, 6_000)


async def test_the_healers_own_batches_are_not_counted(database: str, admin: Connection) -> None:
    org = await organisation(admin)
    await admin.execute("UPDATE intake_member_limit SET open_rows = 10")
    await admin.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, source, size)"
        " SELECT $1, 'k', 'timeout', 'urn:test', 5 FROM generate_series(1, 100)",
        org,
    )
    async with member_of(database, org) as member:
        await member.execute(MANY, org, 10)


async def test_members_rows_leave_the_caps_of_kafka_alone(database: str, admin: Connection) -> None:
    org = await organisation(admin)
    async with member_of(database, org) as member:
        await member.execute(MANY, org, 500)
    await admin.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, source, size)"
        " VALUES ($1, 'k', 'timeout', 'urn:test', 77)",
        org,
    )
    async with open_pool(_postgres(database)) as pool:
        counted = await backlog.count(pool)
    assert (counted.open_rows, counted.member_rows, counted.kafka_rows, counted.kafka_bytes) == (501, 500, 1, 77)


async def test_within_an_organisation_members_rows_and_kafkas_take_turns(database: str, admin: Connection) -> None:
    org = await organisation(admin)
    async with member_of(database, org) as member:
        await member.execute(MANY, org, 500)
    await admin.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, source, size)"
        " SELECT $1, 'k', 'timeout', 'urn:test', 77 FROM generate_series(1, 50)",
        org,
    )
    async with open_pool(_postgres(database)) as pool:
        picked = await due.pick(pool, after=None, room=lambda _: 20, per_organisation=50, limit=200, hide=10 * SECOND)
    assert sorted(one.source is None for one in picked.failures) == [False] * 10 + [True] * 10


async def test_a_pick_reads_a_bounded_number_of_bytes(database: str, admin: Connection) -> None:
    org = await organisation(admin)
    await admin.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason)"
        " SELECT $1, 'm', repeat('x', 1000000) FROM generate_series(1, 40)",
        org,
    )
    async with open_pool(_postgres(database)) as pool:
        picked = await due.pick(pool, after=None, room=lambda _: 50, per_organisation=50, limit=200, hide=10 * SECOND)
    assert 1 <= len(picked.failures) <= 9


async def test_a_row_that_came_past_the_triggers_is_given_up_and_nothing_of_it_is_read(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, read = embedded_place, []

    def noting(row: Any) -> Any:  # noqa: ANN401 - as asyncpg has it
        read.append(sum(len(text) for text in row.values() if isinstance(text, str)))
        return read_failure(row)

    monkeypatch.setattr("consumer.store.due.read_failure", noting)
    org = await place.organisation()
    async with place.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context)"
            " SELECT $1, 'huge' || n, 'timeout', jsonb_build_object('a', repeat('x', 10000000))"
            " FROM generate_series(1, 5) AS n",
            org,
        )
    async with place.consumer() as running:
        await place.publish(event(org, "small", workflow_name="small"))
        rows = await running.settled(6)
        await running.counted("shw_too_large_rows_total", 5)
    assert {row["status"] for name, row in rows.items() if name != "small"} == {"given_up"}
    assert max(read) < 10_000
    said = await place.db.fetch("SELECT details FROM workflow_heal_attempts WHERE details ->> 'code' = 'refused'")
    assert any("intake_member_limit" in row["details"] and "10000" in row["details"] for row in said)


async def test_a_row_of_numbers_beyond_any_text_is_given_up_and_stops_no_other(embedded_place: Site) -> None:
    place = embedded_place
    org, other = await place.organisation(), await place.organisation()
    async with place.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(INSERT, org, "numbers", "timeout", LONG_NUMBERS)
        await connection.execute(INSERT, other, "honest", "timeout", "{}")
    async with place.consumer() as running:
        await until(lambda: place.is_settled(2))
        await running.counted("shw_too_large_rows_total", 1)
    assert await place.count("workflow_failures WHERE status = 'given_up' AND workflow_name = 'numbers'") == 1


async def test_a_flood_of_members_pauses_nobody(embedded_place: Site, database: str) -> None:
    place = embedded_place.changed(intake={"open_rows_cap": 100, "sample_every": 0.2}, heal={"slots": 4})
    org, other = await place.organisation(), await place.organisation()
    async with member_of(database, org) as member:
        await member.execute(MANY, org, 3_000)
        async with place.consumer() as running:
            await place.publish(*(event(other, n, workflow_name=f"k{n}") for n in range(20)))
            await until(lambda: _ended(place, other, 20))
            assert running.consumer.pressure.full() is None


async def _ended(place: Site, org: UUID, failures: int) -> bool:
    ended = "SELECT count(*) FROM workflow_failures WHERE org_id = $1 AND status <> 'pending'"
    return int(await place.db.fetchval(ended, org)) == failures


def _postgres(dsn: str) -> PostgresSettings:
    return PostgresSettings.model_validate({"dsn": dsn})
