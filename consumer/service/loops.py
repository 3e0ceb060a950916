"""The loops of a running consumer: how they start together, and in which order they stop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from consumer.errors import TransientError
from consumer.event_loop import wait_for_event
from consumer.flow_control.backlog import BacklogLimit
from consumer.flow_control.slots import HealSlots
from consumer.ingest.source import KafkaSource
from consumer.kafka.writer import Writer
from consumer.metrics import LoopPhase, Metrics
from consumer.model import OwnerId
from consumer.model.batch import Batch
from consumer.pipeline.bindings import DependencyWatch
from consumer.pipeline.bulk import BulkRunner
from consumer.pipeline.definitions import DefinitionRounds
from consumer.pipeline.flow import Pipeline, Stages
from consumer.pipeline.publish import Publisher
from consumer.pipeline.resume import ResumeLoop
from consumer.pipeline.runner_watch import RunnerWatches
from consumer.pipeline.settle import Settler
from consumer.results.decision import status_message
from consumer.service.catalog_file import CatalogFile
from consumer.service.commands import CommandReader
from consumer.service.heartbeats import HeartbeatReader
from consumer.service.memory import trim_until
from consumer.service.topics import TopicReaders
from consumer.settings import Settings
from consumer.store import leases
from consumer.store.changes import tell_changes
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

SWEEP_EVERY: Final = timedelta(seconds=2)
TICK: Final = timedelta(milliseconds=500)
CHANGES_EVERY: Final = timedelta(seconds=0.5)
CHANGES_AT_ONCE: Final = 200
LAST_WRITES: Final = timedelta(seconds=5)
"""The part of the drain budget that is kept for settling, publishing and giving back claims."""


@dataclass(slots=True)
class Pulse:
    """Event loop liveness: how long ago the loop last turned."""

    last: float
    stopping: bool = False

    async def beat_until(self, stop: asyncio.Event, beat: Callable[[float], None]) -> None:
        """Tick twice a second until stopped, and report how late each tick was."""
        while not stop.is_set():
            self.last = time.monotonic()
            await wait_for_event(stop, TICK)
            beat(max(0.0, time.monotonic() - self.last - TICK.total_seconds()))

    @property
    def age(self) -> timedelta:
        """Time since the last tick."""
        return timedelta(seconds=time.monotonic() - self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A running consumer, as its API and its tests see it."""

    settings: Settings
    catalog_file: CatalogFile | None
    """None where the catalog came from no file."""
    stages: Stages
    source: KafkaSource[Batch]
    pulse: Pulse
    pressure: BacklogLimit
    pipeline: Pipeline
    resume: ResumeLoop
    commands: CommandReader | None
    """None where nobody may command."""
    bulks: BulkRunner
    writer: Writer
    topics: TopicReaders | None = None
    """None where nothing reads what the catalog declares."""
    heartbeats: HeartbeatReader | None = None
    """None where no heartbeats are read."""
    watch: DependencyWatch | None = None
    """None where nothing replaces a dependency."""
    definitions: DefinitionRounds | None = None
    """None where nothing rewrites a definition."""
    runner_watches: RunnerWatches | None = None
    """None where no runner can be watched."""

    @property
    def pool(self) -> Pool:
        """The database connections of this process."""
        return self.stages.pool

    @property
    def me(self) -> OwnerId:
        """The owner name of its claims."""
        return self.stages.owner

    @property
    def live(self) -> HealSlots:
        """The slots of its heals."""
        return self.stages.live

    @property
    def metrics(self) -> Metrics:
        """The metrics of this process."""
        return self.stages.metrics

    @property
    def publisher(self) -> Publisher:
        """The publish stage."""
        return self.stages.publisher

    @property
    def settler(self) -> Settler:
        """The settle stage."""
        return self.stages.settler

    @property
    def wake(self) -> asyncio.Event:
        """Set by any component that knows of something due now."""
        return self.resume.wake


SideLoop = Callable[[Consumer], Awaitable[None]]
"""A loop that runs beside the pipeline until it is cancelled, such as the API."""


