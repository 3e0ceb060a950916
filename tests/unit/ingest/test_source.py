"""What a poll gives while the database holds intake up is neither dropped nor passed over by a commit."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from consumer.ingest import source as source_module
from consumer.ingest.offsets import Epochs, ReadRange
from consumer.ingest.source import KafkaSource
from consumer.kafka.polls import NOTHING, Polled
from consumer.kafka.reader import Listener
from consumer.metrics import Metrics, PauseReason
from consumer.model import Partition, Record
from consumer.settings import IntakeSettings, KafkaSettings
from tests.support.patience import PATIENCE

HERE = Partition("workflow.failures", 0)


def record(offset: int) -> Record:
    return Record(topic=HERE.topic, partition=0, offset=offset, timestamp_ms=0, key=None, value=b"{}", headers=())


class Reading:
    """A reader whose every poll gives one more record, paused or not: as after a rebalance that unpaused it."""

    def __init__(self, records: int) -> None:
        self.left = [record(offset) for offset in range(records)]
        self.polls: list[Polled] = []
        """Given before what is left."""
        self.paused = 0
        self.committed: dict[Partition, int] = {}

    async def poll(self, *, max_records: int, wait: timedelta) -> Polled:  # noqa: ARG002
        await asyncio.sleep(0)
        if self.polls:
            return self.polls.pop(0)
        if not self.left:
            return NOTHING
        one = self.left.pop(0)
        return Polled(records={HERE: [one]}, positions={HERE: one.offset + 1})

    async def commit(self, offsets: Mapping[Partition, int], within: timedelta) -> bool:  # noqa: ARG002
        self.committed |= offsets
        return True

    def assignment(self) -> frozenset[Partition]:
        return frozenset((HERE,))

    def pause(self, partitions: Iterable[Partition]) -> None:  # noqa: ARG002
        self.paused += 1

    def resume(self, partitions: Iterable[Partition]) -> None: ...


class Held:
    """A stage whose database does not answer until it is let go."""

    def __init__(self, slow: frozenset[int] = frozenset()) -> None:
        self.answers = asyncio.Event()
        self.taken: list[int] = []
        self.batches: list[int] = []
        self.slow = slow
        self.slow_is_read = asyncio.Event()

    def is_slow(self, record: Record) -> bool:
        return record.offset in self.slow

    async def read(self, records: Sequence[Record]) -> list[int]:
        if any(map(self.is_slow, records)):
            await self.slow_is_read.wait()
        return [one.offset for one in records]

    def join(self, first: list[int], more: list[int]) -> list[int]:
        return first + more

    async def take(self, batch: list[int]) -> None:
        await self.answers.wait()
        self.taken += batch
        self.batches.append(len(batch))


async def eventually(condition: Any) -> None:  # noqa: ANN401 - any callable
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


class Open:
    """A valve that lets everything through."""

    def may_read(self) -> int | None:
        return None

    def took(self, records: int) -> None:
        pass


@asynccontextmanager
async def held_up(
    monkeypatch: pytest.MonkeyPatch, reader: Reading, stage: Held, max_bytes: int = 8 * 1024 * 1024
) -> AsyncIterator[tuple[Listener, asyncio.Event, "asyncio.Future[tuple[None, None]]"]]:
    """Run a source until everything is polled and nothing durable."""
    async with running(monkeypatch, reader, stage, max_bytes) as (_, listener, stop, loops):
        await eventually(lambda: not reader.left)
        yield listener, stop, loops


@asynccontextmanager
async def running(
    monkeypatch: pytest.MonkeyPatch, reader: Reading, stage: Held, max_bytes: int = 8 * 1024 * 1024
) -> AsyncIterator[tuple[KafkaSource[list[int]], Listener, asyncio.Event, "asyncio.Future[tuple[None, None]]"]]:
    listeners: list[Listener] = []

    @asynccontextmanager
    async def opened(_kafka: KafkaSettings, _intake: IntakeSettings, listener: Listener) -> AsyncIterator[Reading]:
        listeners.append(listener)
        yield reader

    monkeypatch.setattr(source_module, "open_reader", opened)
    monkeypatch.setattr(source_module, "HELD_UP_AFTER", 0.01)
    source: KafkaSource[list[int]] = KafkaSource(
        kafka=KafkaSettings(),
        intake=IntakeSettings(max_bytes=max_bytes),
        drain=timedelta(seconds=0.05),
        stage=stage,
        full=lambda: None,
        metrics=Metrics(CollectorRegistry()),
        valve=Open(),
    )
    stop = asyncio.Event()
    async with source.open():
        await listeners[0].assigned(frozenset((HERE,)))
        loops = asyncio.gather(source.read_until(stop), source.take_all())
        yield source, listeners[0], stop, loops


async def test_a_partition_whose_slow_batch_is_being_read_is_known_not_to_stand_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, stage = Reading(2), Held(slow=frozenset((0,)))
    stage.answers.set()
    async with running(monkeypatch, reader, stage) as (source, _, stop, loops):
        await eventually(lambda: source.watch.being_read == {HERE} and stage.taken == [1])
        await source.commit()
        assert reader.committed == {}, "what lies behind it is stored, and its offset waits"
        stage.slow_is_read.set()
        await eventually(lambda: stage.taken == [1, 0])
        await eventually(lambda: not source.watch.being_read)
        stop.set()
        await loops
    assert reader.committed == {HERE: 2}


async def test_a_partition_is_not_read_on_for_ever_past_what_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.ingest.slow_spans.MAX_AHEAD", 2)
    reader, stage = Reading(5), Held(slow=frozenset((0,)))
    stage.answers.set()
    async with running(monkeypatch, reader, stage) as (_, __, stop, loops):
        await eventually(lambda: reader.paused > 0)
        assert len(stage.taken) <= 4
        stage.slow_is_read.set()
        await eventually(lambda: sorted(stage.taken) == [0, 1, 2, 3, 4])
        stop.set()
        await loops
    assert reader.committed == {HERE: 5}


async def test_large_records_being_read_are_not_told_as_a_slow_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.ingest.slow_spans.MAX_BYTES", 0)
    reader, stage = Reading(2), Held(slow=frozenset((0,)))
    stage.answers.set()
    async with running(monkeypatch, reader, stage) as (source, _, stop, loops):
        await eventually(lambda: source.watch.paused is PauseReason.LARGE_RECORDS)
        stage.slow_is_read.set()
        await eventually(lambda: sorted(stage.taken) == [0, 1] and source.watch.paused is None)
        stop.set()
        await loops


async def test_what_is_polled_while_intake_is_held_up_is_taken_later(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, stage = Reading(8), Held()
    async with held_up(monkeypatch, reader, stage) as (_, stop, loops):
        assert reader.paused > 0
        assert stage.taken == []
        stage.answers.set()
        await eventually(lambda: len(stage.taken) == 8)
        stop.set()
        await loops
    assert stage.taken == list(range(8))
    assert len(stage.batches) < 8, "what waited for the database goes into it in one transaction"
    assert reader.committed == {HERE: 8}


async def test_what_was_read_before_a_rebalance_commits_nothing_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, stage = Reading(8), Held()
    async with held_up(monkeypatch, reader, stage) as (listener, stop, loops):
        await listener.revoked(frozenset((HERE,)))
        await listener.assigned(frozenset((HERE,)))
        reader.left = [record(0)]
        stage.answers.set()
        await eventually(lambda: stage.taken == [0, 0])
        stop.set()
        await loops
    assert reader.committed == {HERE: 1}


def at(*offsets: int, ends: int) -> Polled:
    return Polled(records={HERE: [record(offset) for offset in offsets]} if offsets else {}, positions={HERE: ends})


async def test_where_a_poll_ended_is_committed_and_not_its_last_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the last record lies a transaction's marker, or what compaction left out."""
    reader, stage = Reading(0), Held()
    stage.answers.set()
    reader.polls = [at(0, 1, ends=7)]
    async with held_up(monkeypatch, reader, stage) as (_, stop, loops):
        await eventually(lambda: stage.taken == [0, 1])
        stop.set()
        await loops
    assert reader.committed == {HERE: 7}


