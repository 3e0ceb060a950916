import asyncio
import os
import stat
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from consumer.errors import ConfigError
from consumer.local.postgres import Postgres
from consumer.store import migrate as module
from consumer.store.migrate import EXPECTED_SCHEMA, MIGRATIONS, check_schema, migrate, schema_version

# The platform's own, unlike ours in ways that a migration which replaced them would lose.
PLATFORM = """
CREATE SCHEMA auth;
CREATE SCHEMA extensions;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
  $$ SELECT '00000000-0000-4000-8000-0000000000aa'::uuid $$;
CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE AS
  $$ SELECT '00000000-0000-4000-8000-0000000000bb'::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan text NOT NULL DEFAULT 'gold');
CREATE TABLE user_organizations (user_id uuid, org_id uuid, role text, invited_by text);
CREATE TABLE token_wallets (org_id uuid UNIQUE, text_budget_aud numeric DEFAULT 7, voice_budget_aud numeric DEFAULT 7,
                            note text);
CREATE TABLE token_usage_events (org_id uuid, event_type text, amount numeric, remaining numeric, metadata jsonb,
                                 created_at timestamptz DEFAULT now(), note text);
CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
INSERT INTO schema_migrations VALUES (999, false);
INSERT INTO organizations (id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO token_wallets (org_id) VALUES ('00000000-0000-4000-8000-000000000001');
"""

SNAPSHOT = """
SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || coalesce(column_default, '-')
  FROM information_schema.columns WHERE table_schema IN ('public', 'auth') AND table_name <> 'shw_migrations' ORDER BY 1
"""


@pytest.fixture
async def empty_database(postgres: Postgres) -> AsyncIterator[str]:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    await _run(postgres.dsn, f"CREATE DATABASE {name}")
    yield postgres.dsn_of(name)
    await _run(postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _snapshot(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(SNAPSHOT)]
    finally:
        await connection.close()


async def test_an_empty_database_gets_the_schema_that_this_release_expects(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    try:
        assert await schema_version(connection) is None
        with pytest.raises(ConfigError, match="shw migrate"):
            await check_schema(connection)
        await asyncio.to_thread(migrate, empty_database)
        assert await schema_version(connection) == EXPECTED_SCHEMA
        await check_schema(connection)
    finally:
        await connection.close()


async def test_migrating_twice_and_two_at_once_changes_nothing_more(empty_database: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, empty_database) for _ in range(3)))
    once = await _snapshot(empty_database)
    await asyncio.to_thread(migrate, empty_database)
    assert await _snapshot(empty_database) == once
    assert any(column.startswith("heal_claim.scope") for column in once)


