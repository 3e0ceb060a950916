"""The member that reads commands: a consumer group of its own, which may stop without healing stopping with it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from consumer.catalog import Catalogs
from consumer.commands.hands import Price
from consumer.commands.keys import CommandKeys
from consumer.commands.prices import at_most
from consumer.errors import ShwError, TransientError
from consumer.event_loop import wait_for_event
from consumer.ingest.source import KafkaSource
from consumer.metrics import Metrics
from consumer.model import Failure, JsonObject, MicroAud, Record
from consumer.model.approval import ChangedPlan
from consumer.model.plan import ChangePlan
from consumer.pipeline.bulk import BulkRunner
from consumer.pipeline.changed_plans import change_plan
from consumer.pipeline.commands import CommandGate, CommandStage
from consumer.pipeline.flow import Stages
from consumer.service.side_members import consume, first_of
from consumer.settings import Settings
from consumer.store.commands import forget_commands

log = structlog.get_logger(__name__)

AGAIN_AFTER: Final = timedelta(seconds=15)
"""Pause before the member is made anew after what only an operator can mend: an ACL, an offset that is gone."""
FORGET_EVERY: Final = timedelta(minutes=5)


def command_keys(settings: Settings) -> CommandKeys | None:
    """Return the keys of those who may command; None where nobody may. Warns where anybody may."""
    if not settings.commands.are_read:
        return None
    if settings.commands.unsigned:
        log.warning(
            "unsigned_commands_count",
            topic=settings.kafka.commands_topic,
            why="SHW_COMMANDS__UNSIGNED is for development: whoever may write to the topic commands everything",
        )
    return CommandKeys.of(settings.commands)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReader:
    """Reads commands until stopped, beside the failures: with metrics, offsets and a group of its own."""

    settings: Settings
    stages: Stages
    keys: CommandKeys
    price: Price
    change: ChangePlan
    wake: Callable[[], None]

    async def run(self, stop: asyncio.Event) -> None:
        """Read until stopped; what keeps it from reading is logged and tried again, and stops nothing else."""
        while not stop.is_set():
            try:
                await self._read(stop)
            except* ShwError as group:
                self.stages.metrics.commands_stopped.set(1)
                log.error("commands_stopped", error=str(first_of(group)), again_in=AGAIN_AFTER.total_seconds())  # noqa: TRY400
            if not stop.is_set():
                await wait_for_event(stop, AGAIN_AFTER)

    async def _forget_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await forget_commands(self.stages.pool, self.settings.commands.kept)
            except TransientError as error:
                log.warning("commands_not_forgotten", error=str(error)[:300])
            await wait_for_event(stop, FORGET_EVERY)

    async def _read(self, stop: asyncio.Event) -> None:
        kafka, stages = self.settings.kafka, self.stages
        # The lag and the loops of the failures' own member are other metrics: these stay within this process.
        own = Metrics(CollectorRegistry())
        source: KafkaSource[Sequence[Record]] = KafkaSource(
            kafka=kafka.reading(kafka.commands_topic, self.settings.commands.group_id),
            intake=self.settings.intake,
            drain=self.settings.drain,
            stage=CommandStage(
                pool=stages.pool,
                owner=stages.owner,
                keys=self.keys,
                settings=self.settings.commands,
                publisher=stages.publisher,
                outlet=stages.outlet,
                metrics=stages.metrics,
                price=self.price,
                change=self.change,
                wake=self.wake,
            ),
            full=lambda: None,
            metrics=own,
            valve=CommandGate(),
        )
        stages.metrics.commands_lag_records.set_function(
            lambda: float(sum(behind for _, behind in source.lag.records()))
        )
        stages.metrics.commands_lag_seconds.set_function(lambda: source.lag.seconds(time.time()))
        stages.metrics.commands_wait_for_keys.set_function(lambda: float(self.keys.are_waited_for))
        async with source.open(), asyncio.TaskGroup() as loops:
            stages.metrics.commands_stopped.set(0)
            loops.create_task(self._forget_until(stop))
            await consume(source, stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """What carries out the orders of a supervisor."""

    commands: CommandReader | None
    """None where nobody may command."""
    bulks: BulkRunner


def supervise(
    settings: Settings, stages: Stages, catalogs: Catalogs, keys: CommandKeys | None, wake: Callable[[], None]
) -> Supervision:
    """Build it; `wake` is called when something may be due."""

    def price(workflows: Mapping[str, int]) -> MicroAud | None:
        return at_most(catalogs.current, stages.strategies.keys(), workflows)

    bulks = BulkRunner(
        pool=stages.pool,
        owner=stages.owner,
        publisher=stages.publisher,
        outlet=stages.outlet,
        price=price,
        wake=wake,
        kept=settings.commands.kept,
    )
    if keys is None:
        return Supervision(commands=None, bulks=bulks)
    change = partial(change_plan_now, stages)
    commands = CommandReader(settings=settings, stages=stages, keys=keys, price=price, change=change, wake=wake)
    return Supervision(commands=commands, bulks=bulks)


async def change_plan_now(stages: Stages, failure: Failure, changes: JsonObject) -> ChangedPlan | str:
    """Return the plan of a failure under changes, by the catalog in force."""
    return await change_plan(failure, changes, stages.catalogs.current, stages.strategies, stages.clock.now())