async def test_a_poll_that_gave_nothing_and_moved_is_committed_once_what_came_before_it_is_durable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, stage = Reading(0), Held()
    reader.polls = [at(0, ends=1), at(ends=9)]
    async with held_up(monkeypatch, reader, stage) as (_, stop, loops):
        await eventually(lambda: not reader.polls)
        for _ in range(20):
            await asyncio.sleep(0)
        assert reader.committed == {}
        stage.answers.set()
        await eventually(lambda: stage.taken == [0])
        stop.set()
        await loops
    assert reader.committed == {HERE: 9}
    assert stage.batches == [1], "for what gave nothing the database is not asked"


async def test_a_poll_that_is_cut_is_committed_once_its_last_part_is_durable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heavy = [
        Record(topic=HERE.topic, partition=0, offset=n, timestamp_ms=0, key=None, value=b"x" * 50_000, headers=())
        for n in range(3)
    ]
    reader = Reading(0)
    reader.polls = [Polled(records={HERE: heavy}, positions={HERE: 9})]
    stage = Held()
    stage.answers.set()
    durable: list[int | None] = []
    noted = Epochs.durable

    def note(self: Epochs, one: ReadRange) -> int | None:
        durable.append(noted(self, one))
        return durable[-1]

    monkeypatch.setattr(Epochs, "durable", note)
    async with held_up(monkeypatch, reader, stage, max_bytes=65_536) as (_, stop, loops):
        await eventually(lambda: stage.taken == [0, 1, 2])
        stop.set()
        await loops
    assert durable == [None, None, 9]
    assert reader.committed == {HERE: 9}
