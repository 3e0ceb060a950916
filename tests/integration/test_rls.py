"""What a signed-in user may do, straight on the database as the platform lets them: by role, and column by column."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

import asyncpg
import pytest

from consumer.model import ID_SPACE
from tests.support.stack import BOTH_DEFAULTS

pytestmark = BOTH_DEFAULTS

PEOPLE = ("stranger", "member", "admin", "owner")
LEADERS = ("admin", "owner")
INSERT = "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, 'w', 'timeout')"
INSERT_WITH_ID = "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason) VALUES ($1, $2, 'w', 'r')"
DENIED = asyncpg.InsufficientPrivilegeError

Connection = asyncpg.Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An organisation with one failure and one attempt of the healer, and the people around it."""

    connection: Connection
    org_id: UUID
    failure_id: UUID
    attempt_id: UUID
    people: dict[str, UUID]

    @asynccontextmanager
    async def as_(self, person: str) -> AsyncIterator[Connection]:
        async with self.connection.transaction():
            await self.connection.execute("SET LOCAL ROLE authenticated")
            claims = json.dumps({"sub": str(self.people[person]), "role": "authenticated"})
            await self.connection.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
            yield self.connection
            await self.connection.execute("RESET ROLE")

    async def failure(self, failure_id: UUID | None = None) -> asyncpg.Record:
        row = await self.connection.fetchrow(
            "SELECT * FROM workflow_failures WHERE id = $1", failure_id or self.failure_id
        )
        assert row is not None
        return row


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    connection = await asyncpg.connect(database)
    try:
        org_id, failure_id, people = uuid4(), uuid5(ID_SPACE, "one"), {person: uuid4() for person in PEOPLE}
        attempt_id = uuid5(failure_id, "attempt:0")
        await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org_id)
        await connection.executemany(
            "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, $3)",
            [(people[person], org_id, person) for person in PEOPLE if person != "stranger"],
        )
        await connection.execute(
            "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, step)"
            " VALUES ($1, $2, 'w', 'r', 1)",
            failure_id,
            org_id,
        )
        await connection.execute(
            "INSERT INTO workflow_heal_attempts (id, failure_id, strategy, result, step)"
            " VALUES ($1, $2, 'auto-retry', 'failed', 0)",
            attempt_id,
            failure_id,
        )
        yield World(connection=connection, org_id=org_id, failure_id=failure_id, attempt_id=attempt_id, people=people)
    finally:
        await connection.close()


@pytest.mark.parametrize("person", PEOPLE)
async def test_only_owners_and_admins_see_failures_and_attempts(world: World, person: str) -> None:
    expected = 1 if person in LEADERS else 0
    async with world.as_(person) as connection:
        assert await connection.fetchval("SELECT count(id) FROM workflow_failures") == expected
        assert await connection.fetchval("SELECT count(id) FROM workflow_heal_attempts") == expected


async def test_an_owner_of_another_organisation_sees_nothing(world: World) -> None:
    other = uuid4()
    await world.connection.execute("INSERT INTO organizations (id) VALUES ($1)", other)
    await world.connection.execute(
        "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, 'owner')",
        world.people["stranger"],
        other,
    )
    async with world.as_("stranger") as connection:
        assert await connection.fetchval("SELECT count(id) FROM workflow_failures") == 0
        assert await connection.fetchval("SELECT count(id) FROM workflow_heal_attempts") == 0


@pytest.mark.parametrize("person", PEOPLE)
async def test_every_member_may_record_a_failure_and_a_stranger_may_not(world: World, person: str) -> None:
    if person == "stranger":
        with pytest.raises(DENIED):
            async with world.as_(person) as connection:
                await connection.execute(INSERT, world.org_id)
        return
    async with world.as_(person) as connection:
        await connection.execute(INSERT, world.org_id)
    row = await world.connection.fetchrow("SELECT * FROM workflow_failures WHERE id <> $1", world.failure_id)
    assert row is not None
    assert (row["status"], row["step"], row["attempts"], row["resolved"]) == ("pending", 0, 0, False)
    assert row["due_at"] is not None
    assert row["id"].version == 4
    assert (row["source"], row["digest"]) == (None, None)


