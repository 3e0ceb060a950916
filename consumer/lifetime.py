"""A running consumer's loops: how they start together, and in which order they end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from consumer.catalog import Catalog
from consumer.errors import TransientError
from consumer.ingest.source import Source
from consumer.intake import Batch
from consumer.live import LiveHeals
from consumer.metrics import LoopPhase, Metrics
from consumer.model import OwnerId
from consumer.pipeline import Pipeline, Stages
from consumer.publish import Publisher
from consumer.resume import Resume
from consumer.settings import Settings
from consumer.settle import Settler
from consumer.store import owner as leases
from consumer.store.census import Census, count
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

SWEEP_EVERY: Final = timedelta(seconds=2)
TICK: Final = timedelta(seconds=1)
LAST_WRITES: Final = timedelta(seconds=5)
"""The part of the drain budget that is kept for settling, publishing and leaving."""


@dataclass(slots=True)
class Pulse:
    """The event loop's own clock: how long ago it last turned."""

    last: float

    async def beat_until(self, stop: asyncio.Event) -> None:
        """Turn once a second until stopped."""
        while not stop.is_set():
            self.last = time.monotonic()
            await rest(stop, TICK)

    @property
    def age(self) -> timedelta:
        """Time since the last turn."""
        return timedelta(seconds=time.monotonic() - self.last)


class Pressure:
    """Whether intake must wait: the open rows and bytes, counted now and then, with hysteresis."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings.intake
        self._metrics = metrics
        self._full = False

    def full(self) -> bool:
        """Tell whether the cap is reached, or was and the open failures have not fallen far enough since."""
        return self._full

    def observe(self, census: Census) -> None:
        """Take a new count in."""
        factor = self._settings.resume_below if self._full else 1.0
        rows = census.open_rows >= self._settings.open_rows_cap * factor
        self._full = rows or census.open_bytes >= self._settings.open_bytes_cap * factor
        for status, open_now in census.open_failures.items():
            self._metrics.open_failures[status].set(open_now)
        for status in set(self._metrics.open_failures) - set(census.open_failures):
            self._metrics.open_failures[status].set(0)
        self._metrics.oldest_pending_seconds.set(census.oldest_pending)
        self._metrics.outbox_depth.set(census.outbox_depth)
        self._metrics.outbox_oldest_seconds.set(census.outbox_oldest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A running consumer, as its API and its tests see it."""

    settings: Settings
    catalog: Catalog
    stages: Stages
    source: Source[Batch]
    pulse: Pulse
    pressure: Pressure
    pipeline: Pipeline
    resume: Resume

    @property
    def pool(self) -> Pool:
        """The connections of this process."""
        return self.stages.pool

    @property
    def me(self) -> OwnerId:
        """The name under which its claims stand."""
        return self.stages.owner

    @property
    def live(self) -> LiveHeals:
        """What it heals now."""
        return self.stages.live

    @property
    def metrics(self) -> Metrics:
        """What it counts."""
        return self.stages.metrics

    @property
    def publisher(self) -> Publisher:
        """What it sends."""
        return self.stages.publisher

    @property
    def settler(self) -> Settler:
        """What it ends."""
        return self.stages.settler

    @property
    def wake(self) -> asyncio.Event:
        """Set by whoever knows of something due now."""
        return self.resume.wake


Serving = Callable[[Consumer], Awaitable[None]]
"""A loop that runs beside the pipeline until it is cancelled, such as the API."""


