"""Environment of the demo and the development mode: the stack with tables and topics, and the simulated services."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from consumer.demo.catalog import ADDRESSED, demo_catalog, demo_settings
from consumer.demo.merged_catalog import merged_catalog
from consumer.demo.organisations import (
    Organisations,
    found_organisations,
    lasting_organisations,
    new_organisations,
)
from consumer.demo.rewrites import register_workflows
from consumer.demo.world import World, run_world
from consumer.demo.world_services import DEAD, demo_services
from consumer.errors import ConfigError
from consumer.kafka.topics import create_topics
from consumer.local.stack import BrokerChoice, KeptStack, Stack, run_stack
from consumer.settings import KafkaSettings
from consumer.store.migrate import migrate

PARTITIONS: Final = 3
MADE: Final = "made"
"""Folder of what the demo's studio made, below its home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs, except the consumers."""

    home: Path
    stack: Stack
    world: World
    kafka: KafkaSettings
    connection: asyncpg.Connection
    organisations: Organisations
    settings: Mapping[str, str]
    """The consumer's settings, as environment variables."""
    catalog: str
    """The demo's own catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlace:
    """What a place keeps from one run to the next, on the best broker that this machine can run."""

    stack: KeptStack
    first_port: int
    """Of the services: each has the next one."""
    paying: UUID
    """The organisation that pays."""


def broker_choice(otherwise: BrokerChoice = BrokerChoice.EMBEDDED) -> BrokerChoice:
    """Read BROKER from the environment, or `otherwise` where it is not set.

    Raises
    ------
    ConfigError
        Its value is no kind of broker.

    """
    name = os.environ.get("BROKER") or otherwise
    try:
        return BrokerChoice(name)
    except ValueError:
        raise ConfigError(f"BROKER is {name!r}, and has to be one of {', '.join(BrokerChoice)}") from None


@asynccontextmanager
async def run_place(home: Path, kept: KeptPlace | None = None, *, mine: str = "") -> AsyncIterator[Stage]:
    """Run it until the block ends; the catalog stays in `home` to be read, and the data where the place is `kept`.

    `mine` is a catalog whose declarations come before the demo's.
    """
    async with AsyncExitStack() as resources:
        broker = broker_choice(BrokerChoice.EMBEDDED if kept is None else BrokerChoice.AUTO)
        stack = await resources.enter_async_context(
            run_stack(broker=broker, fsync=False, kept=None if kept is None else kept.stack)
        )
        services, first_port = demo_services(home / MADE), None if kept is None else kept.first_port
        world = await resources.enter_async_context(run_world(services, dead=DEAD, first_port=first_port))
        kafka = KafkaSettings(bootstrap=stack.bootstrap, idempotence=stack.idempotence)
        await asyncio.gather(
            asyncio.to_thread(migrate, stack.dsn), create_topics(kafka, partitions=PARTITIONS, replication=1)
        )
        own = demo_catalog(world.ports, {name: world.url(name, "") for name in ADDRESSED})
        catalog = await asyncio.to_thread(_write, home / "catalog.yaml", merged_catalog(mine, own) if mine else own)
        organisations = new_organisations() if kept is None else lasting_organisations(kept.paying)
        connection = await asyncpg.connect(stack.dsn, timeout=10)
        resources.push_async_callback(connection.close, timeout=5)
        organisations = await found_organisations(connection, organisations)
        await register_workflows(connection, organisations.paying)
        yield Stage(
            home=home,
            stack=stack,
            world=world,
            kafka=kafka,
            connection=connection,
            organisations=organisations,
            catalog=own,
            settings=demo_settings(stack, catalog),
        )


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
