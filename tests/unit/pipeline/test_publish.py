"""The publisher: first publications of one failure keep their order, wherever a batch of them ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from consumer.kafka.writer import Sent
from consumer.metrics import Metrics
from consumer.model import FailureId, Message, OwnerId
from consumer.model.message import message_size
from consumer.pipeline.publish import MAX_QUEUED, Publisher
from consumer.pipeline.topic_queue import BATCH, BATCH_BYTES
from consumer.results.events import Outlet
from tests.support.patience import PATIENCE
from tests.support.pipeline import until

OUTLET = Outlet(results_topic="results", dlq_topic="letters", max_bytes=900_000)


class Broker:
    """Says to each message what a test scripts for it, and remembers what it was sent."""

    def __init__(self, refused: frozenset[UUID] = frozenset(), most: int = 900_000) -> None:
        self.refused = refused
        self.away: set[str] = set()
        self.stuck: dict[str, asyncio.Event] = {}
        self.unfit: set[UUID] = set()
        self.sent: list[list[Message]] = []
        self.apart: list[list[Message]] = []
        self._most = most
        self._limit = 900_000

    def limit(self, topic: str) -> int:  # noqa: ARG002 - the Protocol's
        return self._limit

    async def send(self, messages: Sequence[Message], *, apart: bool = False) -> list[Sent]:
        (self.apart if apart else self.sent).append(list(messages))
        if (stuck := self.stuck.get(messages[0].topic)) is not None:
            await stuck.wait()
        said = [self._said_to(message) for message in messages]
        if Sent.TOO_LARGE in said:
            self._limit //= 2
        # The broker refuses a batch as a whole.
        return [Sent.REFUSED if Sent.REFUSED in said else one for one in said]

    def _said_to(self, message: Message) -> Sent:
        if message.id in self.unfit:
            return Sent.REFUSED
        if message.id in self.refused or message.topic in self.away:
            return Sent.FAILED
        return Sent.ACKED if message_size(message) <= self._most else Sent.TOO_LARGE


class Outbox:
    """What the sweeper finds, in the place of the table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *messages: Message) -> None:
        self.rows = {message.id: message for message in messages}
        monkeypatch.setattr("consumer.pipeline.publish.left_over", self.left_over)
        monkeypatch.setattr("consumer.pipeline.publish.forget", self.forget)

    async def left_over(
        self, _pool: object, *owners_and_age: object, topic: str | None, besides: Sequence[str]
    ) -> list[Message]:
        limit = owners_and_age[-1]
        assert isinstance(limit, int)
        found = [m for m in self.rows.values() if (topic is None or m.topic == topic) and m.topic not in besides]
        return found[:limit]

    async def forget(self, _pool: object, ids: Sequence[UUID]) -> None:
        for one in ids:
            del self.rows[one]


def publisher_to(broker: Broker) -> tuple[Publisher, CollectorRegistry]:
    registry = CollectorRegistry()
    return Publisher(cast("Any", None), OwnerId("me"), broker, Metrics(registry), OUTLET), registry


def message(failure_id: FailureId | None, rank: int = 0, topic: str = "results", body: bytes = b"{}") -> Message:
    return Message(id=uuid4(), failure_id=failure_id, step=0, rank=rank, topic=topic, key=b"", headers=(), body=body)


async def published(messages: Sequence[Message], broker: Broker) -> Publisher:
    publisher, _ = publisher_to(broker)
    publisher.offer(messages)
    publisher.close()
    await asyncio.wait_for(publisher.run(), PATIENCE)
    return publisher


async def test_a_status_is_not_sent_before_its_attempt_though_a_batch_would_end_between_them() -> None:
    others = [message(FailureId(uuid4())) for _ in range(BATCH - 1)]
    failure = FailureId(uuid4())
    attempt, status, after = message(failure), message(failure, rank=1), message(FailureId(uuid4()))
    broker = Broker(refused=frozenset({attempt.id}))
    publisher = await published([*others, attempt, status, after], broker)
    sent = {one.id for batch in broker.sent for one in batch}
    assert attempt.id in sent
    assert status.id not in sent
    assert {one.id for one in others} | {after.id} == set(publisher.take_acked())


