"""Servers that only the crash tests use: they are restarted, stalled and cut off."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal

from consumer.local.kafka_jars import kafka_unavailable_reason
from consumer.local.postgres import Postgres, run_postgres
from consumer.store.migrate import migrate
from tests.support.faults.ground import PARTITIONS
from tests.support.faults.matrix import Servers
from tests.support.faults.proxied import ProxiedKafka, run_proxied_kafka
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, catalog, delete_topics, site
from tests.support.stack import COPIED
from tests.support.stream import CATALOG
from tests.support.worlds.http_world import World

TEMPLATE = "shw_crash_template"


@pytest.fixture(scope="session")
def own_kafka(server_loop: BlockingPortal) -> Iterator[ProxiedKafka]:
    """A real Kafka whose second listener lies behind a proxy; skips where Java or Maven is missing."""
    reason = kafka_unavailable_reason()
    if reason is not None:
        pytest.skip(f"no Apache Kafka: {reason}")
    with server_loop.wrap_async_context_manager(run_proxied_kafka()) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def own_postgres(server_loop: BlockingPortal) -> Iterator[Postgres]:
    """A server whose migrated, empty database is there to be copied."""
    with server_loop.wrap_async_context_manager(run_postgres(fsync=False)) as server:
        server_loop.call(_run, server.dsn, f"CREATE DATABASE {TEMPLATE}")
        migrate(server.dsn_of(TEMPLATE))
        yield server


@pytest.fixture
def own_database(own_postgres: Postgres, server_loop: BlockingPortal) -> Iterator[str]:
    """The superuser's address of a fresh database there."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    server_loop.call(_run, own_postgres.dsn, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} {COPIED}")
    yield own_postgres.dsn_of(name)
    server_loop.call(_run, own_postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def _calm_client() -> Iterator[None]:
    """The client logs each refused connection: of one restart, a thousand lines that drown what a failure tells."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.fixture
def rich_catalog(world: World, catalog_file: Path) -> Path:
    catalog_file.write_text(catalog(world.port, **CATALOG))
    return catalog_file


@pytest.fixture
async def ground(own_kafka: ProxiedKafka, own_database: str, rich_catalog: Path) -> AsyncIterator[Site]:
    """A place on servers that may be broken, seen from where nothing is.

    Its topics go with it: a broker that is killed beside the partitions of hundreds of tests takes half a minute to be
    back, and longer than a test's producer waits.
    """
    async with site(own_kafka.broker, own_database, rich_catalog, partitions=PARTITIONS) as made:
        yield made
    await delete_topics(made.settings.kafka)


@pytest.fixture
def own_servers(own_kafka: ProxiedKafka, own_postgres: Postgres) -> Servers:
    return Servers(kafka=own_kafka, postgres=own_postgres)


async def _run(dsn: str, statement: str) -> None:
    async with asyncio.timeout(PATIENCE):
        connection = await asyncpg.connect(dsn, timeout=PATIENCE)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=PATIENCE)