@pytest.mark.parametrize("person", LEADERS)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "'given_up'"), ("step", "9"), ("due_at", "now()"), ("attempts", "0"), ("waits_on", "'x'"),
        ("source", "'s'"), ("digest", "'\\x00'"), ("failure_type", "'unknown'"), ("disposition", "'never'"),
        ("redactions", "NULL"), ("traceparent", "'t'"), ("tracestate", "'t'"), ("received_at", "now()"),
        ("extra", "NULL"), ("size", "1"),
    ],
)  # fmt: skip
async def test_the_healers_columns_are_nobodys_to_write_or_read(
    world: World, person: str, column: str, value: str
) -> None:
    statements = (
        f"INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, {column}) SELECT $1, 'w', 'r', {value}",
        f"UPDATE workflow_failures SET {column} = {value} WHERE org_id = $1",
        f"SELECT {column} FROM workflow_failures WHERE org_id = $1",
    )
    for statement in statements:
        with pytest.raises(DENIED):
            async with world.as_(person) as connection:
                await connection.execute(statement, world.org_id)


async def test_no_column_of_ours_is_granted(world: World) -> None:
    granted = await world.connection.fetch(
        "SELECT table_name, column_name FROM information_schema.column_privileges"
        " WHERE grantee IN ('authenticated', 'anon', 'PUBLIC') AND table_name ~ '^(workflow|heal)_'"
    )
    seed = {
        "workflow_failures": {
            "id", "org_id", "workflow_name", "failure_reason", "context", "detected_at", "resolved",
        },
        "workflow_heal_attempts": {"id", "failure_id", "attempted_at", "strategy", "result", "details"},
    }  # fmt: skip
    found: dict[str, set[str]] = {}
    for row in granted:
        found.setdefault(row["table_name"], set()).add(row["column_name"])
    assert found == seed


@pytest.mark.parametrize("person", ["member", "admin", "owner"])
async def test_nobody_records_a_failure_as_resolved(world: World, person: str) -> None:
    with pytest.raises(DENIED, match="recorded unresolved"):
        async with world.as_(person) as connection:
            await connection.execute(
                "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, resolved)"
                " VALUES ($1, 'w', 'r', true)",
                world.org_id,
            )


@pytest.mark.parametrize("person", ["member", "admin", "owner"])
async def test_an_id_that_an_event_could_have_is_refused(world: World, person: str) -> None:
    with pytest.raises(DENIED, match="UUID version 5"):
        async with world.as_(person) as connection:
            await connection.execute(INSERT_WITH_ID, uuid5(ID_SPACE, "two"), world.org_id)
    with pytest.raises(DENIED, match="UUID version 5"):
        async with world.as_(person) as connection:
            await connection.execute(
                "INSERT INTO workflow_heal_attempts (id, failure_id, strategy, result) VALUES ($1, $2, 's', 'success')",
                uuid5(world.failure_id, "attempt:1"),
                world.failure_id,
            )
    async with world.as_(person) as connection:
        await connection.execute(INSERT_WITH_ID, uuid4(), world.org_id)


@pytest.mark.parametrize("person", LEADERS)
async def test_an_attempt_of_a_members_has_no_step_and_changes_nothing(world: World, person: str) -> None:
    before = await world.failure()
    async with world.as_(person) as connection:
        await connection.execute(
            "INSERT INTO workflow_heal_attempts (failure_id, strategy, result) VALUES ($1, 'auto-retry', 'success')",
            world.failure_id,
        )
    row = await world.connection.fetchrow("SELECT * FROM workflow_heal_attempts WHERE id <> $1", world.attempt_id)
    assert row is not None
    assert row["step"] is None
    assert await world.failure() == before


@pytest.mark.parametrize("column", ["step", "finished_at"])
async def test_an_attempt_cannot_be_given_a_step_or_changed(world: World, column: str) -> None:
    with pytest.raises(DENIED):
        async with world.as_("owner") as connection:
            await connection.execute(
                f"INSERT INTO workflow_heal_attempts (failure_id, strategy, result, {column})"
                " VALUES ($1, 's', 'success', NULL)",
                world.failure_id,
            )
    for statement in ("UPDATE workflow_heal_attempts SET result = 'success'", "DELETE FROM workflow_heal_attempts"):
        with pytest.raises(DENIED):
            async with world.as_("owner") as connection:
                await connection.execute(statement)


async def test_a_failure_cannot_be_deleted_or_given_another_id_or_organisation(world: World) -> None:
    for statement in (
        "DELETE FROM workflow_failures",
        "UPDATE workflow_failures SET id = gen_random_uuid()",
        "UPDATE workflow_failures SET org_id = gen_random_uuid()",
    ):
        with pytest.raises(DENIED):
            async with world.as_("owner") as connection:
                await connection.execute(statement)


