"""G7: what a session has of its own (temporary tables and views, functions, a path) changes nothing of what ours do."""

import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

INSERT = "INSERT INTO public.workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, 'w', 'timeout')"
PATHS = """
SELECT p.proname || ' ' || coalesce(p.proconfig::text, 'none') FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^shw_' AND p.proname <> 'shw_history'
   AND p.proconfig IS DISTINCT FROM ARRAY['search_path=public, pg_temp']
"""
CODE = """
CREATE FUNCTION pg_temp.as_whom() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'it runs as %', current_user;
END $$
"""


class Member:
    """A plain member with a session of their own."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", org: UUID, user: UUID) -> None:
        self.connection, self.org, self.user = connection, org, user


@pytest.fixture
async def member(database: str) -> AsyncIterator[Member]:
    connection = await asyncpg.connect(database)
    org, user = uuid4(), uuid4()
    await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
    await connection.execute(
        "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, 'member')", user, org
    )
    await connection.execute("SELECT set_config('request.jwt.claims', $1, false)", json.dumps({"sub": str(user)}))
    await connection.execute("SET ROLE authenticated")
    yield Member(connection, org, user)
    await connection.close()


async def test_every_function_of_ours_looks_in_its_own_schema_first(member: Member) -> None:
    assert [row[0] for row in await member.connection.fetch(PATHS)] == []


async def test_a_member_is_no_owner_by_a_temporary_table(member: Member) -> None:
    await member.connection.execute("CREATE TEMP TABLE user_organizations (user_id uuid, org_id uuid, role text)")
    await member.connection.execute(
        "INSERT INTO pg_temp.user_organizations VALUES ($1, $2, 'owner')", member.user, member.org
    )
    await member.connection.execute(INSERT, member.org)
    await member.connection.execute("RESET ROLE")
    assert await member.connection.fetchval("SELECT inserted_as FROM public.workflow_failures") == "member"


@pytest.mark.parametrize(
    "view",
    [
        "intake_member_limit (one, row_bytes, depth, open_rows, open_bytes) AS SELECT true, pg_temp.as_whom(), 9, 9, 9",
        "workflow_failures AS SELECT org_id, source, due_at, pg_temp.as_whom() AS size FROM public.workflow_failures",
        "heal_claim AS SELECT pg_temp.as_whom() AS failure_id",
    ],
    ids=["limits", "failures", "claims"],
)
async def test_nothing_of_a_members_runs_with_rights_of_ours(member: Member, view: str) -> None:
    await member.connection.execute(CODE)
    await member.connection.execute(f"CREATE TEMP VIEW {view}")
    await member.connection.execute(f"GRANT ALL ON pg_temp.{view.split(maxsplit=1)[0]} TO PUBLIC")
    await member.connection.execute(INSERT, member.org)
    await member.connection.execute("RESET ROLE")
    await member.connection.execute("UPDATE public.user_organizations SET role = 'owner'")
    await member.connection.execute("SET ROLE authenticated")
    await member.connection.execute("UPDATE public.workflow_failures SET resolved = true")


async def test_a_members_own_functions_take_nobodys_place(member: Member) -> None:
    await member.connection.execute("RESET ROLE")
    await member.connection.execute("CREATE SCHEMA theirs; GRANT ALL ON SCHEMA theirs TO authenticated")
    await member.connection.execute("SET ROLE authenticated")
    await member.connection.execute(
        "CREATE FUNCTION theirs.substr(text, integer, integer) RETURNS text LANGUAGE sql AS $$ SELECT '4' $$"
    )
    await member.connection.execute("SET search_path = theirs, pg_catalog, public")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="healer's own"):
        await member.connection.execute(
            "INSERT INTO public.workflow_failures (id, org_id, workflow_name, failure_reason)"
            " VALUES ('9b1f3c52-6a55-5d1e-9a43-0a5d4c7b1e10', $1, 'w', 'timeout')",
            member.org,
        )
