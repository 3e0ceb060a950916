"""The documented role: every statement runs with exactly its rights, the start names what is missing, none is idle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from consumer.errors import ConfigError
from consumer.service.startup_checks import check_database
from consumer.settings import PostgresSettings
from consumer.store.grants import PRIVILEGES, grants_sql
from consumer.store.pool import open_pool
from tests.integration.test_statements import statements
from tests.support.documented_role import ROLE, documented_role
from tests.support.paths import ROOT
from tests.support.pipeline import Site, event
from tests.support.stack import BOTH_DEFAULTS
from tests.support.worlds.http_world import World, json_reply

Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
MEMBERS_SEE = {
    ("token_wallets", "SELECT"),
    ("token_usage_events", "SELECT"),
    ("usage_warnings", "SELECT"),
    ("usage_warnings", "UPDATE (acknowledged_at)"),
    ("usage_lockouts", "SELECT"),
}
STATEMENTS = [str(one.values[0]) for one in statements()]


@asynccontextmanager
async def role(database: str) -> AsyncIterator[tuple[Admin, str, str]]:
    """Make the documented role, as docs/operations.md says it; gives an administrator, its name and its DSN."""
    name = f"shw_{uuid4().hex[:12]}"
    dsn = await documented_role(database, name)
    admin = await asyncpg.connect(database)
    try:
        yield admin, name, dsn
    finally:
        await admin.execute(f"DROP OWNED BY {name}")
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()


async def denied(connection: Admin, statement: str) -> bool:
    try:
        await connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}")
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


def test_the_file_is_the_list() -> None:
    text = (ROOT / "deploy" / "grants.sql").read_text()
    assert "".join(line for line in text.splitlines(keepends=True) if not line.startswith("--")) == grants_sql()


@BOTH_DEFAULTS
async def test_every_statement_runs_with_exactly_these_rights(database: str) -> None:
    async with role(database) as (_, _, dsn):
        connection = await asyncpg.connect(dsn)
        assert [statement for statement in STATEMENTS if await denied(connection, statement)] == []
        await connection.close()


@BOTH_DEFAULTS
async def test_none_of_the_rights_is_idle(database: str) -> None:
    idle = []
    async with role(database) as (admin, name, dsn):
        connection = await asyncpg.connect(dsn)
        for table, privileges in PRIVILEGES.items():
            for privilege in privileges:
                await admin.execute(f"REVOKE {privilege} ON {table} FROM {name}")
                about = [
                    statement
                    for statement in STATEMENTS
                    if table.removeprefix("FUNCTION ").partition("(")[0] in statement
                ]
                if not [statement for statement in about if await denied(connection, statement)]:
                    idle.append((table, privilege))
                await admin.execute(f"GRANT {privilege} ON {table} TO {name}")
        await connection.close()
    # The role sees what members may see as one of `authenticated`; where the platform made these tables it may not.
    assert set(idle) == MEMBERS_SEE


@BOTH_DEFAULTS
async def test_the_start_names_every_right_that_is_missing(database: str) -> None:
    async with role(database) as (admin, name, dsn):
        settings = PostgresSettings.model_validate({"dsn": dsn})
        async with open_pool(settings) as pool:
            await check_database(pool, "test")
            await admin.execute(f"REVOKE ALL ON heal_breaker FROM {name}")
            await admin.execute(f"REVOKE UPDATE (attempt_id) ON token_usage_events FROM {name}")
            await admin.execute(f"REVOKE authenticated FROM {name}")
            with pytest.raises(ConfigError) as refused:
                await check_database(pool, "test")
    said = str(refused.value)
    for verb in ("SELECT", "INSERT", "UPDATE", "DELETE"):
        assert f"GRANT {verb} ON heal_breaker TO {name};" in said
    assert f"GRANT UPDATE (attempt_id) ON token_usage_events TO {name};" in said
    assert f"GRANT authenticated TO {name};" in said
    assert said.count("GRANT") == 6


@BOTH_DEFAULTS
async def test_a_failure_is_healed_and_told_by_the_documented_role(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/works", json_reply({"done": True}))
    context = {"request": {"method": "GET", "url": world.url("/works")}}
    await place.publish(event(org, "a", context=context), b"not json")
    async with place.consumer() as running:
        assert await running.consumer.pool.fetchval("SELECT current_user") == ROLE
        await running.settled(1)
    (row,) = (await place.failures()).values()
    assert row["status"] == "resolved"
    assert len(await place.letters()) == 1