async def test_what_belongs_to_no_failure_is_sent_in_batches_all_the_same() -> None:
    broker = Broker()
    await published([message(None) for _ in range(2 * BATCH + 1)], broker)
    assert [len(batch) for batch in broker.sent] == [BATCH, BATCH, 1]


async def test_a_publisher_that_leaves_messages_to_the_sweeper_says_so_once_until_it_has_caught_up() -> None:
    broker = Broker()
    publisher, _ = publisher_to(broker)
    with capture_logs() as logs:
        for _ in range(2):
            publisher.offer([message(None) for _ in range(MAX_QUEUED)])
            for _ in range(3):
                publisher.offer([message(None)])
            publisher.close()
            await asyncio.wait_for(publisher.run(), PATIENCE)
    assert [entry["event"] for entry in logs] == ["publisher_behind"] * 2
    assert sum(map(len, broker.sent)) == 2 * MAX_QUEUED


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        publisher.close()
        await asyncio.wait_for(task, PATIENCE)


async def test_a_topic_whose_send_is_under_way_for_long_holds_up_no_other_topic() -> None:
    broker = Broker()
    broker.stuck["letters"] = asyncio.Event()
    publisher, _ = publisher_to(broker)
    letter, results = message(None, topic="letters"), [message(FailureId(uuid4())) for _ in range(3)]
    async with running(publisher):
        publisher.offer([letter])
        acked: list[UUID] = []
        for one in results:
            publisher.offer([one])
            await until(lambda: _has_acked(publisher, acked, len(acked) + 1))
        assert acked == [one.id for one in results]
        broker.stuck["letters"].set()
    assert publisher.take_acked() == [letter.id]


async def _has_acked(publisher: Publisher, acked: list[UUID], count: int) -> bool:
    acked += publisher.take_acked()
    return len(acked) >= count


async def test_what_a_topic_did_not_take_goes_first_once_it_takes_messages_again() -> None:
    broker = Broker()
    broker.away.add("results")
    publisher, registry = publisher_to(broker)
    failure = FailureId(uuid4())
    first, status, later = message(failure), message(failure, rank=1), message(FailureId(uuid4()))
    async with running(publisher):
        publisher.offer([first, status])
        await until(lambda: _backs_off(registry, 1))
        publisher.offer([later])
        broker.away.clear()
        acked: list[UUID] = []
        await until(lambda: _has_acked(publisher, acked, 3))
        await until(lambda: _backs_off(registry, 0))
    assert acked.index(first.id) < acked.index(status.id)
    assert [one.id for one in broker.sent[0]] == [first.id], "its status waits for it"


async def _backs_off(registry: CollectorRegistry, value: int) -> bool:
    return registry.get_sample_value("shw_publish_back_off", {"topic": "results"}) == value


async def test_a_stop_does_not_wait_for_a_topic_that_takes_nothing() -> None:
    broker = Broker()
    broker.away.add("letters")
    publisher, _ = publisher_to(broker)
    result = message(FailureId(uuid4()))
    publisher.offer([message(None, topic="letters"), result])
    publisher.close()
    await asyncio.wait_for(publisher.run(), PATIENCE)
    assert publisher.take_acked() == [result.id]


async def test_what_is_on_its_direct_way_is_not_swept_nor_what_follows_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    publisher, _ = publisher_to(broker)
    failure = FailureId(uuid4())
    waiting, follows, left = message(failure), message(failure, rank=1), message(FailureId(uuid4()))
    outbox = Outbox(monkeypatch, waiting, follows, left)
    publisher.offer([waiting])
    assert await publisher.sweep_once() == 1
    assert [[one.id for one in batch] for batch in broker.apart] == [[left.id]]
    assert set(outbox.rows) == {waiting.id, follows.id}


