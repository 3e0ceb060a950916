"""`shw replay`: consumes the failures topic again from a time on, and stores the failures that are missing."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry

from consumer import logs
from consumer.catalog import Catalogs
from consumer.cli.exits import ExitCode, say
from consumer.cli.tables import print_json
from consumer.errors import ShwError
from consumer.ingest.big_records import record_workers
from consumer.kafka.history import open_history
from consumer.kafka.writer import open_writer
from consumer.metrics import Metrics
from consumer.model import JsonObject, Record
from consumer.model.batch import Batch, Received
from consumer.pipeline.flow import Pipeline, Stages
from consumer.service.app import Resources, stages_of
from consumer.service.catalog_file import read_catalog
from consumer.service.startup_checks import check_database
from consumer.service.strategies import installed_strategies
from consumer.settings import Settings, read_settings
from consumer.store.backlog import count
from consumer.store.intake import known_organisations
from consumer.store.leases import database_time
from consumer.store.pool import open_pool, transaction

TOLD_EVERY: Final = 10.0
"""Seconds between two lines of progress."""
LOOK_EVERY: Final = 5.0
"""Seconds between two counts of open failures."""


@dataclass(slots=True)
class Told:
    """Counts of the records read, by outcome."""

    read: int = 0
    new: int = 0
    there_already: int = 0
    conflicting: int = 0
    dead_letters: int = 0

    def as_json(self) -> JsonObject:
        """Return the counts as the command prints them."""
        return {
            "read": self.read,
            "new": self.new,
            "there_already": self.there_already,
            "conflicting": self.conflicting,
            "dead_letters": self.dead_letters,
        }


def replay(since: datetime, until: datetime | None, *, dead_letters: bool) -> ExitCode:
    """Consume again, store missing failures as pending, and print the counts. A running consumer heals them.

    Dead letters are in their topic already, so they are only counted; with `dead_letters` they are published once more.
    """
    settings = _without_slots(read_settings())
    # stdout is reserved for the answer, and the clients also raise the errors that they log.
    logs.configure("warning", sys.stderr.buffer)
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    try:
        told = asyncio.run(_replay(settings, since, until, dead_letters=dead_letters))
    except BaseExceptionGroup as group:
        # The reading failed with these errors; the publisher task beside it was cancelled with it.
        known = group.subgroup(ShwError)
        if known is None:
            raise
        raise next(_leaves(known)) from group
    print_json(told.as_json())
    return ExitCode.OK


def _leaves(group: BaseExceptionGroup[ShwError]) -> Iterator[ShwError]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


async def _replay(settings: Settings, since: datetime, until: datetime | None, *, dead_letters: bool) -> Told:
    async with open_history(settings.kafka, settings.intake) as past, _pipeline(settings) as (pipeline, stages):
        again = EventReplay(settings, pipeline, stages, write_letters=dead_letters)
        async for records in past.between(since, until):
            await again.take(records)
        return again.told


class EventReplay:
    """Takes records in again, through the pipeline's own stages, without healing."""

    def __init__(self, settings: Settings, pipeline: Pipeline, stages: Stages, *, write_letters: bool) -> None:
        self.told = Told()
        self._cap = settings.intake.open_rows_cap
        self._pipeline = pipeline
        self._stages = stages
        self._write_letters = write_letters
        self._next_count = 0.0
        self._next_progress = time.monotonic() + TOLD_EVERY

    async def take(self, records: Sequence[Record]) -> None:
        """Store what is missing of a batch, and count it."""
        await self._wait_for_room()
        batch = await self._pipeline.read(records)
        left_out = 0
        if not self._write_letters:
            batch = await self._drop_letters(batch)
            left_out = len(records) - len(batch.accepted) - len(batch.again) - batch.repeated
        received = await self._take_all(batch)
        self._stages.publisher.offer(received.messages)
        await self._stages.publisher.forget_acked()
        self._count(records, received, left_out)
        if time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + TOLD_EVERY
            say(f"{self.told.read} read so far, {self.told.new} new")

    async def _take_all(self, batch: Batch) -> Received:
        found, rest = Received(), batch
        while True:
            portion = await self._stages.intake.take(rest, self._stages.reading.unplannable)
            found += portion.received
            if portion.rest is None:
                return found
            rest = portion.rest

    def _count(self, records: Sequence[Record], received: Received, left_out: int) -> None:
        told, conflicting = self.told, set(received.conflicting)
        letters = left_out + len(received.letters)
        told.read += len(records)
        told.new += len(received.new)
        told.conflicting += len(conflicting)
        told.dead_letters += letters
        told.there_already += len(records) - letters - len(received.new) - len(conflicting)

    async def _drop_letters(self, batch: Batch) -> Batch:
        """Remove what would become a dead letter, including failures of organisations that do not exist here."""
        orgs = {diagnosed.failure.org_id for diagnosed, _ in (*batch.accepted, *batch.again)}
        async with transaction(self._stages.pool) as connection:
            known = await known_organisations(connection, tuple(orgs))
        here, again = (
            tuple(one for one in some if one[0].failure.org_id in known) for some in (batch.accepted, batch.again)
        )
        return replace(batch, accepted=here, letters=(), again=again)

    async def _wait_for_room(self) -> None:
        """Back-pressure: wait while open failures reach the cap at which intake itself pauses; consumers make room."""
        while time.monotonic() >= self._next_count:
            rows = (await count(self._stages.pool)).open_rows
            if rows < self._cap:
                self._next_count = time.monotonic() + LOOK_EVERY
            else:
                say(f"{rows} failures are open, SHW_INTAKE__OPEN_ROWS_CAP: waiting until running consumers heal some")
                await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def _pipeline(settings: Settings) -> AsyncIterator[tuple[Pipeline, Stages]]:
    """Compose the stages of a running service, without its loops except for the publisher's."""
    catalogs = Catalogs(read_catalog(settings.catalog))
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(settings.postgres, application="shw replay"))
        await check_database(pool, settings.deployment_name)
        writer = await stack.enter_async_context(open_writer(settings.kafka))
        strategies = await stack.enter_async_context(installed_strategies(catalogs, connections=1))
        parts = Resources(
            settings,
            catalogs,
            pool,
            pool,
            writer,
            strategies,
            Metrics(CollectorRegistry()),
            asyncio.Event(),
            record_workers=await stack.enter_async_context(record_workers(settings.intake.record_budget)),
        )
        stages = stages_of(parts, asyncio.Event())
        asked = datetime.now(UTC)
        stages.clock.compare(asked, await database_time(pool), datetime.now(UTC))
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(stages.publisher.run())
            yield Pipeline(stages, tasks), stages
            stages.publisher.close()
            await publishing
        await stages.publisher.forget_acked()


def _without_slots(settings: Settings) -> Settings:
    """Set the slots to zero, so that nothing is healed here: new failures stay pending for the running consumers."""
    heal = settings.heal.model_copy(update={"slots": 0, "slot_stall": settings.heal.slot_stall / 1000})
    breaker = settings.breaker.model_copy(update={"first": sys.maxsize})
    return settings.model_copy(update={"heal": heal, "breaker": breaker})
