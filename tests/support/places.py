"""Fixtures: a world to be healed, and a place with its own topics and database on each kind of broker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumer.local.broker import Broker
from tests.support.pipeline import Site, catalog, site
from tests.support.worlds.http_world import World, http_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
def catalog_file(tmp_path: Path, world: World) -> Path:
    """The catalog of the test's place; a test that wants another one rewrites it before it starts a consumer."""
    path = tmp_path / "catalog.yaml"
    path.write_text(catalog(world.port))
    return path


@pytest.fixture
async def place(broker: Broker, database: str, catalog_file: Path) -> AsyncIterator[Site]:
    """One partition; on each kind of broker in turn."""
    async with site(broker, database, catalog_file) as made:
        yield made


@pytest.fixture
async def embedded_place(embedded_broker: Broker, database: str, catalog_file: Path) -> AsyncIterator[Site]:
    """One partition, on the embedded broker alone: for what does not depend on the broker."""
    async with site(embedded_broker, database, catalog_file) as made:
        yield made


@pytest.fixture
async def kafka_place(kafka_broker: Broker, database: str, catalog_file: Path) -> AsyncIterator[Site]:
    """One partition, on the real Kafka alone: for what the embedded broker cannot do."""
    async with site(kafka_broker, database, catalog_file) as made:
        yield made
