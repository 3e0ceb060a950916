"""The runner of records: what it refuses, what a look says, and that a rehearsal and a stopped process send nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from consumer.catalog import KafkaRunner, WorkflowPolicy
from consumer.errors import TransientError, WouldAct
from consumer.kafka.manual_producer import Outgoing
from consumer.model import Partition, Record
from consumer.model.call import MAY_START, NOT_PERMITTED, REHEARSED, Ambiguous, EgressRefused, NotSent, OutboundRequest
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Order,
    Payload,
    Phase,
    Rejected,
    RerunStep,
    ResumeRun,
    RunRef,
    RunState,
)
from consumer.runners.kafka.engine import KafkaRecords
from schemas.names import Effect

POLICY = WorkflowPolicy(name="orders-sink", runner="records")
WITHIN = timedelta(seconds=5)


@dataclass
class Topic:
    """One partition as a list; the broker answers unless it is told not to."""

    records: list[Record] = field(default_factory=list)
    lose: bool = False
    away: bool = False

    async def at(self, place: Partition, offset: int) -> Record | None:  # noqa: ARG002 - the port's
        if self.away:
            raise TransientError("no broker")
        return self.records[offset] if offset < len(self.records) else None

    async def find(self, place: Partition, after: int, header: tuple[str, bytes]) -> Record | None:  # noqa: ARG002 - the port's
        if self.away:
            raise TransientError("no broker")
        return next((one for one in self.records[after + 1 :] if header in one.headers), None)

    async def send(self, place: Partition, record: Outgoing) -> int:
        self.records.append(_record(place, len(self.records), record.value, record.headers, record.key))
        if self.lose:
            raise TransientError("the answer was lost")
        return len(self.records) - 1


def _record(
    place: Partition, offset: int, value: bytes, headers: tuple[tuple[str, bytes], ...], key: bytes | None = b"k"
) -> Record:
    return Record(
        topic=place.topic,
        partition=place.partition,
        offset=offset,
        timestamp_ms=1,
        key=key,
        value=value,
        headers=headers,
    )


def run(run_id: str = "orders/0/0", step: str | None = "orders") -> RunRef:
    return RunRef(org_id="o", workflow_name="orders-sink", run_id=run_id, step=step)


def order(**changes: str) -> RerunStep:
    return RerunStep(run=run(**changes), payload=Payload(document={"amount": 42}))


@pytest.fixture
def topic() -> Topic:
    own = (("trace", b"1"), ("__connect.errors.topic", b"x"))
    return Topic([_record(Partition("orders", 0), 0, b'{"amount": "42"}', own)])


@pytest.fixture
def engine(topic: Topic) -> KafkaRecords:
    return KafkaRecords(KafkaRunner(kind="kafka", topics=("orders", "refunds.*")), topic)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (RerunStep(run=run()), "mended"),
        (ResumeRun(run=run()), "mended"),
        (order(run_id="orders"), "place of a record"),
        (order(run_id="orders/0/-1"), "place of a record"),
        (order(run_id="orders/0/0", step="other"), "place of a record"),
        (order(run_id="payments/0/0", step="payments"), "topics"),
    ],
    ids=repr,
)
async def test_what_is_no_mended_record_of_a_declared_topic_is_refused(
    engine: KafkaRecords, topic: Topic, asked: Order, why: str
) -> None:
    assert why in (engine.refusal(asked, POLICY) or "")
    assert isinstance(await engine.give(asked, POLICY, key="k", within=WITHIN), EgressRefused)
    assert len(topic.records) == 1


async def test_a_record_goes_back_with_its_own_key_and_headers_and_is_seen_there(
    engine: KafkaRecords, topic: Topic
) -> None:
    assert engine.refusal(order(), POLICY) is None
    assert engine.effect(order()) is Effect.CONDITIONAL
    before = await engine.look(run(), POLICY, within=WITHIN)
    assert isinstance(before, RunState)
    assert before.phase is Phase.FAILED
    given = await engine.give(order(), POLICY, key="k", within=WITHIN)
    assert isinstance(given, Accepted)
    assert given.run.run_id == "orders/0/0+1"
    assert topic.records[1].headers == (("trace", b"1"), ("shw-sent-back", b"orders/0/0"))
    assert (topic.records[1].key, topic.records[1].value) == (b"k", b'{"amount":42}')
    for place in (given.run, run()):
        seen = await engine.look(place, POLICY, within=WITHIN)
        assert isinstance(seen, RunState)
        assert seen.phase is Phase.SUCCEEDED


async def test_a_lost_answer_is_in_doubt_and_a_look_finds_what_was_sent(engine: KafkaRecords, topic: Topic) -> None:
    topic.lose = True
    assert isinstance(await engine.give(order(), POLICY, key="k", within=WITHIN), Ambiguous)
    seen = await engine.look(run(), POLICY, within=WITHIN)
    assert isinstance(seen, RunState)
    assert seen.phase is Phase.SUCCEEDED


async def test_a_record_that_is_gone_and_a_broker_that_is_away(engine: KafkaRecords, topic: Topic) -> None:
    gone = order(run_id="orders/0/9")
    assert isinstance(await engine.give(gone, POLICY, key="k", within=WITHIN), Rejected)
    seen = await engine.look(gone.run, POLICY, within=WITHIN)
    assert isinstance(seen, RunState)
    assert seen.phase is Phase.GONE
    assert isinstance(await engine.look(run("orders/0/0+0"), POLICY, within=WITHIN), LookFailed)
    topic.away = True
    assert isinstance(await engine.look(run(), POLICY, within=WITHIN), LookFailed)
    assert isinstance(await engine.give(order(), POLICY, key="k", within=WITHIN), NotSent)
    assert len(topic.records) == 1


@pytest.fixture
def forbidden() -> Iterator[None]:
    token = MAY_START.set(lambda: False)
    yield
    MAY_START.reset(token)


@pytest.mark.usefixtures("forbidden")
async def test_without_permission_nothing_is_sent(engine: KafkaRecords, topic: Topic) -> None:
    given = await engine.give(order(), POLICY, key="k", within=WITHIN)
    assert isinstance(given, NotSent)
    assert given.kind == NOT_PERMITTED
    assert len(topic.records) == 1


async def test_a_rehearsal_tells_what_it_would_send(engine: KafkaRecords, topic: Topic) -> None:
    told: list[OutboundRequest] = []
    token = REHEARSED.set(told.append)
    try:
        with pytest.raises(WouldAct):
            await engine.give(order(), POLICY, key="k", within=WITHIN)
    finally:
        REHEARSED.reset(token)
    assert [one.body for one in told] == [b'{"amount":42}']
    assert len(topic.records) == 1


async def test_without_kafka_it_plans_only() -> None:
    engine = KafkaRecords(KafkaRunner(kind="kafka", topics=("orders",)), None)
    assert engine.refusal(order(), POLICY) is None
    assert isinstance(await engine.look(run(), POLICY, within=WITHIN), LookFailed)
    assert isinstance(await engine.give(order(), POLICY, key="k", within=WITHIN), EgressRefused)