async def test_a_message_that_its_topic_refuses_is_put_off_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    publisher, registry = publisher_to(broker)
    failure = FailureId(uuid4())
    bad, follows, good = message(failure), message(failure, rank=1), [message(FailureId(uuid4())) for _ in range(3)]
    outbox = Outbox(monkeypatch, bad, follows, *good)
    broker.unfit.add(bad.id)
    with capture_logs() as logs:
        await publisher.sweep_once()
        assert set(outbox.rows) == {bad.id, follows.id}
        sends = len(broker.apart)
        assert await publisher.sweep_once() == 0
    assert len(broker.apart) == sends, "it is not tried with each sweep"
    assert registry.get_sample_value("shw_messages_put_off") == 1
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["message_refused"]


async def test_a_topic_that_takes_nothing_is_swept_by_a_probe_and_fills_no_others_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker()
    broker.away.add("letters")
    publisher, _ = publisher_to(broker)
    letters = [message(None, topic="letters") for _ in range(2 * BATCH)]
    result, former = message(FailureId(uuid4())), message(None, topic="a name of long ago")
    outbox = Outbox(monkeypatch, *letters, result, former)
    await publisher.sweep_once()
    assert set(outbox.rows) == {letter.id for letter in letters}
    sends = len(broker.apart)
    await publisher.sweep_once()
    assert len(broker.apart) == sends, "it rests"


async def test_messages_above_a_limit_that_sinks_are_cut_and_the_others_are_sent_as_they_are() -> None:
    broker = Broker(most=8000)
    publisher, _ = publisher_to(broker)
    large, small = message(None, topic="letters", body=b"x" * 100_000), message(None, topic="letters")
    publisher.offer([large, small])
    publisher.close()
    await asyncio.wait_for(publisher.run(), PATIENCE)
    assert set(publisher.take_acked()) == {large.id, small.id}
    (last,) = broker.sent[-1]
    assert (last.id, message_size(last) <= 8000) == (large.id, True)
    assert sum(one.id == small.id for batch in broker.sent for one in batch) == 1


async def test_a_message_that_cannot_be_cut_far_enough_is_not_handed_to_the_client() -> None:
    broker = Broker()
    broker._limit = 10  # noqa: SLF001 - a test's own
    publisher, _ = publisher_to(broker)
    publisher.offer([message(FailureId(uuid4()))])
    publisher.close()
    await asyncio.wait_for(publisher.run(), PATIENCE)
    assert broker.sent == publisher.take_acked() == []


async def test_a_send_has_no_more_bytes_than_a_slow_broker_takes_in_time() -> None:
    broker = Broker()
    await published([message(None, body=bytes(800_000)) for _ in range(40)], broker)
    assert sum(map(len, broker.sent)) == 40
    assert max(sum(map(message_size, batch)) for batch in broker.sent) < BATCH_BYTES + 900_000


async def test_what_a_stop_interrupts_in_being_deleted_from_the_outbox_is_deleted_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = message(None)
    outbox, begun = Outbox(monkeypatch, told), asyncio.Event()

    async def slowly_at_first(pool: object, ids: Sequence[UUID]) -> None:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()  # a disk that hangs for longer than the stop waits
        await outbox.forget(pool, ids)

    monkeypatch.setattr("consumer.pipeline.publish.forget", slowly_at_first)
    monkeypatch.setattr("consumer.pipeline.publish.LAST_SWEEP", timedelta(milliseconds=10))
    publisher = await published([told], Broker())
    stop = asyncio.Event()
    sweeping = asyncio.create_task(publisher.sweep(stop, timedelta(minutes=1)))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    stop.set()
    await asyncio.wait_for(sweeping, PATIENCE)
    assert not outbox.rows
