"""Preparations before the service starts: schema, topics, catalog."""

import asyncio
from pathlib import Path
from typing import Final

from consumer.cli.exits import ExitCode, say
from consumer.kafka.topics import create_topics
from consumer.service.catalog_file import read_catalog
from consumer.settings import read_settings
from consumer.store.migrate import migrate

EXAMPLE_CATALOG: Final = Path(__file__).resolve().parents[1] / "catalog.example.yaml"
"""In a checkout a link to deploy/; the wheel has the file itself."""


def migrate_database() -> None:
    """Migrate the configured database to this release's schema."""
    postgres = read_settings().postgres
    migrate(postgres.dsn.get_secret_value())
    say(f"{postgres.shown()} has the schema of this release.")


def create_missing_topics(*, partitions: int, replication: int) -> None:
    """Create our missing topics, and print their names."""
    kafka = read_settings().kafka
    created = asyncio.run(create_topics(kafka, partitions=partitions, replication=replication))
    for name in created:
        print(name)  # noqa: T201 - the command's answer
    say(f"Created {len(created)} topics at {kafka.bootstrap}." if created else "Every topic was there already.")
    if created and replication == 1:
        say("A record has one copy and is lost with its disk: give --replication 3 where there are three brokers.")


def print_example_catalog() -> None:
    """Print the example catalog."""
    print(EXAMPLE_CATALOG.read_text(), end="")  # noqa: T201 - the command's answer


def check_catalog(path: Path | None) -> int:
    """Parse a catalog as the service does, and print a summary; an error names the line.

    What it does not bind is printed too, and what does nothing in it: the answer is then no.
    """
    where = path or read_settings().catalog
    catalog = read_catalog(where)
    lacks = (*catalog.unbound, *catalog.unused)
    print(  # noqa: T201 - the command's answer
        f"{where} is valid: version {catalog.version}, {len(catalog.sources)} sources, "
        f"{len(catalog.workflows)} workflows, {len(catalog.secrets)} secrets."
        f"{f' What to change in it: {len(lacks)}.' if lacks else ''}"
    )
    for lack in lacks:
        print(lack)  # noqa: T201 - as above
    return ExitCode.NO if lacks else ExitCode.OK