async def run_loops(
    compose: Callable[[asyncio.TaskGroup], Consumer], stop: asyncio.Event, beside: Sequence[SideLoop]
) -> None:
    """Run every loop in one group until stopped: if one dies, all die, and the supervisor starts the process anew."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as loops:
        consumer = compose(loops)
        keep = LoopSupervisor(loops, stop)
        await consumer.stages.lease.begin(stop)
        await consumer.pressure.look(consumer.pool)
        consumer.metrics.live_claims.set_function(lambda: len(consumer.live))
        extra = [loops.create_task(_serve(serve, consumer)) for serve in beside]
        keep("pulse", consumer.pulse.beat_until(ended, lambda late: _observe_tick(consumer.metrics, late)))
        keep("lease", consumer.stages.lease.keep_until(ended))
        keep("changes", _publish_changes(consumer, ended))
        keep("census", _count_open(consumer, ended))
        if consumer.catalog_file is not None:
            keep("catalog", consumer.catalog_file.watch_until(ended))
        watching = [keep("dependencies", consumer.watch.run(ended))] if consumer.watch is not None else []
        if consumer.definitions is not None:
            watching.append(keep("definitions", consumer.definitions.run(ended)))
        if consumer.runner_watches is not None:
            watching.append(keep("runners", consumer.runner_watches.run(ended)))
        keep("memory", trim_until(ended))
        keep("valve", consumer.stages.valve.run(ended))
        keep("sweep", consumer.publisher.sweep(ended, SWEEP_EVERY))
        publishing = keep("publish", consumer.publisher.run())
        settling = keep("settle", consumer.settler.run())
        suspending = keep("suspend", consumer.stages.suspender.run())
        deadline = await _consume(consumer, keep, stop)
        for each in watching:
            each.cancel()  # a probe or a rollback under way would outlast the drain
        await _drain(consumer, [settling, suspending], publishing, deadline)
        ended.set()
        for task in extra:
            task.cancel()
    log.info("stopped", unfinished=len(consumer.live))


@dataclass(frozen=True, slots=True)
class LoopSupervisor:
    """Supervises loops that must run until the stop."""

    loops: asyncio.TaskGroup
    stop: asyncio.Event

    def __call__(self, name: str, loop: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Start a loop; if it ends before the stop, in whatever way, the process ends."""
        task = self.loops.create_task(self._run_until_stop(name, loop), name=name)
        task.add_done_callback(lambda _: loop.close())  # for a loop that was cancelled before it began
        return task

    async def _run_until_stop(self, name: str, loop: Coroutine[Any, Any, object]) -> None:
        me = asyncio.current_task()
        try:
            await loop
        except asyncio.CancelledError:
            # A library may pass on the cancellation of a task of its own: a task group takes that for a normal end.
            if me is None or me.cancelling():
                raise
        if not self.stop.is_set():
            raise RuntimeError(f"the loop {name} ended before its time: report this")


async def _consume(consumer: Consumer, keep: LoopSupervisor, stop: asyncio.Event) -> float:
    """Be a member of the consumer group until stopped; returns the deadline by which all else must have ended."""
    source, left = consumer.source, asyncio.Event()
    async with source.open():
        resuming = keep("resume", consumer.resume.run(stop))
        committing = keep("commit", source.commit_until(left))
        watching = keep("watch", source.watch_until(stop))
        reading = keep("read", source.read_until(stop))
        taking = keep("take", source.take_all())
        obeying = [keep("bulks", consumer.bulks.run(stop))]
        if consumer.commands is not None:
            obeying.append(keep("commands", consumer.commands.run(stop)))
        if consumer.topics is not None:
            obeying.append(keep("topics", consumer.topics.run(stop)))
        if consumer.heartbeats is not None:
            obeying.append(keep("heartbeats", consumer.heartbeats.run(stop)))
        log.info("started", owner=consumer.me, catalog=consumer.stages.catalogs.current.version)
        await stop.wait()
        log.info("stopping", live_heals=len(consumer.live))
        consumer.pulse.stopping = True
        deadline = time.monotonic() + consumer.settings.drain.total_seconds()
        consumer.wake.set()
        watching.cancel()
        _, late = await asyncio.wait([reading, taking, resuming, *obeying], timeout=deadline - time.monotonic())
        for task in late:
            task.cancel()
        left.set()
        source.end_commits()
        await committing
    return deadline


async def _drain(
    consumer: Consumer, ending: Sequence[asyncio.Task[None]], publishing: asyncio.Task[None], deadline: float
) -> None:
    """Drain the stages, each after the one that feeds it; other processes take over what has no time left."""
    started = time.monotonic()
    await consumer.live.wait_for_all(timedelta(seconds=deadline - time.monotonic()) - LAST_WRITES)
    consumer.pipeline.cancel_heals()
    consumer.settler.close()
    consumer.stages.suspender.close()
    await asyncio.wait(ending, timeout=max(0.1, deadline - time.monotonic()))
    consumer.publisher.close()
    await asyncio.wait([publishing], timeout=max(0.1, deadline - time.monotonic()))
    for task in (*ending, publishing):
        task.cancel()
    try:
        async with asyncio.timeout(max(1.0, deadline - time.monotonic())):
            await consumer.publisher.forget_acked()
            await leases.end_lease(consumer.pool, consumer.me, consumer.live.unstarted())
    except (TransientError, TimeoutError) as error:
        log.warning("left_without_goodbye", error=str(error)[:300])
    consumer.metrics.loop_seconds[LoopPhase.DRAIN].inc(time.monotonic() - started)


def _observe_tick(metrics: Metrics, late: float) -> None:
    metrics.loop_delay_seconds.observe(late)
    metrics.count_phases()


async def _serve(serve: SideLoop, consumer: Consumer) -> None:
    await serve(consumer)


async def _publish_changes(consumer: Consumer, ended: asyncio.Event) -> None:
    """Until ended, publish changes of status that were made in SQL, or learnt after a decision."""
    tell = partial(status_message, outlet=consumer.stages.outlet)
    while not ended.is_set():
        try:
            if await tell_changes(consumer.pool, tell, CHANGES_AT_ONCE):
                await consumer.publisher.sweep_once()  # the person who reopened a failure waits for its heal
        except TransientError as error:
            log.warning("changes_not_told", error=str(error)[:300])
        await wait_for_event(ended, CHANGES_EVERY)


async def _count_open(consumer: Consumer, ended: asyncio.Event) -> None:
    while not ended.is_set():
        await wait_for_event(ended, consumer.settings.intake.sample_every)
        await consumer.pressure.look(consumer.pool)
