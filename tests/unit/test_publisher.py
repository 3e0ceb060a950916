"""The publisher: first publications of one failure keep their order, wherever a batch of them ends."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from consumer.kafka.writer import Sent
from consumer.metrics import Metrics
from consumer.model import FailureId, Message, OwnerId
from consumer.publish import BATCH, IN_MEMORY, Publisher
from consumer.results import Outlet

OUTLET = Outlet(results_topic="results", dlq_topic="letters", max_bytes=900_000)


class Broker:
    """Refuses some messages, and remembers what it was sent."""

    def __init__(self, refused: frozenset[UUID] = frozenset()) -> None:
        self.refused = refused
        self.sent: list[list[Message]] = []

    def limit(self, topic: str) -> int:  # noqa: ARG002 - the Protocol's
        return 900_000

    async def send(self, messages: Sequence[Message], *, apart: bool = False) -> list[Sent]:  # noqa: ARG002
        self.sent.append(list(messages))
        return [Sent.FAILED if message.id in self.refused else Sent.ACKED for message in messages]


def message(failure_id: FailureId | None, rank: int = 0) -> Message:
    return Message(
        id=uuid4(), failure_id=failure_id, step=0, rank=rank, topic="results", key=b"", headers=(), body=b"{}"
    )


async def published(messages: Sequence[Message], broker: Broker) -> Publisher:
    publisher = Publisher(cast("Any", None), OwnerId("me"), broker, Metrics(CollectorRegistry()), OUTLET)
    publisher.offer(messages)
    publisher.close()
    await asyncio.wait_for(publisher.run(), 10)
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
    publisher = Publisher(cast("Any", None), OwnerId("me"), broker, Metrics(CollectorRegistry()), OUTLET)
    with capture_logs() as logs:
        for _ in range(2):
            publisher.offer([message(None) for _ in range(IN_MEMORY)])
            for _ in range(3):
                publisher.offer([message(None)])
            publisher.close()
            await asyncio.wait_for(publisher.run(), 10)
    assert [entry["event"] for entry in logs] == ["publisher_behind"] * 2
    assert sum(map(len, broker.sent)) == 2 * IN_MEMORY
