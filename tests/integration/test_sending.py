"""G10 on the way out: one message, one topic never slows another, and what can be sent at all is sent at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumer.heal.strategy import EffectGate, Task
from consumer.kafka.manual_producer import Acknowledged, NotAcknowledged, Outgoing, open_sender
from consumer.kafka.writer import Sent, open_writer
from consumer.model import Message, NotHealed, Outcome
from consumer.ownership.clock import Clock
from consumer.settings import KafkaSettings
from schemas.dead_letter import DeadLetterHeaders, read_headers
from schemas.names import Code
from tests.support.patience import PATIENCE
from tests.support.pipeline import Read, Running, Site, event, until
from tests.support.worlds.scripted import scripted

HEAVY_KEY = 990_000
LETTERS = 50
RECORD_LIMIT = 900_000


def voice(org: UUID, name: str) -> dict[str, Any]:
    """No strategy is installed for it: it ends at once, with a result and a status."""
    return event(org, name, workflow_name=name, failure_reason="voice is silent")


def marks(letter: Read) -> DeadLetterHeaders:
    said = read_headers(list(letter.headers.items()))
    assert said is not None
    return said


def size(letter: Read) -> int:
    headers = sum(len(name.encode()) + len(content) for name, content in letter.headers.items())
    return len(letter.key or b"") + len(letter.value) + headers


def doubled(results: list[dict[str, Any]]) -> dict[str, int]:
    return {name: times for name, times in Counter(one["id"] for one in results).items() if times > 1}


def rebuilds(running: Running) -> float:
    return running.metric("shw_rebuilds_total", client="producer")


@asynccontextmanager
async def admin(kafka: KafkaSettings) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def delete(place: Site, topic: str) -> None:
    async with admin(place.settings.kafka) as client:
        await client.delete_topics([topic])

        async def is_gone() -> bool:
            return topic not in await client.list_topics()

        await until(is_gone)


async def create(place: Site, topic: str) -> None:
    async with admin(place.settings.kafka) as client:
        await client.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])

        async def is_there() -> bool:
            return topic in await client.list_topics()

        await until(is_there)


async def results_of(place: Site, failures: int) -> list[dict[str, Any]]:
    """Wait until so many failures are told of: a result and a status each."""

    async def look() -> list[dict[str, Any]]:
        found = await place.results()
        return found if len({one["id"] for one in found}) >= 2 * failures else []

    return await until(look)


async def letters_of(place: Site, letters: int) -> list[Read]:
    async def look() -> list[Read]:
        found = await place.letters()
        return found if len({(m.shw_dlq_partition, m.shw_dlq_offset) for m in map(marks, found)}) >= letters else []

    return await until(look)


async def test_letters_with_keys_too_large_to_send_are_cut_and_told_and_slow_no_result(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    keys = {}
    for n in range(LETTERS):
        await place.publish(voice(org, f"healthy{n}"))
        key = (b"%05d" % n) * (HEAVY_KEY // 5)
        (offset,) = await place.publish(b"not json", key=key)
        keys[offset] = key
    async with place.consumer() as running:
        await running.settled(LETTERS)
        assert rebuilds(running) == 0
        assert await place.count("heal_outbox") == 0
    results = await place.results()
    assert len({one["id"] for one in results}) == 2 * LETTERS
    assert doubled(results) == {}
    letters = await place.letters()
    assert len(letters) == LETTERS
    for letter in letters:
        said, key = marks(letter), keys[int(letter.headers["shw_dlq_offset"])]
        assert letter.value == b"not json"
        assert said.shw_dlq_truncated
        assert (said.shw_dlq_key_bytes, said.shw_dlq_key_sha256) == (HEAVY_KEY, sha256(key).hexdigest())
        assert letter.key
        assert key.startswith(letter.key)
        assert size(letter) < RECORD_LIMIT


HEADERS: dict[str, list[tuple[str, bytes]]] = {
    "a huge value": [("small", b"kept"), ("x", b"v" * 980_000)],
    "a huge name": [("small", b"kept"), ("n" * 980_000, b"")],
    "many": [("small", b"kept"), *((f"h{n}", b"v" * 10) for n in range(55_000))],
}


@pytest.mark.parametrize("name", HEADERS)
async def test_letters_with_headers_too_large_to_send_are_cut_and_told(kafka_place: Site, name: str) -> None:
    place = kafka_place
    org = await place.organisation()
    await place.publish(voice(org, "before"))
    await place.publish(b"not json", key=b"run-7", headers=HEADERS[name])
    await place.publish(voice(org, "after"), b"not json either")
    async with place.consumer() as running:
        await running.settled(2)
        assert rebuilds(running) == 0
    assert doubled(await place.results()) == {}
    cut, whole = sorted(await place.letters(), key=lambda one: int(one.headers["shw_dlq_offset"]))
    said = marks(cut)
    assert (cut.value, cut.key, cut.headers["small"]) == (b"not json", b"run-7", b"kept")
    assert said.shw_dlq_truncated
    assert said.shw_dlq_headers_left_out
    assert len(HEADERS[name]) - said.shw_dlq_headers_left_out == sum(n[:7] != "shw_dlq" for n in cut.headers)
    assert size(cut) < RECORD_LIMIT
    assert not marks(whole).shw_dlq_truncated


async def test_results_flow_while_the_dead_letter_topic_is_gone_and_the_letters_come_once_it_is_back(
    kafka_place: Site,
) -> None:
    place, dlq = kafka_place, kafka_place.settings.kafka.dlq_topic
    org = await place.organisation()
    await place.publish(voice(org, "first"), b"not json")
    async with place.consumer() as running:
        await running.settled(1)
        await delete(place, dlq)
        for n in range(10):
            await place.publish(voice(org, f"healthy{n}"), b"not json %d" % n)
            # One by one: each of them comes while letters cannot be sent.
            await results_of(place, 2 + n)
        assert await place.count("heal_outbox WHERE failure_id IS NULL") == 10
        await until(lambda: _is_backing_off(running, "dead_letters"))
        assert running.metric("shw_publish_back_off", topic="results") == 0
        await create(place, dlq)
        await letters_of(place, 10)
        await running.settled(11)
        await until(lambda: _flows(running, "dead_letters"))
        results = await place.results()
        assert doubled(results) == {}
        assert len(results) == 22


async def _has_no_letters(place: Site) -> bool:
    return await place.count("heal_outbox WHERE failure_id IS NULL") == 0


async def _is_backing_off(running: Running, topic: str) -> bool:
    return running.metric("shw_publish_back_off", topic=topic) == 1


async def _flows(running: Running, topic: str) -> bool:
    return running.metric("shw_publish_back_off", topic=topic) == 0


async def test_letters_flow_while_the_results_topic_is_gone_and_the_results_come_once_it_is_back(
    kafka_place: Site,
) -> None:
    place, topic = kafka_place, kafka_place.settings.kafka.results_topic
    org = await place.organisation()
    await place.publish(voice(org, "first"))
    async with place.consumer() as running:
        await running.settled(1)
        await delete(place, topic)
        for n in range(5):
            await place.publish(voice(org, f"healthy{n}"), b"not json %d" % n)
            await letters_of(place, n + 1)
            # Acknowledged and forgotten, while a send of results waits in vain.
            await until(lambda: _has_no_letters(place))
        assert await place.count("heal_outbox WHERE failure_id IS NOT NULL") == 10
        await create(place, topic)
        results = await results_of(place, 5)
        await running.settled(6)
        assert len(await place.letters()) == 5
    assert len(doubled(results)) <= 1  # one may have been under way, unanswered, as the topic came back
    by_failure: dict[str, dict[str, None]] = {}
    for one in results:
        by_failure.setdefault(one["subject"], {}).setdefault(one["type"])
    assert {tuple(types) for types in by_failure.values()} == {
        ("workflow.heal_result.v1", "workflow.failure_status.v1")
    }


async def test_a_stop_while_the_dead_letter_topic_is_gone_still_sends_the_results(kafka_place: Site) -> None:
    place, dlq = kafka_place, kafka_place.settings.kafka.dlq_topic
    org = await place.organisation()
    await place.publish(voice(org, "first"))
    async with place.consumer() as running:
        await running.settled(1)
        await delete(place, dlq)
        await place.publish(b"not json", *(voice(org, f"healthy{n}") for n in range(20)))

        async def is_taken_in() -> bool:
            return await place.count("workflow_failures") == 21

        await until(is_taken_in)
        running.stop.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([running.task])
    results = await place.results()
    assert len(results) == 42
    assert doubled(results) == {}
    assert await place.count("heal_outbox") == 1


async def says_much(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return NotHealed(code=Code.NOT_HEALED, reason="no", details={"text": "x" * 20_000})


async def test_a_smaller_limit_of_a_topic_is_learnt_once_and_what_is_above_it_is_cut_and_told(
    kafka_place: Site,
) -> None:
    place = kafka_place
    limit = 6000
    for topic in (place.settings.kafka.results_topic, place.settings.kafka.dlq_topic):
        await place.limit_topic(topic, limit)
    org = await place.organisation()
    async with place.consumer(scripted(says_much)) as running:
        await place.publish(event(org, "large", workflow_name="large"), b"not json" * 2000)
        await running.settled(1)
        learnt = rebuilds(running)
        for n in range(10):
            await place.publish(
                event(org, f"large{n}", workflow_name=f"large{n}"), voice(org, f"small{n}"), b"not json" * 2000
            )
            await running.settled(3 + 2 * n)
        assert rebuilds(running) == learnt
    results = await place.results()
    assert doubled(results) == {}
    attempts = [one["data"] for one in results if one["type"] == "workflow.heal_result.v1"]
    assert {(one["workflow_name"][:5], one["truncated"]) for one in attempts} == {("large", True), ("small", False)}
    letters = await place.letters()
    assert len(letters) == 11
    for letter in letters:
        assert marks(letter).shw_dlq_truncated
        assert (b"not json" * 2000).startswith(letter.value)
        assert 0 < size(letter) < limit


async def test_a_letter_that_its_topic_refuses_for_another_cause_waits_alone(kafka_place: Site) -> None:
    place, dlq = kafka_place, kafka_place.settings.kafka.dlq_topic
    org = await place.organisation()
    async with admin(place.settings.kafka) as client:
        # Such a topic refuses each record without a key, and with it its whole batch.
        compacted = ConfigResource(ConfigResourceType.TOPIC, dlq, configs={"cleanup.policy": "compact"})
        await client.alter_configs([compacted])
    for n in range(10):
        await place.publish(b"not json", key=None if n == 5 else b"run-%d" % n)
        await place.publish(voice(org, f"healthy{n}"))
    async with place.consumer() as running:
        results = await results_of(place, 10)
        letters = await letters_of(place, 9)

        async def is_one_left() -> bool:
            await running.consumer.publisher.forget_acked()
            return await place.count("heal_outbox") == 1

        await until(is_one_left)
    assert doubled(results) == {}
    assert {letter.key for letter in letters} == {b"run-%d" % n for n in range(10) if n != 5}
    assert await place.count("heal_outbox WHERE key IS NULL") == 1


async def test_a_record_sent_by_hand_that_is_refused_fails_none_after_it(kafka_place: Site) -> None:
    kafka = kafka_place.settings.kafka
    await kafka_place.limit_topic(kafka.failures_topic, 30_000)

    def record(size: int) -> Outgoing:
        return Outgoing(topic=kafka.failures_topic, key=b"k", value=bytes(size), headers=())

    async with open_sender(kafka) as sender:
        first = await sender.send([record(20_000), record(40_000), record(20_000), record(20_000)])
        later = await sender.send([record(1)])
    assert [type(one) for one in [*first, *later]] == [
        Acknowledged,
        NotAcknowledged,
        Acknowledged,
        Acknowledged,
        Acknowledged,
    ]
    assert len(await kafka_place.read(kafka.failures_topic)) == 4


async def test_records_are_stamped_with_the_databases_time_for_a_broker_refuses_what_comes_from_hours_ahead(
    kafka_place: Site,
) -> None:
    kafka = kafka_place.settings.kafka
    message = Message(
        id=uuid4(),
        failure_id=None,
        step=0,
        rank=0,
        topic=kafka.results_topic,
        key=b"k",
        headers=(),
        body=b"{}",
    )
    clock = Clock()

    def wrong_clock() -> datetime:
        return datetime.now(UTC) + timedelta(hours=2)

    async with open_writer(kafka, now=wrong_clock) as writer:
        assert await writer.send([message]) == [Sent.REFUSED]
    asked = wrong_clock()
    clock.compare(asked, asked - timedelta(hours=2), asked)
    async with open_writer(kafka, now=lambda: wrong_clock() - clock.skew) as writer:
        assert await writer.send([message]) == [Sent.ACKED]
    assert len(await kafka_place.read(kafka.results_topic)) == 1
