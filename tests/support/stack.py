"""The servers of a test session, and a fresh database for each test.

The servers are started on a loop of their own thread, so no test's loop owns them; a test may restart them from its.
A database is migrated under the default privileges of a plain server, or of one like Supabase's, which grants all to
everybody: `BOTH_DEFAULTS` has a test run under each, and `SHW_TEST_DEFAULTS=supabase` the whole suite under the latter,
but for what these privileges cannot touch: tests without a migrated database, and those that run under each anyway.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from consumer.errors import ConfigError
from consumer.local.broker import Broker, BrokerKind
from consumer.local.embedded_broker import run_embedded_broker
from consumer.local.kafka import run_kafka
from consumer.local.kafka_jars import kafka_unavailable_reason, resolve_kafka
from consumer.local.postgres import Postgres, run_postgres
from consumer.local.progress import to_stderr
from tests.support.patience import PATIENCE
from tests.support.required_tools import in_ci

TEMPLATE = "shw_template"
COPIED: Final = "STRATEGY = FILE_COPY"
"""Through no log, for a server without fsync: a third of the time of the default."""

OPEN_TO_ALL: Final = """
DO $$ BEGIN
  IF to_regrole('anon') IS NULL THEN CREATE ROLE anon NOLOGIN; END IF;
  IF to_regrole('authenticated') IS NULL THEN CREATE ROLE authenticated NOLOGIN; END IF;
  IF to_regrole('service_role') IS NULL THEN CREATE ROLE service_role NOLOGIN; END IF;
END $$;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
"""
DEFAULTS: Final = {"plain": "SELECT 1", "supabase": OPEN_TO_ALL}
BOTH_DEFAULTS: Final = pytest.mark.parametrize("defaults", list(DEFAULTS))
"""Marks a test, or a module's tests, to run under each kind of default privileges."""
TESTED_DEFAULTS: Final = os.environ.get("SHW_TEST_DEFAULTS", "plain")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if TESTED_DEFAULTS != "plain":
        left_out = [item for item in items if not depends_on_defaults(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if depends_on_defaults(item)]


def depends_on_defaults(item: pytest.Item) -> bool:
    """Whether a test may go otherwise under other default privileges than those that it names itself."""
    call = getattr(item, "callspec", None)
    return "database_template" in getattr(item, "fixturenames", ()) and (call is None or "defaults" not in call.params)


@pytest.fixture(scope="session")
def server_loop() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def postgres(server_loop: BlockingPortal) -> Iterator[Postgres]:
    """One server for the session; without fsync, which outlives killed processes all the same."""
    with server_loop.wrap_async_context_manager(run_postgres(fsync=False)) as server:
        yield server


@pytest.fixture(scope="session")
def embedded_broker(server_loop: BlockingPortal) -> Iterator[Broker]:
    with server_loop.wrap_async_context_manager(run_embedded_broker()) as broker:
        yield broker


def why_no_kafka() -> str | None:
    """Give why Apache Kafka cannot run here; in CI raise where Java and Maven are there and do not bring it."""
    reason = kafka_unavailable_reason()
    if reason is not None:
        return reason
    try:
        resolve_kafka(to_stderr)
    except ConfigError as error:
        if in_ci():
            raise
        return str(error)
    return None


@pytest.fixture(scope="session")
def kafka_broker(server_loop: BlockingPortal) -> Iterator[Broker]:
    """The real Kafka; skips where Java or Maven is missing; in CI fails where they are there and it does not run."""
    reason = why_no_kafka()
    if reason is not None:
        pytest.skip(f"no Apache Kafka: {reason}")
    with server_loop.wrap_async_context_manager(run_kafka()) as broker:
        yield broker


@pytest.fixture(params=list(BrokerKind), ids=str)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each kind of broker in turn; make topics with names of your own, the broker is the whole session's."""
    found: Broker = request.getfixturevalue(f"{request.param}_broker")
    return found


@pytest.fixture(scope="session")
def database_template(postgres: Postgres, server_loop: BlockingPortal) -> Callable[[str], str]:
    """Give the name of a migrated, empty database to copy, by the default privileges under which it was migrated."""
    from consumer.store.migrate import migrate  # noqa: PLC0415 - tests of the servers alone must not need the migrations

    made: dict[str, str] = {}

    def template(defaults: str) -> str:
        if defaults not in made:
            name = f"{TEMPLATE}_{defaults}"
            server_loop.call(_run, postgres.dsn, f"CREATE DATABASE {name}")
            server_loop.call(_run, postgres.dsn_of(name), DEFAULTS[defaults])
            migrate(postgres.dsn_of(name))
            made[defaults] = name
        return made[defaults]

    return template


@pytest.fixture
def defaults() -> str:
    """The default privileges under which the test's database was migrated."""
    return TESTED_DEFAULTS


@pytest.fixture
def database(
    postgres: Postgres, database_template: Callable[[str], str], server_loop: BlockingPortal, defaults: str
) -> Iterator[str]:
    """Give the superuser's address of a fresh, migrated database."""
    with copy_of(database_template(defaults), postgres, server_loop) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def unchanged_database(
    postgres: Postgres, database_template: Callable[[str], str], server_loop: BlockingPortal
) -> Iterator[str]:
    """Give the superuser's address of one for all tests of a module that write nothing: a copy costs 0.1 s of CPU."""
    with copy_of(database_template(TESTED_DEFAULTS), postgres, server_loop) as dsn:
        yield dsn


@contextmanager
def copy_of(template: str, postgres: Postgres, server_loop: BlockingPortal) -> Iterator[str]:
    """Copy a database for a block, and give the superuser's address of the copy."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    server_loop.call(_run, postgres.dsn, f"CREATE DATABASE {name} TEMPLATE {template} {COPIED}")
    yield postgres.dsn_of(name)
    server_loop.call(_run, postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def service_dsn(database: str, server_loop: BlockingPortal) -> str:
    """Give the address of the test's database for the service's documented role."""
    from tests.support.documented_role import documented_role  # noqa: PLC0415 - as for the migrations

    return server_loop.call(documented_role, database)


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=PATIENCE)
    try:
        await connection.execute(statement, timeout=PATIENCE)
    finally:
        await connection.close(timeout=PATIENCE)
