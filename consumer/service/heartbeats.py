"""The member that reads heartbeats: a consumer group and database connections of its own, beside the failures.

Beats of an open or aborted transaction are signs of life as any: a producer that hangs in one must not make every run
behind it look dead.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from consumer.errors import ShwError, TransientError
from consumer.event_loop import wait_for_event
from consumer.ingest.lag import Lag
from consumer.ingest.liveness import MemberLiveness
from consumer.kafka.group import group_answers
from consumer.kafka.polls import NOTHING, Polled
from consumer.kafka.reader import Listener, Reader, open_reader
from consumer.metrics import Metrics
from consumer.model import Partition
from consumer.outbound.calls import open_calls
from consumer.pipeline.flow import Stages
from consumer.pipeline.heartbeats import Heartbeats
from consumer.pipeline.stalls import LOOKS_AT_ONCE, StallRounds
from consumer.runners.configured import CurrentRunners
from consumer.service.side_members import first_of
from consumer.settings import KafkaSettings, Settings
from consumer.store.live_runs import forget_silent
from consumer.store.pool import open_pool

log = structlog.get_logger(__name__)

AGAIN_AFTER: Final = timedelta(seconds=15)
"""Pause before the member is made anew after what only an operator can mend: an ACL, an offset that is gone."""
AT_ONCE: Final = 64
"""Records of one poll: so many are read without letting anything else of the process run, some milliseconds."""
POLL_WAIT: Final = timedelta(milliseconds=200)
ASK_WITHIN: Final = timedelta(seconds=5)
COMMIT_WITHIN: Final = timedelta(seconds=5)
MARK_EVERY: Final = 1.0
"""Seconds between two questions for the ends of partitions: so much the watermark lags at least."""
FORGET_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatReader:
    """Reads heartbeats until stopped, and looks at runs that fall silent."""

    settings: Settings
    stages: Stages

    async def run(self, stop: asyncio.Event) -> None:
        """Read until stopped; what keeps it from reading is logged and tried again, and stops nothing else."""
        metrics = self.stages.metrics
        while not stop.is_set():
            try:
                async with self._member() as member:
                    metrics.heartbeats_stopped.set(0)
                    await member.run(stop)
            except* ShwError as group:
                metrics.heartbeats_stopped.set(1)
                log.error("heartbeats_stopped", error=str(first_of(group)), again_in=AGAIN_AFTER.total_seconds())  # noqa: TRY400
            except* Exception:  # a bug in here must stop neither intake nor heals
                metrics.heartbeats_stopped.set(1)
                log.exception("heartbeats_broke", again_in=AGAIN_AFTER.total_seconds())
            if not stop.is_set():
                await wait_for_event(stop, AGAIN_AFTER)

    @asynccontextmanager
    async def _member(self) -> AsyncIterator["_Member"]:
        settings, stages = self.settings, self.stages
        own = settings.postgres.model_copy(update={"pool_size": settings.heartbeats.pool_size})
        kafka = settings.kafka.reading(settings.kafka.heartbeats_topic, settings.heartbeats.group_id)
        catalogs = stages.catalogs
        async with (
            open_pool(own, opened=stages.metrics.connections_opened.inc) as pool,
            open_calls(catalogs.secrets, connections=LOOKS_AT_ONCE) as calls,
        ):
            heartbeats = Heartbeats(
                pool=pool,
                catalogs=catalogs,
                clock=stages.clock,
                settings=settings.heartbeats,
                metrics=stages.metrics,
            )
            stalls = StallRounds(
                heartbeats=heartbeats,
                runners=CurrentRunners(catalogs, calls),
                owner=stages.owner,
                publisher=stages.publisher,
                outlet=stages.outlet,
                failures_topic=settings.kafka.failures_topic,
                heartbeats_topic=settings.kafka.heartbeats_topic,
                metrics=stages.metrics,
            )
            member = _Member(kafka=kafka, heartbeats=heartbeats, stalls=stalls)
            listener = Listener(revoked=member.revoked, assigned=member.assigned)
            async with open_reader(kafka, settings.intake, listener, committed_only=False) as member.reader:
                yield member


@dataclass(slots=True, kw_only=True)
class _Member:
    """One member of the group, from its first poll to its last commit."""

    kafka: KafkaSettings
    heartbeats: Heartbeats
    stalls: StallRounds
    reader: Reader = field(init=False)
    _lag: Lag = field(default_factory=Lag)
    _watch: MemberLiveness = field(init=False)
    _assigned: frozenset[Partition] = frozenset()
    _loaded: bool = True
    """Whether the runs of the assigned partitions are in memory: until then nothing is read."""
    _positions: dict[Partition, int] = field(default_factory=dict)
    _committed: dict[Partition, int] = field(default_factory=dict)
    _round: asyncio.Task[None] | None = None
    _next_forgotten: float = 0.0

    def __post_init__(self) -> None:
        """Watch the member by metrics of its own: those of the failures' member are others."""
        self._watch = MemberLiveness(Metrics(CollectorRegistry()), self._lag, partial(group_answers, self.kafka))

    async def run(self, stop: asyncio.Event) -> None:
        """Read, keep, look and commit until stopped."""
        loop, every = asyncio.get_running_loop(), self.heartbeats.settings.every.total_seconds()
        watching = asyncio.create_task(self._watch.look_until(stop, self.reader))
        due, mark_due = loop.time() + every, loop.time()
        try:
            while not stop.is_set():
                await self._read()
                if loop.time() >= mark_due:
                    mark_due = loop.time() + min(every, MARK_EVERY)
                    await self._mark()
                if loop.time() >= due:
                    due = loop.time() + every
                    await self._keep()
            await self._keep()
        finally:
            for task in (watching, self._round):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    async def _read(self) -> None:
        if not self._loaded and not await self._load():
            self.reader.pause(self._assigned & self.reader.assignment())
        try:
            found = await self.reader.poll(max_records=AT_ONCE, wait=POLL_WAIT)
        except TransientError as error:
            log.warning("heartbeats_poll_failed", error=str(error)[:300])
            await asyncio.sleep(1)
            found = NOTHING
        begin = time.thread_time()
        self._take(found)
        # However many beats wait, half of the loop is left to whatever else the process does.
        await asyncio.sleep(time.thread_time() - begin)

    def _take(self, found: Polled) -> None:
        for partition, records in found.records.items():
            if partition in self._assigned and self._loaded:
                self.heartbeats.absorb(records)
        if self._loaded:
            here = {tp: position for tp, position in found.positions.items() if tp in self._assigned}
            self._positions |= here
            self.heartbeats.marks.came_to({tp.partition: position for tp, position in here.items()})

    async def _load(self) -> bool:
        assigned = self._assigned
        try:
            await self.heartbeats.load(tp.partition for tp in assigned)
        except TransientError as error:
            log.warning("live_runs_not_loaded", error=str(error)[:300])
            return False
        if assigned != self._assigned:
            return False
        self._loaded = True
        self.reader.resume(assigned & self.reader.assignment())
        log.info("live_runs_loaded", runs=len(self.heartbeats.board.runs), partitions=len(assigned))
        return True

    async def _keep(self) -> None:
        """Keep what was read, commit it, and look at what is silent."""
        if not self._loaded:
            return
        positions = dict(self._positions)
        try:
            await self.heartbeats.keep()
        except TransientError as error:
            log.warning("heartbeats_not_kept", error=str(error)[:300])
            return
        fresh = {tp: at for tp, at in positions.items() if self._committed.get(tp) != at and tp in self._assigned}
        if fresh and await self.reader.commit(fresh, COMMIT_WITHIN):
            self._committed |= fresh
        metrics, heartbeats = self.stalls.metrics, self.heartbeats
        metrics.heartbeats_behind_seconds.set(heartbeats.marks.age(heartbeats.now()))
        if self._round is not None and self._round.done():
            self._round.result()
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._look())

    async def _mark(self) -> None:
        """Ask how far there is to read, where that is not known of a time after the last mark that was come to."""
        if not self._loaded:
            return
        marks, asked = self.heartbeats.marks, self.heartbeats.now()
        by_number = {tp.partition: tp for tp in self._assigned}
        to_ask = [by_number[number] for number in marks.unmarked() if number in by_number]
        if to_ask and (ends := await self.reader.ends(to_ask, ASK_WITHIN)) is not None:
            marks.mark({tp.partition: end for tp, end in ends.items()}, asked)
        standing = {tp.partition: self._position(tp) for tp in self._assigned}
        marks.came_to(standing)

    def _position(self, partition: Partition) -> int | None:
        if partition in self._positions:
            return self._positions[partition]
        standing = self.reader.standing(partition)
        return None if standing is None else standing.position

    async def _look(self) -> None:
        heartbeats = self.heartbeats
        await self.stalls.run_round()
        if (now := asyncio.get_running_loop().time()) >= self._next_forgotten:
            self._next_forgotten = now + FORGET_EVERY.total_seconds()
            kept = heartbeats.settings.kept
            heartbeats.board.drop_silent(heartbeats.now() - kept.total_seconds())
            try:
                await forget_silent(heartbeats.pool, kept)
            except TransientError as error:
                log.warning("silent_runs_not_forgotten", error=str(error)[:300])

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Keep and commit what was read; then let go of everything."""
        if partitions and self._loaded:
            await self._keep_last()
        self._assigned, self._loaded = frozenset(), True
        self._positions.clear()
        self._committed.clear()
        self._lag.assign(())
        self.heartbeats.clear()

    async def _keep_last(self) -> None:
        positions = dict(self._positions)
        try:
            async with asyncio.timeout(COMMIT_WITHIN.total_seconds()):
                await self.heartbeats.keep()
        except (TransientError, TimeoutError) as error:
            log.warning("heartbeats_not_kept", error=str(error)[:300])  # they are read again
            return
        if positions:
            await self.reader.commit(positions, COMMIT_WITHIN)

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        """Begin with these partitions: their runs are loaded before anything is read."""
        self._assigned, self._loaded = partitions, not partitions
        self._positions.clear()
        self._committed.clear()
        self._lag.assign(partitions)
        self._watch.assigned()
        self.reader.pause(partitions)
        log.info("heartbeat_partitions_assigned", partitions=sorted(tp.partition for tp in partitions))