async def test_a_newer_schema_serves_and_an_older_one_does_not(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("INSERT INTO shw_migrations VALUES ('1000')")
        assert await schema_version(connection) == "1000"
        await check_schema(connection)
        await connection.execute("DELETE FROM shw_migrations WHERE version::int >= 102")
        with pytest.raises(ConfigError, match=f"schema 101, this release needs {EXPECTED_SCHEMA}"):
            await check_schema(connection)
    finally:
        await connection.close()


async def test_what_the_platform_has_is_left_alone(empty_database: str) -> None:
    await _run(empty_database, PLATFORM)
    before = await _snapshot(empty_database)
    await asyncio.to_thread(migrate, empty_database)
    assert set(before) <= set(await _snapshot(empty_database))
    connection = await asyncpg.connect(empty_database)
    try:
        assert str(await connection.fetchval("SELECT auth.uid()")).endswith("aa")
        assert str(await connection.fetchval("SELECT uuid_generate_v4()")).endswith("bb")
        assert await connection.fetchval("SELECT text_budget_aud FROM token_wallets") == 7
        assert await connection.fetchval("SELECT version FROM schema_migrations") == 999
        for table in ("organizations", "user_organizations", "token_wallets", "token_usage_events"):
            policies = await connection.fetchval("SELECT count(*) FROM pg_policies WHERE tablename = $1", table)
            assert policies == 0, f"{table} was given a policy"
            secured = await connection.fetchval("SELECT relrowsecurity FROM pg_class WHERE relname = $1", table)
            assert not secured
    finally:
        await connection.close()


async def test_the_seeds_tables_with_rows_are_taken_over(empty_database: str) -> None:
    seed = (MIGRATIONS / "101_self_healing_workflows.sql").read_text().split("-- migrate:down")[0]
    platform = (MIGRATIONS / "100_platform.sql").read_text().split("-- migrate:down")[0]
    await _run(empty_database, platform)
    await _run(empty_database, seed)
    await _run(
        empty_database,
        """
        INSERT INTO organizations (id) VALUES ('00000000-0000-4000-8000-000000000001');
        INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, resolved)
        SELECT '00000000-0000-4000-8000-000000000001', 'w', 'r', resolved FROM (VALUES (true), (false)) v (resolved);
        """,
    )
    await asyncio.to_thread(migrate, empty_database)
    connection = await asyncpg.connect(empty_database)
    try:
        rows = await connection.fetch("SELECT resolved, status, due_at FROM workflow_failures ORDER BY resolved")
        assert [(row["resolved"], row["status"], row["due_at"] is None) for row in rows] == [
            (False, "pending", False),
            (True, "resolved", True),
        ]
    finally:
        await connection.close()


async def test_a_wrong_password_is_one_line_that_does_not_show_it(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT", module.WAIT / 15)
    dsn = postgres.dsn.replace(postgres.password, "open-sesame-73")
    with pytest.raises(ConfigError) as caught:
        await asyncio.to_thread(migrate, dsn)
    assert "password authentication failed" in str(caught.value)
    assert "open-sesame-73" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_address_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="SHW_POSTGRES__DSN") as caught:
        migrate("postgres://u:open-sesame-73@[::/x")
    assert "open-sesame-73" not in str(caught.value)


@asynccontextmanager
async def _nothing_online(_dsn: str, _folder: Path) -> AsyncIterator[None]:
    """Stand for a database that is not there."""
    yield


def test_the_password_is_not_in_the_arguments_and_the_callers_dbmate_settings_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "dbmate"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}\nenv >> {seen}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "python").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(module, "online_migrations", _nothing_online)
    monkeypatch.setenv("DBMATE_MIGRATIONS_DIR", "/elsewhere")
    migrate("postgres://u:open-sesame-73@127.0.0.1:5432/x")
    arguments, *environment = seen.read_text().splitlines()
    assert "open-sesame-73" not in arguments
    assert "DATABASE_URL=postgres://u:open-sesame-73@127.0.0.1:5432/x?sslmode=disable" in environment
    assert not any(line.startswith("DBMATE_") for line in environment)
    assert str(MIGRATIONS) in arguments


@pytest.mark.parametrize(
    ("said", "runs"),
    [("deadlock detected (40P01)", 3), ("canceling statement due to lock timeout (55P03)", 3), ("no such table", 1)],
)
def test_who_lost_a_lock_goes_on_and_no_other_error_is_tried_again(
    said: str, runs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dbmate"
    program.write_text(
        f'#!/bin/sh\nfor last; do :; done\n[ "$last" = migrate ] || exit 0\n'
        f'echo "$PGOPTIONS" >> {tmp_path / "ran"}\necho "Error: pq: {said}" >&2\nexit 1\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "python").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(module, "online_migrations", _nothing_online)
    monkeypatch.setattr(module, "LOCK_TRIES", 3)
    monkeypatch.setattr(module, "PAUSE", timedelta())
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=8MB")
    with pytest.raises(ConfigError, match="Migrations failed: Error: pq: "):
        migrate("postgres://u@127.0.0.1:5432/x")
    assert (tmp_path / "ran").read_text().splitlines() == ["-c lock_timeout=1500 -c work_mem=8MB"] * runs


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgres://u@127.0.0.1/x", "postgres://u@127.0.0.1/x?sslmode=disable"),
        ("postgres://u@[::1]/x", "postgres://u@[::1]/x?sslmode=disable"),
        ("postgres://u@localhost:5433/x?a=b", "postgres://u@localhost:5433/x?a=b&sslmode=disable"),
        ("postgres://u@127.0.0.1/x?sslmode=verify-full", "postgres://u@127.0.0.1/x?sslmode=verify-full"),
        ("postgres://u@db.internal/x", "postgres://u@db.internal/x"),
    ],
)
def test_tls_is_left_out_only_towards_this_machine_and_when_nothing_is_said(
    dsn: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    program = tmp_path / "dbmate"
    program.write_text(f'#!/bin/sh\nprintf %s "$DATABASE_URL" > {tmp_path / "url"}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "python").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(module, "online_migrations", _nothing_online)
    migrate(dsn)
    assert (tmp_path / "url").read_text() == expected
    assert os.environ.get("DATABASE_URL") != expected
