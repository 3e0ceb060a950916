"""Kafka to durable: reads ahead by one batch, hands each on once, and commits what is durable. Knows no failures."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, Protocol, TypeVar

import structlog

from consumer.errors import TransientError
from consumer.ingest.epochs import Epoch, Epochs
from consumer.kafka.reader import Listener, Reader, open_reader
from consumer.metrics import LoopPhase, Metrics
from consumer.model import Partition, Record
from consumer.settings import IntakeSettings, KafkaSettings

log = structlog.get_logger(__name__)

BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")

COMMIT_WITHIN: Final = timedelta(seconds=5)
COMMIT_AGAIN: Final = 2.0
"""Seconds after which offsets that the group did not take are sent again."""
HELD_UP_AFTER: Final = 1.0
"""Seconds that a read batch waits for its turn before intake pauses."""
READ_AHEAD: Final = 2
"""Batches decoded while the database works on another: enough to keep both busy, and little to read twice."""


class Stage(Protocol[BatchT]):
    """What the source feeds."""

    def read(self, records: Sequence[Record]) -> BatchT:
        """Decode and plan; quick, and raises nothing for a record's sake."""
        ...

    async def take(self, batch: BatchT) -> None:
        """Make a batch durable; returns only when it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span(Generic[BatchT]):
    batch: BatchT
    ends: Mapping[Partition, tuple[Epoch, int]]


class Source(Generic[BatchT]):
    """One member of the group, from its first poll to its last commit."""

    def __init__(
        self,
        *,
        kafka: KafkaSettings,
        intake: IntakeSettings,
        drain: timedelta,
        stage: Stage[BatchT],
        full: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        self._kafka = kafka
        self._intake = intake
        self._drain = drain
        self._stage = stage
        self._full = full
        self._metrics = metrics
        self._epochs = Epochs()
        self._queue: asyncio.Queue[_Span[BatchT] | None] = asyncio.Queue(READ_AHEAD)
        self._idle = asyncio.Event()
        self._idle.set()
        self._may_take = asyncio.Event()
        self._may_take.set()
        self._to_commit = asyncio.Event()
        self._paused = False
        self._unassigned_since: float | None = time.monotonic()
        self._lag_due = 0.0
        self._last_timestamp: dict[Partition, int] = {}

    @property
    def unassigned_for(self) -> timedelta:
        """How long the group has not told this member its part; zero when it has, be it that it has none."""
        if self._unassigned_since is None:
            return timedelta(0)
        return timedelta(seconds=time.monotonic() - self._unassigned_since)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Reader]:
        """Join the group; leave it at the end."""
        listener = Listener(revoked=self._revoked, assigned=self._assigned)
        async with open_reader(self._kafka, self._intake, listener) as reader:
            self._reader = reader
            yield reader

    async def read_until(self, stop: asyncio.Event) -> None:
        """Poll until stopped; then let `take_all` end."""
        waiting: deque[_Span[BatchT]] = deque()
        while not stop.is_set():
            # With the database holding us up we poll all the same, paused: the group takes a member that does not
            # poll for dead. A rebalance may unpause partitions under the poll, so what it gives is kept.
            self._pause_or_resume(held_up=bool(waiting))
            phase = LoopPhase.PAUSED if self._paused else LoopPhase.POLL
            found = await self._timed(phase, self._poll())
            # Stamped before anything is awaited: a rebalance in between must not lend them the next epoch.
            waiting += [self._span(records) for records in _bounded(found, self._intake.max_bytes)]
            self._observe_lag(found)
            while waiting and await self._handed_on(waiting[0]):
                waiting.popleft()
        # What still waits is not durable, and is delivered again.
        await self._queue.put(None)

    async def take_all(self) -> None:
        """Make what was read durable, one batch at a time, until the reading has ended."""
        while (span := await self._queue.get()) is not None:
            await self._may_take.wait()
            if not all(self._epochs.is_current(tp, epoch) for tp, (epoch, _) in span.ends.items()):
                # Read under an assignment that is gone. Nothing of it is durable, so it is delivered again, to
                # whoever has the partitions now.
                continue
            self._idle.clear()
            try:
                await self._timed(LoopPhase.INTAKE, self._stage.take(span.batch))
                for partition, (epoch, end) in span.ends.items():
                    self._epochs.durable(partition, epoch, end)
            finally:
                self._idle.set()
            self._to_commit.set()
        await self.commit()

    async def commit_until(self, stop: asyncio.Event) -> None:
        """Commit whatever has become durable, as soon as it has, until stopped."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(COMMIT_AGAIN):
                    await self._to_commit.wait()
            except TimeoutError:
                pass  # what the group did not take the last time
            self._to_commit.clear()
            await self.commit()

    def end_commits(self) -> None:
        """Wake `commit_until` so that it sees the stop."""
        self._to_commit.set()

    async def commit(self) -> None:
        """Commit now; what the group does not take is committed with the next batch, or delivered again."""
        offsets = self._epochs.to_commit()
        if not offsets:
            return
        taken: bool = await self._timed(LoopPhase.COMMIT, self._reader.commit(offsets, COMMIT_WITHIN))
        if taken:
            self._epochs.committed(offsets)

    async def _poll(self) -> dict[Partition, list[Record]]:
        try:
            return await self._reader.poll(max_records=self._intake.max_rows, wait=self._intake.max_wait)
        except TransientError as error:
            log.warning("poll_failed", error=str(error)[:300])
            await asyncio.sleep(1)
            return {}

    def _span(self, records: Mapping[Partition, Sequence[Record]]) -> _Span[BatchT]:
        started = time.monotonic()
        flat = [record for many in records.values() for record in many]
        ends = {tp: (self._epochs.stamp(tp) or -1, many[-1].offset + 1) for tp, many in records.items()}
        span = _Span(batch=self._stage.read(flat), ends=ends)
        self._metrics.loop_seconds[LoopPhase.DECODE].inc(time.monotonic() - started)
        return span

    async def _handed_on(self, span: _Span[BatchT]) -> bool:
        try:
            async with asyncio.timeout(HELD_UP_AFTER):
                await self._queue.put(span)
        except TimeoutError:
            return False
        return True

    def _pause_or_resume(self, *, held_up: bool) -> None:
        pause = held_up or self._full()
        if pause and not self._paused:
            log.warning("intake_paused", held_up=held_up)
            self._reader.pause(self._reader.assignment())
        elif self._paused and not pause:
            log.info("intake_resumed")
            self._reader.resume(self._reader.assignment())
        self._paused = pause

    async def _revoked(self, partitions: frozenset[Partition]) -> None:
        """Drain the one transaction under way, commit, and forget the rest: it is delivered again."""
        self._may_take.clear()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._drain.total_seconds()):
                await self._idle.wait()
                await self.commit()
        except TimeoutError:
            log.warning("drain_timed_out", seconds=self._drain.total_seconds())
        self._metrics.loop_seconds[LoopPhase.DRAIN].inc(time.monotonic() - started)
        self._epochs.revoke()
        self._unassigned_since = time.monotonic()
        for partition in partitions:
            self._metrics.forget_partition(partition.partition)

    async def _assigned(self, partitions: frozenset[Partition]) -> None:
        self._epochs.assign(partitions)
        self._unassigned_since = None
        self._last_timestamp.clear()
        self._metrics.rebalances.inc()
        self._may_take.set()
        self._paused = False
        log.info("partitions_assigned", partitions=sorted(tp.partition for tp in partitions))

    def _observe_lag(self, found: Mapping[Partition, Sequence[Record]]) -> None:
        self._last_timestamp |= {tp: many[-1].timestamp_ms for tp, many in found.items()}
        now = time.monotonic()
        if now < self._lag_due:
            return
        self._lag_due = now + 1
        oldest = 0.0
        for partition, read_to in self._positions(found).items():
            end = self._reader.end(partition)
            lag = max(0, end - read_to) if end is not None else 0
            self._metrics.consumer_lag_records[partition.partition].set(lag)
            if lag and partition in self._last_timestamp:
                oldest = max(oldest, time.time() - self._last_timestamp[partition] / 1000)
        self._metrics.consumer_lag_seconds.set(oldest)

    def _positions(self, found: Mapping[Partition, Sequence[Record]]) -> dict[Partition, int]:
        return {tp: many[-1].offset + 1 for tp, many in found.items()} or {
            tp: end for tp in self._epochs.partitions if not self._paused and (end := self._reader.end(tp)) is not None
        }

    async def _timed(self, phase: LoopPhase, work: Awaitable[ResultT]) -> ResultT:
        started = time.monotonic()
        try:
            return await work
        finally:
            self._metrics.loop_seconds[phase].inc(time.monotonic() - started)


def _bounded(found: Mapping[Partition, Sequence[Record]], max_bytes: int) -> list[dict[Partition, list[Record]]]:
    """Cut what one poll gave into batches of at most so many bytes (or of one record); order kept."""
    batches: list[dict[Partition, list[Record]]] = [{}]
    size = 0
    for partition, records in found.items():
        for record in records:
            weight = len(record.value or b"")
            if batches[-1] and size + weight > max_bytes:
                batches.append({})
                size = 0
            batches[-1].setdefault(partition, []).append(record)
            size += weight
    return [batch for batch in batches if batch]