@pytest.mark.parametrize("person", PEOPLE)
async def test_who_administers_it_may_resolve_it_and_open_it_again(world: World, person: str) -> None:
    async with world.as_(person) as connection:
        await connection.execute("UPDATE workflow_failures SET resolved = true WHERE id = $1", world.failure_id)
    row = await world.failure()
    if person not in LEADERS:
        assert (row["resolved"], row["status"], row["step"]) == (False, "pending", 1)
        return
    assert (row["resolved"], row["status"], row["step"], row["due_at"]) == (True, "resolved", 2, None)
    async with world.as_(person) as connection:
        await connection.execute("UPDATE workflow_failures SET resolved = false WHERE id = $1", world.failure_id)
    row = await world.failure()
    assert (row["resolved"], row["status"], row["step"], row["attempts"]) == (False, "pending", 3, 0)
    assert row["due_at"] is not None


@pytest.mark.parametrize("person", LEADERS)
async def test_a_change_that_leaves_resolved_alone_moves_nothing(world: World, person: str) -> None:
    before = await world.failure()
    async with world.as_(person) as connection:
        await connection.execute("UPDATE workflow_failures SET failure_reason = 'stuck', resolved = false")
    after = await world.failure()
    assert after["failure_reason"] == "stuck"
    assert [after[c] for c in ("status", "step", "due_at")] == [before[c] for c in ("status", "step", "due_at")]


@pytest.mark.parametrize(
    "change",
    [
        "status = 'pending', due_at = NULL",
        "status = 'healing'",
        "status = 'resolved', step = step + 1",
        "detected_at = '4000-01-01 BC'",
        "detected_at = 'infinity'",
    ],
)
async def test_not_even_the_service_can_make_status_and_resolved_disagree(world: World, change: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await world.connection.execute(f"UPDATE workflow_failures SET {change} WHERE id = $1", world.failure_id)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("status = 'resolved'", "resolved"),
        ("status = 'resolved', due_at = NULL", "resolved"),
        ("status = 'given_up'", "given_up"),
        ("status = 'needs_person'", "needs_person"),
        ("resolved = true, status = 'given_up', due_at = NULL", "given_up"),
    ],
)
async def test_what_an_operator_decides_in_sql_is_made_whole(world: World, change: str, status: str) -> None:
    await world.connection.execute(f"UPDATE workflow_failures SET {change} WHERE id = $1", world.failure_id)
    row = await world.connection.fetchrow("SELECT * FROM workflow_failures WHERE id = $1", world.failure_id)
    assert row is not None
    assert (row["status"], row["resolved"]) == (status, status == "resolved")
    assert (row["due_at"] is None) is (status in ("resolved", "given_up"))
    told = await world.connection.fetch("SELECT failure_id, step, status FROM heal_status_change")
    assert [tuple(one) for one in told] == [(world.failure_id, row["step"], status)]


TABLES = ["heal_owner", "heal_claim", "heal_outbox", "heal_breaker", "heal_rate", "heal_status_change"]


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("table", TABLES)
async def test_the_healers_tables_are_out_of_reach(world: World, person: str, table: str) -> None:
    for statement in (f"SELECT * FROM {table}", f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES"):
        with pytest.raises(DENIED):
            async with world.as_(person) as connection:
                await connection.execute(statement)


async def test_the_wallet_and_the_ledger_are_read_by_leaders_and_written_by_nobody(world: World) -> None:
    await world.connection.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 1)", world.org_id)
    for person in PEOPLE:
        async with world.as_(person) as connection:
            assert await connection.fetchval("SELECT count(*) FROM token_wallets") == int(person in LEADERS)
        columns = "org_id, event_type, amount, remaining"
        topup = f"INSERT INTO token_usage_events ({columns}) VALUES ('{world.org_id}', 'topup', 1, 1)"
        for statement in ("UPDATE token_wallets SET text_budget_aud = 99", topup):
            with pytest.raises(DENIED):
                async with world.as_(person) as connection:
                    await connection.execute(statement)
    with pytest.raises(asyncpg.CheckViolationError):
        await world.connection.execute("UPDATE token_wallets SET text_budget_aud = -0.000001")


async def test_a_reason_of_4000_characters_that_does_not_compress_is_stored_whole(world: World) -> None:
    letters = random.Random(7)
    reason = "".join(chr(letters.randrange(0x4E00, 0x9FFF)) for _ in range(4000))
    async with world.as_("member") as connection:
        await connection.execute(
            "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, 'w', $2)",
            world.org_id,
            reason,
        )
    stored = await world.connection.fetchval(
        "SELECT failure_reason FROM workflow_failures WHERE id <> $1", world.failure_id
    )
    assert stored == reason


