"""Intake source: prefetches batches from Kafka, hands each on once, and commits durable offsets. Knows no failures."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import Final, Generic, Protocol, TypeVar

import structlog

from consumer.errors import TransientError
from consumer.event_loop import wait_for_event
from consumer.ingest.lag import Lag
from consumer.ingest.liveness import MemberLiveness
from consumer.ingest.offsets import Epochs, ReadRange
from consumer.ingest.slow_spans import SlowSpans
from consumer.ingest.splitting import PollBatch, split_poll
from consumer.kafka.group import group_answers
from consumer.kafka.polls import NOTHING, Polled
from consumer.kafka.reader import Listener, Reader, open_reader
from consumer.metrics import LoopPhase, Metrics, PauseReason, RebuiltClient
from consumer.model import Partition, Record
from consumer.settings import IntakeSettings, KafkaSettings

log = structlog.get_logger(__name__)

BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")

COMMIT_WITHIN: Final = timedelta(seconds=5)
COMMIT_AGAIN: Final = timedelta(seconds=2)
"""Retry interval for offsets that the group did not take."""
HELD_UP_AFTER: Final = 1.0
"""Back-pressure: seconds that a read batch waits for its turn before intake pauses."""
READ_AHEAD: Final = 2
"""Prefetch limit: batches decoded while the database works on another; keeps both busy, and leaves little to reread."""


class BatchStage(Protocol[BatchT]):
    """The pipeline stage that the source feeds with batches."""

    def is_slow(self, record: Record) -> bool:
        """Return whether reading a record may take long."""
        ...

    async def read(self, records: Sequence[Record]) -> BatchT:
        """Decode and plan records; waits only for slow ones, and raises nothing for a record's sake."""
        ...

    def join(self, first: BatchT, more: BatchT) -> BatchT:
        """Merge two batches into one, in their order."""
        ...

    async def take(self, batch: BatchT) -> None:
        """Make a batch durable; returns only when it is."""
        ...


class IntakeGate(Protocol):
    """Admission control: limits how much may be read."""

    def may_read(self) -> int | None:
        """Return how many records the next poll may return: None for as many as usual, 0 for none."""
        ...

    def took(self, records: int) -> None:
        """Record how many records an unpaused poll returned."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span(Generic[BatchT]):
    batch: BatchT
    ranges: Sequence[ReadRange]
    """What is durable, or a part of it, once the batch is."""
    rows: int
    size: int
    """Bytes of the records' values."""


