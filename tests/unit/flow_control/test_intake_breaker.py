"""A closed valve: nothing is read, not even by a process that does not know yet, or in a rebalance."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from consumer.flow_control.intake_breaker import IntakeBreaker
from consumer.ingest.source import KafkaSource
from consumer.kafka.polls import NOTHING, Polled
from consumer.kafka.reader import Listener
from consumer.metrics import Metrics
from consumer.model import Partition, Record
from consumer.settings import DeadLetterLimitSettings, IntakeSettings, KafkaSettings
from consumer.store.pool import Pool
from tests.support.patience import PATIENCE

HERE = Partition("workflow.failures", 0)
THERE = Partition("workflow.failures", 1)


def test_until_the_database_has_said_so_nothing_is_read() -> None:
    valve = IntakeBreaker(cast("Pool", None), DeadLetterLimitSettings(), IntakeSettings())
    assert valve.may_read() == 0
    assert valve.paused_because is not None


class Closed:
    def may_read(self) -> int | None:
        return 0

    def took(self, records: int) -> None:
        raise AssertionError(f"{records} records were read")


class Member:
    """A reader that has nothing, and remembers what was paused."""

    def __init__(self) -> None:
        self.paused: set[Partition] = set()
        self.polls = 0

    async def poll(self, *, max_records: int, wait: timedelta) -> Polled:  # noqa: ARG002
        self.polls += 1
        await asyncio.sleep(0)
        return NOTHING

    def assignment(self) -> frozenset[Partition]:
        return frozenset((HERE,))

    def pause(self, partitions: Iterable[Partition]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        raise AssertionError(f"{partitions} are read")


class Nothing:
    def is_slow(self, record: Record) -> bool:  # noqa: ARG002
        return False

    async def read(self, records: Sequence[Record]) -> None: ...

    def join(self, first: None, more: None) -> None: ...

    async def take(self, batch: None) -> None: ...


async def test_what_a_rebalance_brings_is_paused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    member, listeners = Member(), list[Listener]()

    @asynccontextmanager
    async def opened(*arguments: Any) -> AsyncIterator[Member]:  # noqa: ANN401 - as the reader's
        listeners.append(arguments[-1])
        yield member

    monkeypatch.setattr("consumer.ingest.source.open_reader", opened)
    source: KafkaSource[None] = KafkaSource(
        kafka=KafkaSettings(),
        intake=IntakeSettings(),
        drain=timedelta(seconds=1),
        stage=Nothing(),
        full=lambda: None,
        metrics=Metrics(CollectorRegistry()),
        valve=Closed(),
    )
    stop = asyncio.Event()
    async with source.open():
        await listeners[0].assigned(frozenset((HERE,)))
        reading = asyncio.create_task(source.read_until(stop))
        async with asyncio.timeout(PATIENCE):
            while member.polls < 2:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
        assert member.paused == {HERE}
        # In the middle of a poll, which would give what it brings.
        await listeners[0].assigned(frozenset((HERE, THERE)))
        assert member.paused == {HERE, THERE}
        stop.set()
        await reading