async def run_loops(
    compose: Callable[[asyncio.TaskGroup], Consumer], stop: asyncio.Event, beside: Sequence[Serving]
) -> None:
    """Run every loop in one group until stopped: if one dies, all die, and the supervisor starts the process anew."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as loops:
        consumer = compose(loops)
        await leases.renew(consumer.pool, consumer.me, consumer.settings.heal.lease)
        consumer.pressure.observe(await count(consumer.pool))
        extra = [loops.create_task(_serve(serve, consumer)) for serve in beside]
        loops.create_task(consumer.pulse.beat_until(ended))
        loops.create_task(_keep_lease(consumer, ended))
        loops.create_task(_count_open(consumer, ended))
        loops.create_task(consumer.publisher.sweep(ended, SWEEP_EVERY))
        publishing = loops.create_task(consumer.publisher.run())
        settling = loops.create_task(consumer.settler.run())
        deadline = await _take_in(consumer, loops, stop)
        await _drain(consumer, settling, publishing, deadline)
        ended.set()
        for task in extra:
            task.cancel()
    log.info("stopped", unfinished=len(consumer.live))


async def _take_in(consumer: Consumer, loops: asyncio.TaskGroup, stop: asyncio.Event) -> float:
    """Be a member of the group until stopped; gives the time by which everything else must have ended."""
    source, left = consumer.source, asyncio.Event()
    async with source.open():
        resuming = loops.create_task(consumer.resume.run(stop))
        committing = loops.create_task(source.commit_until(left))
        reading = loops.create_task(source.read_until(stop))
        taking = loops.create_task(source.take_all())
        log.info("started", owner=consumer.me, catalog=consumer.catalog.version)
        await stop.wait()
        log.info("stopping", live_heals=len(consumer.live))
        deadline = time.monotonic() + consumer.settings.drain.total_seconds()
        consumer.wake.set()
        _, late = await asyncio.wait([reading, taking, resuming], timeout=deadline - time.monotonic())
        for task in late:
            task.cancel()
        left.set()
        source.end_commits()
        await committing
    return deadline


async def _drain(
    consumer: Consumer, settling: asyncio.Task[None], publishing: asyncio.Task[None], deadline: float
) -> None:
    """End what is under way, each stage after the one that feeds it; what has no time left is taken over by others."""
    started = time.monotonic()
    until_heals = deadline - LAST_WRITES.total_seconds()
    while len(consumer.live) and (left := until_heals - time.monotonic()) > 0:
        span = timedelta(seconds=left)
        await consumer.live.wait_for_free(consumer.live.slots, 0, span, span)
    consumer.pipeline.cancel_heals()
    consumer.settler.close()
    await asyncio.wait([settling], timeout=max(0.1, deadline - time.monotonic()))
    consumer.publisher.close()
    await asyncio.wait([publishing], timeout=max(0.1, deadline - time.monotonic()))
    for task in (settling, publishing):
        task.cancel()
    try:
        async with asyncio.timeout(max(1.0, deadline - time.monotonic())):
            await consumer.publisher.forget_acked()
            await leases.leave(consumer.pool, consumer.me, consumer.live.unstarted())
    except (TransientError, TimeoutError) as error:
        log.warning("left_without_goodbye", error=str(error)[:300])
    consumer.metrics.loop_seconds[LoopPhase.DRAIN].inc(time.monotonic() - started)


async def _serve(serve: Serving, consumer: Consumer) -> None:
    await serve(consumer)


async def _keep_lease(consumer: Consumer, ended: asyncio.Event) -> None:
    lease = consumer.settings.heal.lease
    while not ended.is_set():
        await rest(ended, lease / 3)
        if ended.is_set():
            return
        try:
            await leases.renew(consumer.pool, consumer.me, lease)
        except TransientError as error:
            # Not fatal: what keeps two from acting on one scope are the effect deadlines, which we obey ourselves.
            log.warning("lease_not_renewed", error=str(error)[:300])


async def _count_open(consumer: Consumer, ended: asyncio.Event) -> None:
    while not ended.is_set():
        await rest(ended, consumer.settings.intake.sample_every)
        consumer.metrics.live_claims.set(len(consumer.live))
        try:
            consumer.pressure.observe(await count(consumer.pool))
        except TransientError as error:
            log.warning("census_failed", error=str(error)[:300])


async def rest(stop: asyncio.Event, span: timedelta) -> None:
    """Wait, unless stopped earlier."""
    try:
        async with asyncio.timeout(span.total_seconds()):
            await stop.wait()
    except TimeoutError:
        return