class KafkaSource(Generic[BatchT]):
    """One member of the group, from its first poll to its last commit."""

    def __init__(
        self,
        *,
        kafka: KafkaSettings,
        intake: IntakeSettings,
        drain: timedelta,
        stage: BatchStage[BatchT],
        full: Callable[[], PauseReason | None],
        metrics: Metrics,
        valve: IntakeGate,
    ) -> None:
        self._kafka = kafka
        self._intake = intake
        self._drain = drain
        self._stage = stage
        self._full = full
        self._valve = valve
        self._metrics = metrics
        self._epochs = Epochs()
        self._queue: asyncio.Queue[_Span[BatchT] | None] = asyncio.Queue(READ_AHEAD)
        self._carry_over: _Span[BatchT] | None = None
        """Read, and too large to be merged into the batch before it."""
        self._slow: SlowSpans[_Span[BatchT]] = SlowSpans()
        self._held: frozenset[Partition] = frozenset()
        """Partitions that wait for a slow batch."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._may_take = asyncio.Event()
        self._may_take.set()
        self._to_commit = asyncio.Event()
        self._paused: PauseReason | None = None
        self._lag = Lag()
        self.watch = MemberLiveness(metrics, self._lag, lambda: group_answers(kafka))
        """Measures this member's lag, and whether it stands still."""

    @property
    def unassigned_for(self) -> timedelta:
        """How long the group has assigned no partitions to this member, while Kafka answers others."""
        return self.watch.ages()["unassigned"]

    @property
    def lag(self) -> Lag:
        """The records of its partitions that are not durable yet."""
        return self._lag

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Reader]:
        """Join the consumer group; leaves it at the end."""
        count = self._metrics.rebuilds[RebuiltClient.MEMBER].inc
        listener = Listener(revoked=self._on_revoked, assigned=self._on_assigned, rebuilt=count)
        async with open_reader(self._kafka, self._intake, listener) as reader:
            self._reader = reader
            yield reader

    async def read_until(self, stop: asyncio.Event) -> None:
        """Poll until stopped; then let `take_all` end."""
        waiting: deque[_Span[BatchT]] = deque()
        try:
            await self._read_until(stop, waiting)
        finally:
            await self._slow.stop()
        # The batches that still wait are not durable, and are delivered again.
        await self._queue.put(None)

    async def _read_until(self, stop: asyncio.Event, waiting: deque[_Span[BatchT]]) -> None:
        while not stop.is_set():
            # Under back-pressure from the database the loop polls all the same, paused: the group takes a member that
            # does not poll for dead. A rebalance may unpause partitions under the poll, so its records are kept.
            waiting.extend(self._slow.ended())
            self._hold_partitions()
            self._pause_or_resume(held_up=bool(waiting))
            phase = LoopPhase.PAUSED if self._paused else LoopPhase.POLL
            found = await self._measure(phase, self._poll(self._valve.may_read() or self._intake.max_rows))
            if not self._paused:
                self._valve.took(sum(map(len, found.records.values())))
            # Stamped before anything is awaited: a rebalance in between must not give them the next epoch.
            for batch in self._stamp(found):
                if batch.is_slow:
                    self._slow.begin(self._span(batch), batch.partitions, batch.size)
                else:
                    waiting.append(await self._measure(LoopPhase.DECODE, self._span(batch)))
            self._slow.polled((partition, len(records)) for partition, records in found.records.items())
            self.watch.being_read = self._slow.partitions
            while waiting and await self._enqueue(waiting[0]):
                waiting.popleft()

    async def watch_until(self, stop: asyncio.Event) -> None:
        """Measure this member's lag and liveness once a second, until stopped."""
        await self.watch.look_until(stop, self._reader)

    async def take_all(self) -> None:
        """Make the read batches durable, one at a time, until the reading has ended."""
        while (span := await self._measure(LoopPhase.STARVED, self._next_span())) is not None:
            await self._may_take.wait()
            if not self._is_current(span):
                continue
            span = self._merge_queued(span)
            self._idle.clear()
            try:
                if span.rows:
                    await self._stage.take(span.batch)
                for one in span.ranges:
                    if (end := self._epochs.durable(one)) is not None:
                        self._lag.stored(one.partition, end)
            finally:
                self._idle.set()
            self._to_commit.set()
        await self.commit()

    async def _next_span(self) -> _Span[BatchT] | None:
        left, self._carry_over = self._carry_over, None
        return left if left is not None else await self._queue.get()

    def _merge_queued(self, span: _Span[BatchT]) -> _Span[BatchT]:
        """Merge batches read while the database was busy, so that transactions do not grow with the number of polls."""
        while self._carry_over is None and not self._queue.empty():
            more = self._queue.get_nowait()
            if more is None:
                self._queue.put_nowait(None)
                break
            if not self._is_current(more):
                continue
            rows, size = span.rows + more.rows, span.size + more.size
            if rows > self._intake.max_rows or size > self._intake.max_bytes:
                self._carry_over = more
                break
            batch = self._stage.join(span.batch, more.batch)
            span = _Span(batch=batch, ranges=(*span.ranges, *more.ranges), rows=rows, size=size)
        return span

    def _is_current(self, span: _Span[BatchT]) -> bool:
        # Records read under an assignment that is gone are not made durable: they are delivered again, to the member
        # that has the partitions now.
        return all(map(self._epochs.is_current, span.ranges))

    async def commit_until(self, stop: asyncio.Event) -> None:
        """Commit offsets as soon as they are durable, until stopped."""
        while not stop.is_set():
            await wait_for_event(self._to_commit, COMMIT_AGAIN)  # or retry what the group did not take the last time
            self._to_commit.clear()
            await self.commit()

    def end_commits(self) -> None:
        """Wake `commit_until` so that it sees the stop."""
        self._to_commit.set()

    async def commit(self) -> None:
        """Commit now; offsets that the group does not take go with the next batch, or are delivered again."""
        offsets = self._epochs.to_commit()
        if not offsets:
            return
        taken: bool = await self._measure(LoopPhase.COMMIT, self._reader.commit(offsets, COMMIT_WITHIN))
        self.watch.refused = not taken and bool(self._epochs.to_commit())
        if taken:
            self._epochs.committed(offsets)

    async def _poll(self, max_records: int) -> Polled:
        try:
            return await self._reader.poll(max_records=max_records, wait=self._intake.max_wait)
        except TransientError as error:
            log.warning("poll_failed", error=str(error)[:300])
            await asyncio.sleep(1)
            return NOTHING

    def _stamp(self, found: Polled) -> list[PollBatch]:
        """Split a poll into batches and open their ranges; the last of a partition ends where the poll did."""
        batches = split_poll(found.records, self._intake.max_bytes, self._stage.is_slow)
        if found.positions and not batches:
            batches = [PollBatch()]
        ranges = sorted({one for batch in batches for one in batch.ranges}, key=attrgetter("end"))
        last = {one.partition: one for one in ranges}
        for partition, position in found.positions.items():
            if (one := last.get(partition)) is None:
                # A position that moved without a record.
                one = ReadRange(partition=partition, end=position)
                batches[-1].add_range(one)
                ranges.append(one)
            one.end = position
        for one in ranges:
            self._epochs.read(one)
        for partition, many in found.records.items():
            self._lag.read(partition, _offset_and_time(many[0]), _offset_and_time(many[-1]))
        return batches

    async def _span(self, batch: PollBatch) -> _Span[BatchT]:
        read = await self._stage.read(batch.records)
        return _Span(batch=read, ranges=batch.ranges, rows=len(batch.records), size=batch.size)

    async def _enqueue(self, span: _Span[BatchT]) -> bool:
        with self._metrics.timed(LoopPhase.HAND_OVER):
            try:
                async with asyncio.timeout(HELD_UP_AFTER):
                    await self._queue.put(span)
            except TimeoutError:
                return False
            return True

    def _pause_or_resume(self, *, held_up: bool) -> None:
        pause = self._reason_to_pause(held_up=held_up)
        if pause is not self._paused:
            for reason in PauseReason:
                self._metrics.intake_paused[reason].set(reason is pause)
        if pause and not self._paused:
            log.warning("intake_paused", reason=pause)
            self._reader.pause(self._reader.assignment())
        elif self._paused and not pause:
            log.info("intake_resumed", reason=self._paused)
            self._reader.resume(self._reader.assignment() - self._held)
        self._paused = pause
        self.watch.paused = pause

    def _hold_partitions(self) -> None:
        """Pause the partitions that wait for a slow batch, and resume those that do not any more."""
        before, self._held = self._held, self._slow.held
        if self._held:
            self._reader.pause(self._held & self._reader.assignment())  # each time: a rebalance unpauses
        if before and not self._paused:
            self._reader.resume((before - self._held) & self._reader.assignment())

    def _reason_to_pause(self, *, held_up: bool) -> PauseReason | None:
        if held_up:
            return PauseReason.DATABASE
        if self._slow.is_full:
            return PauseReason.LARGE_RECORDS
        return PauseReason.DEAD_LETTERS if self._valve.may_read() == 0 else self._full()

    async def _on_revoked(self, partitions: frozenset[Partition]) -> None:
        """Drain the one transaction under way, commit, and drop the rest: it is delivered again."""
        self._may_take.clear()
        with self._metrics.timed(LoopPhase.DRAIN):
            try:
                async with asyncio.timeout(self._drain.total_seconds()):
                    await self._idle.wait()
                    await self.commit()
            except TimeoutError:
                log.warning("drain_timed_out", seconds=self._drain.total_seconds())
        self._epochs.revoke()
        self._lag.assign(())
        for partition in partitions:
            self._metrics.forget_partition(partition.partition)

    async def _on_assigned(self, partitions: frozenset[Partition]) -> None:
        self._epochs.assign(partitions)
        self._lag.assign(partitions)
        self.watch.assigned()
        self._metrics.rebalances.inc()
        self._may_take.set()
        if self._paused:
            # Newly assigned partitions are paused like the rest, or each rebalance would let a batch through.
            self._reader.pause(partitions)
        log.info("partitions_assigned", partitions=sorted(tp.partition for tp in partitions))

    async def _measure(self, phase: LoopPhase, work: Awaitable[ResultT]) -> ResultT:
        with self._metrics.timed(phase):
            return await work


def _offset_and_time(record: Record) -> tuple[int, float]:
    # A record of an old client may have no timestamp.
    return record.offset, record.timestamp_ms / 1000 if record.timestamp_ms > 0 else time.time()
