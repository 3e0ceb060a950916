"""Everything that a start checks and more, looked at once: what is wrong, and the line that mends it.

A start ends at the first thing that is wrong; here each check goes on where another one has found something.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from consumer.catalog import Catalog
from consumer.errors import ConfigError, NoAnswer, ShwError
from consumer.kafka.topics import existing_topics
from consumer.service.catalog_file import read_catalog
from consumer.service.commands import command_keys
from consumer.service.startup_checks import allow_open_files, check_client
from consumer.settings import Settings, is_in_section, read_settings, unknown_variables
from consumer.store.backlog import bound_role
from consumer.store.deployment import deployment_name
from consumer.store.grants import missing_grants
from consumer.store.migrate import check_schema
from consumer.store.pool import Pool, open_pool, single_connection, translated
from consumer.store.server_facts import ServerFacts, server_facts

MOST_SKEW: Final = timedelta(seconds=2)
_LEAST_BUFFERS: Final = 128 * 1024 * 1024
_LOCAL: Final = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]|/[^,]*)(?::\d+)?")
_NEXT_FAULT: Final = "; (?={}:[0-9]+: )"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFinding:
    """Something that is wrong, and what mends it."""

    about: str
    """settings, catalog, kafka, database or host."""
    what: str
    mend: str = ""
    is_note: bool = False
    """The service starts and works; whoever runs it shall know."""
    is_outside: bool = False
    """A server did not answer: it may be up in a minute."""


async def examine() -> AsyncIterator[StartFinding]:
    """Yield all findings, in the order in which they are best mended."""
    unknown = unknown_variables(os.environ)
    for finding in _variables(unknown):
        yield finding
    try:
        settings = read_settings()
    except ConfigError as error:
        for fault in str(error).removeprefix("Settings: ").split("; "):
            if fault.partition(":")[0] not in unknown:
                yield StartFinding(about="settings", what=fault)
        return
    for finding in (*_host(settings), *_catalog(settings.catalog)):
        yield finding
    # Side by side: who is away is waited for once, and not once for each.
    async with asyncio.TaskGroup() as both:
        asked = [both.create_task(_all_of(found)) for found in (_kafka(settings), _database(settings))]
    for answered in asked:
        for finding in answered.result():
            yield finding


async def _all_of(findings: AsyncIterator[StartFinding]) -> list[StartFinding]:
    return [one async for one in findings]


def _variables(unknown: Mapping[str, str | None]) -> Iterator[StartFinding]:
    for name, meant in unknown.items():
        mend = f"export {meant}=..." if meant is not None else f"unset {name}"
        what = f"{name} is no setting of this release" + (f": did you mean {meant}?" if meant is not None else "")
        yield StartFinding(about="settings", what=what, mend=mend, is_note=not is_in_section(name))


def _host(settings: Settings) -> Iterator[StartFinding]:
    for check in (check_client, lambda: allow_open_files(settings.heal.slots, settings.api.connections)):
        try:
            check()
        except ConfigError as error:
            yield StartFinding(about="host", what=str(error))


def _catalog(path: Path | None) -> Iterator[StartFinding]:
    try:
        catalog = read_catalog(path)
    except ConfigError as error:
        for fault in re.split(_NEXT_FAULT.format(re.escape(str(path))), str(error)):
            yield StartFinding(about="catalog", what=fault)
        return
    for lack in (*catalog.unbound, *catalog.unused):
        yield StartFinding(about="catalog", what=lack, is_note=True)
    yield from _unset_secrets(catalog)


def _unset_secrets(catalog: Catalog) -> Iterator[StartFinding]:
    for name, secret in catalog.secrets.items():
        if secret.env is not None and not os.environ.get(secret.env):
            what = f"secrets.{name}: the variable {secret.env} is not set, so heals that need it are refused"
            yield StartFinding(about="catalog", what=what, mend=f"export {secret.env}=...", is_note=True)
        elif secret.file is not None and not os.access(secret.file, os.R_OK):
            what = f"secrets.{name}: the file {secret.file} cannot be read, so heals that need it are refused"
            yield StartFinding(about="catalog", what=what, mend=f"chmod u+r {secret.file}", is_note=True)


async def _kafka(settings: Settings) -> AsyncIterator[StartFinding]:
    kafka = settings.kafka
    if kafka.security_protocol.endswith("PLAINTEXT") and not _is_local(kafka.bootstrap):
        what = f"what is sent to Kafka at {kafka.bootstrap} is not encrypted"
        yield StartFinding(about="kafka", what=what, mend="export SHW_KAFKA__SECURITY_PROTOCOL=SASL_SSL", is_note=True)
    wanted = {kafka.failures_topic, kafka.results_topic, kafka.dlq_topic}
    try:
        wanted |= {kafka.commands_topic} if command_keys(settings) is not None else set()
    except ConfigError as error:
        yield _refused("settings", error)
    try:
        missing = wanted - await existing_topics(kafka)
    except ShwError as error:
        yield _refused("kafka", error)
        return
    for topic in sorted(missing):
        yield StartFinding(about="kafka", what=f"Kafka at {kafka.bootstrap} has no topic {topic}", mend="shw topics")


async def _database(settings: Settings) -> AsyncIterator[StartFinding]:
    try:
        async with open_pool(single_connection(settings.postgres), application="shw doctor") as pool:
            async for finding in _in_database(pool, settings):
                yield finding
    except ShwError as error:
        yield _refused("database", error)


async def _in_database(pool: Pool, settings: Settings) -> AsyncIterator[StartFinding]:
    for finding in _server(await server_facts(pool), settings):
        yield finding
    if (role := await bound_role(pool)) is not None:
        what = f"role {role} is bound by row-level security and would see nothing"
        yield StartFinding(about="database", what=what, mend=f"ALTER ROLE {role} BYPASSRLS;")
    lacking = await _lacking(pool)
    for grant in lacking:
        yield StartFinding(about="database", what="the role lacks a right", mend=grant)
    if lacking:
        return  # it may not read what is looked at below
    try:
        with translated():
            await check_schema(pool)
    except ConfigError as error:
        yield StartFinding(about="database", what=str(error), mend="shw migrate")
        return
    found = await deployment_name(pool)
    if found is not None and found["name"] != settings.deployment_name:
        what = f"the database serves the deployment '{found['name']}', and this one is '{settings.deployment_name}'"
        yield StartFinding(about="database", what=what, mend=f"export SHW_DEPLOYMENT='{found['name']}'")


async def _lacking(pool: Pool) -> list[str]:
    try:
        return await missing_grants(pool)
    except ShwError:  # a table of this release is not there: the schema is what has to be mended first
        return []


def _server(facts: ServerFacts, settings: Settings) -> Iterator[StartFinding]:
    skew = abs(facts.now - datetime.now(UTC))
    if skew > MOST_SKEW:
        what = f"the clocks of this host and of the database are {skew.total_seconds():.0f} s apart"
        yield StartFinding(about="host", what=what, mend="chronyc makestep", is_note=True)
    for name in facts.unsafe:
        what = f"PostgreSQL runs with {name} off: a crash loses what it has confirmed"
        yield StartFinding(about="database", what=what, mend=f"ALTER SYSTEM SET {name} = on;", is_note=True)
    if facts.shared_buffers < _LEAST_BUFFERS:
        what = f"PostgreSQL has {facts.shared_buffers // 1024 // 1024} MiB of shared_buffers: open failures do not fit"
        mend = "ALTER SYSTEM SET shared_buffers = '512MB'; -- and restart it"
        yield StartFinding(about="database", what=what, mend=mend, is_note=True)
    if not facts.is_encrypted and not _is_local(settings.postgres.shown().partition("@")[2].partition("/")[0]):
        what = "what is sent to PostgreSQL is not encrypted"
        yield StartFinding(
            about="database", what=what, mend="add ?sslmode=verify-full to SHW_POSTGRES__DSN", is_note=True
        )


def _is_local(addresses: str) -> bool:
    return all(_LOCAL.fullmatch(one.strip()) for one in addresses.split(","))


def _refused(about: str, error: ShwError) -> StartFinding:
    is_outside = isinstance(error, NoAnswer) or not isinstance(error, ConfigError)
    return StartFinding(about=about, what=str(error), is_outside=is_outside)
