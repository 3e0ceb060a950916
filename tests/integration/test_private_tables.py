"""What is the healer's own is closed to everybody, also where the server's default privileges grant all to all."""

from collections.abc import AsyncIterator
from uuid import uuid4, uuid5

import asyncpg
import pytest

from consumer.model import ID_SPACE
from tests.support.documented_role import documented_role
from tests.support.stack import BOTH_DEFAULTS

pytestmark = BOTH_DEFAULTS

PLATFORM = {
    "organizations",
    "user_organizations",
    "token_wallets",
    "token_usage_events",
    "token_usage_events_id_seq",
    "usage_lockouts",
    "usage_warnings",
}
SEED = {"workflow_failures", "workflow_heal_attempts"}
DENIED = asyncpg.InsufficientPrivilegeError
Owner = asyncpg.Connection

OPEN = """
SELECT c.relname || ' ' || p.privilege || ' ' || r.role FROM pg_class c
 CROSS JOIN unnest(ARRAY['anon', 'authenticated']) AS r (role)
 CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> ALL ($1::text[])
   AND has_table_privilege(r.role, c.oid, p.privilege)
UNION ALL
SELECT c.relname || ' USAGE ' || r.role FROM pg_class c CROSS JOIN unnest(ARRAY['anon', 'authenticated']) AS r (role)
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S' AND c.relname <> ALL ($1::text[])
   AND has_sequence_privilege(r.role, c.oid, 'USAGE')
UNION ALL
SELECT p.proname || ' EXECUTE ' || r.role FROM pg_proc p CROSS JOIN unnest(ARRAY['anon', 'authenticated']) AS r (role)
 WHERE p.pronamespace = 'public'::regnamespace AND p.proname <> 'uuid_generate_v4'
   AND has_function_privilege(r.role, p.oid, 'EXECUTE')
"""


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Owner]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def as_role(owner: Owner, role: str, *statements: str) -> None:
    async with owner.transaction():
        await owner.execute(f"SET LOCAL ROLE {role}")
        for statement in statements:
            await owner.execute(statement)


async def test_no_table_sequence_or_function_of_ours_is_open_to_anybody(owner: Owner) -> None:
    assert [row[0] for row in await owner.fetch(OPEN, list(PLATFORM | SEED))] == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("verb", ["DELETE FROM", "TRUNCATE", "SELECT FROM"])
async def test_nobody_touches_the_list_of_migrations(owner: Owner, role: str, verb: str) -> None:
    with pytest.raises(DENIED):
        await as_role(owner, role, f"{verb} shw_migrations")


async def test_what_a_later_migration_makes_is_closed_by_its_last_line(owner: Owner) -> None:
    await owner.execute("CREATE TABLE heal_later (id bigserial PRIMARY KEY)")
    await owner.execute("CREATE FUNCTION shw_later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    await owner.execute("SELECT shw_keep_private()")
    assert [row[0] for row in await owner.fetch(OPEN, list(PLATFORM | SEED))] == []
    assert await owner.fetchval("SELECT relrowsecurity FROM pg_class WHERE relname = 'heal_later'")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_organisations_of_our_own_making_are_not_everybodys(owner: Owner, role: str) -> None:
    await owner.execute("INSERT INTO organizations (id) VALUES ($1)", uuid4())
    assert await owner.fetchval("SELECT relrowsecurity FROM pg_class WHERE relname = 'organizations'")
    for verb in ("SELECT FROM", "DELETE FROM", "TRUNCATE"):
        with pytest.raises(DENIED):
            await as_role(
                owner, role, f"{verb} organizations CASCADE" if verb == "TRUNCATE" else f"{verb} organizations"
            )


async def test_the_platforms_tables_of_our_making_have_the_grants_that_they_were_made_with(owner: Owner) -> None:
    said = await owner.fetch(OPEN, ["uuid_generate_v4", *SEED, "organizations", "token_usage_events_id_seq"])
    seen = ("user_organizations", "token_wallets", "token_usage_events", "usage_lockouts", "usage_warnings")
    assert {row[0] for row in said} == {f"{table} SELECT authenticated" for table in seen}


@pytest.fixture
async def heir(owner: Owner) -> AsyncIterator[str]:
    """A role of the platform's that inherits what signed-in users may do."""
    name = f"app_{uuid4().hex[:12]}"
    await owner.execute(f"CREATE ROLE {name} NOLOGIN IN ROLE authenticated")
    yield name
    await owner.execute(f"DROP ROLE {name}")


async def member_of(owner: Owner, role: str) -> str:
    """Make a member; gives a statement that inserts a failure of theirs."""
    user, org = uuid4(), uuid4()
    await owner.execute("INSERT INTO organizations (id) VALUES ($1)", org)
    await owner.execute("INSERT INTO user_organizations (user_id, org_id) VALUES ($1, $2)", user, org)
    await owner.execute(f'SET request.jwt.claims = \'{{"sub": "{user}", "role": "{role}"}}\'')
    return f"INSERT INTO workflow_failures (%s org_id, workflow_name, failure_reason) VALUES (%s '{org}', 'w', 'r')"


async def test_a_role_that_inherits_a_members_rights_is_a_member(owner: Owner, heir: str) -> None:
    insert = await member_of(owner, heir)
    await as_role(owner, heir, insert % ("", ""))
    with pytest.raises(DENIED, match="version 5"):
        await as_role(owner, heir, insert % ("id,", f"'{uuid5(ID_SPACE, 'guessed')}',"))
    with pytest.raises(DENIED, match="unresolved"):
        await as_role(owner, heir, insert % ("resolved,", "true,"))
    (failure,) = await owner.fetch("SELECT id FROM workflow_failures")
    with pytest.raises(DENIED, match="version 5"):
        await as_role(
            owner,
            heir,
            "INSERT INTO workflow_heal_attempts (id, failure_id, strategy, result) "
            f"VALUES ('{uuid5(ID_SPACE, 'attempt')}', '{failure['id']}', 's', 'failed')",
        )


async def test_whom_row_level_security_does_not_bind_is_no_member(owner: Owner, database: str) -> None:
    insert = await member_of(owner, "authenticated")
    name = f"shw_{uuid4().hex[:12]}"
    service = await asyncpg.connect(await documented_role(database, name))
    await service.execute(insert % ("id,", f"'{uuid5(ID_SPACE, 'an event')}',"))
    await service.close()
    await owner.execute(f"DROP OWNED BY {name}")
    await owner.execute(f"DROP ROLE {name}")