async def _inserted(world: World) -> asyncpg.Record:
    row = await world.connection.fetchrow("SELECT * FROM workflow_failures WHERE id <> $1", world.failure_id)
    assert row is not None
    return row


@pytest.mark.parametrize("person", ["member", "admin", "owner"])
async def test_who_inserted_a_row_is_recorded_and_cannot_be_said(world: World, person: str) -> None:
    async with world.as_(person) as connection:
        await connection.execute(INSERT, world.org_id)
    row = await _inserted(world)
    assert (row["inserted_by"], row["inserted_as"], row["vouched"]) == (world.people[person], person, False)
    for column, value in (("inserted_as", "'owner'"), ("inserted_by", "NULL"), ("vouched", "true")):
        columns = f"(org_id, workflow_name, failure_reason, {column})"
        for statement in (
            f"INSERT INTO workflow_failures {columns} VALUES ($1, 'w', 'r', {value})",
            f"UPDATE workflow_failures SET {column} = {value} WHERE org_id = $1",
        ):
            with pytest.raises(DENIED):
                async with world.as_(person) as connection:
                    await connection.execute(statement, world.org_id)


async def test_a_role_of_another_name_counts_by_its_rights_too(world: World) -> None:
    role = f"console_{random.randrange(10**9)}"
    await world.connection.execute(f"CREATE ROLE {role} IN ROLE authenticated")
    try:
        async with world.connection.transaction():
            await world.connection.execute(f"SET LOCAL ROLE {role}")
            claims = json.dumps({"sub": str(world.people["member"])})
            await world.connection.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
            await world.connection.execute(INSERT, world.org_id)
            await world.connection.execute("RESET ROLE")
        assert (await _inserted(world))["inserted_as"] == "member"
    finally:
        await world.connection.execute(f"DROP ROLE {role}")


async def test_a_function_of_the_platforms_lends_a_member_no_standing(world: World) -> None:
    await world.connection.execute(
        "CREATE FUNCTION public.report(org uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS"
        " $$ INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES (org, 'w', 'r') $$"
    )
    async with world.as_("member") as connection:
        await connection.execute("SELECT public.report($1)", world.org_id)
    assert (await _inserted(world))["inserted_as"] == "member"


async def test_an_update_changes_nothing_about_who_inserted_it(world: World) -> None:
    async with world.as_("member") as connection:
        await connection.execute(INSERT, world.org_id)
    async with world.as_("owner") as connection:
        await connection.execute("UPDATE workflow_failures SET workflow_name = 'payments.refund', context = '{}'")
    row = await _inserted(world)
    assert (row["inserted_by"], row["inserted_as"], row["vouched"]) == (world.people["member"], "member", False)
    assert (await world.failure())["unredacted_since"] is not None


@pytest.mark.parametrize("person", ["member", "owner"])
async def test_an_id_that_another_organisation_has_looks_like_any_other(world: World, person: str) -> None:
    other, theirs = uuid4(), uuid4()
    await world.connection.execute("INSERT INTO organizations (id) VALUES ($1)", other)
    await world.connection.execute(INSERT_WITH_ID, theirs, other)
    for named in (theirs, uuid4()):
        async with world.as_(person) as connection:
            await connection.execute(INSERT_WITH_ID, named, world.org_id)
    rows = await world.connection.fetch("SELECT id FROM workflow_failures WHERE inserted_as <> 'service'")
    assert len(rows) == 2
    assert {row["id"].version for row in rows} == {4}
    with pytest.raises(asyncpg.UniqueViolationError):
        async with world.as_(person) as connection:
            await connection.execute(INSERT_WITH_ID, theirs, world.org_id)


async def test_an_attempt_id_of_another_organisation_looks_like_any_other(world: World) -> None:
    other, theirs, attempt = uuid4(), uuid4(), uuid4()
    attempts = "INSERT INTO workflow_heal_attempts (id, failure_id, strategy, result) VALUES ($1, $2, 's', 'success')"
    await world.connection.execute("INSERT INTO organizations (id) VALUES ($1)", other)
    await world.connection.execute(INSERT_WITH_ID, theirs, other)
    await world.connection.execute(attempts, attempt, theirs)
    async with world.as_("owner") as connection:
        await connection.execute(attempts, attempt, world.failure_id)
    assert await world.connection.fetchval("SELECT count(*) FROM workflow_heal_attempts") == 3
