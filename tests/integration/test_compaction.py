"""Topics that Kafka compacts: what it removed before it was read is gone, and the gaps it leaves hold nothing up."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.support.pipeline import Running, Site, call, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.http_world import World, json_reply

COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "100",
    "delete.retention.ms": "0",
}
KEYS = 10
EVENTS = 200


async def configure(place: Site, topic: str, config: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=place.settings.kafka.bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(config))])
    finally:
        await admin.close()


async def compacted(place: Site, topic: str, at_most: int) -> None:
    """Wait until the cleaner was there; it leaves the last segment alone, so new ones are begun."""

    async def cleaned() -> bool:
        await place.producer.send_and_wait(topic, b"{}", key=b"roll", partition=0)
        return len(await place.read(topic)) <= at_most

    await until(cleaned)


async def caught_up(running: Running, end: int) -> None:
    """Wait until everything up to the topic's end is durable, and the lag says so."""

    async def done() -> bool:
        lag = running.metric("shw_consumer_lag_records", partition="0")
        return await running.place.committed() == end and lag == 0

    await until(done)


async def test_of_a_compacted_failures_topic_what_is_left_is_healed_and_the_gaps_hold_nothing_up(
    kafka_place: Site, world: World
) -> None:
    place, topic = kafka_place, kafka_place.settings.kafka.failures_topic
    org = await place.organisation("10")
    world.on("/it", json_reply({"done": True}))
    await configure(place, topic, COMPACTED)

    def failure(name: str) -> dict[str, Any]:
        return event(org, name, workflow_name=name, context=call(world.url(f"/it?{name}")))

    for n in range(EVENTS):
        await place.publish(failure(f"w{n:03}"), key=f"run-{n % KEYS}".encode())
    await place.publish(None, None, key=b"run-0")  # a tombstone takes the last of its key with it
    await compacted(place, topic, at_most=KEYS + 5)
    left = [one for one in await place.read(topic) if one.key != b"roll"]
    gaps = left[0].offset > 0
    names = {one.event["data"]["workflow_name"] for one in left if one.value}
    async with place.consumer() as running:
        end = (await place.read(topic))[-1].offset + 1
        await caught_up(running, end)
        stored = await place.count("workflow_failures")
        rows = await running.settled(stored)
        # What comes from now on is all read, whatever its key: none may be removed before.
        await configure(place, topic, {"cleanup.policy": "delete"})
        more = await place.publish(*(failure(f"x{n:03}") for n in range(EVENTS)), key=b"run-1")
        (tombstone,) = await place.publish(None, key=b"run-1")
        await caught_up(running, tombstone + 1)
        assert len(more) == EVENTS
        await running.settled(stored + EVENTS)
        assert running.metric("shw_rebuilds_total", client="consumer") == 0
    assert gaps
    # A tombstone that is still there when it is read says nothing that could be healed.
    assert {one.value for one in await place.letters()} == {b"", b"{}"}
    # The last of each key but the one that the tombstone took; the cleaner may have left a few more.
    assert {f"w{n:03}" for n in range(EVENTS - KEYS + 1, EVENTS)} <= rows.keys() <= names
    assert len(names) <= KEYS + 5
    assert {row["status"] for row in rows.values()} == {"resolved"}


async def test_compacted_results_and_letters_keep_the_last_of_each_key_and_are_read_across_the_gaps(
    kafka_place: Site,
) -> None:
    place, kafka = kafka_place, kafka_place.settings.kafka
    org = await place.organisation("10")
    for topic in (kafka.results_topic, kafka.dlq_topic):
        await configure(place, topic, COMPACTED)
    events = [event(org, n, workflow_name=f"w{n:02}", failure_reason="voice is silent") for n in range(30)]
    async with place.consumer() as running:
        await place.publish(*events, *(b"%d" % n for n in range(30)), key=b"one key")
        await running.settled(30)
        await compacted(place, kafka.results_topic, at_most=35)
        await compacted(place, kafka.dlq_topic, at_most=6)
        ran = await asyncio.to_thread(shw, "dlq", "list", "--json", settings=environment_of(place.settings))
    told = [one.event for one in await place.read(kafka.results_topic) if one.key != b"roll"]
    assert Counter(one["type"] for one in told) == {"workflow.failure_status.v1": 30}
    assert {one["data"]["status"] for one in told} == {"given_up"}
    assert ran.code == 0, ran.err
    assert b"one key" not in {one.key for one in (await place.letters())[:-6]}


async def test_letters_without_a_key_wait_while_their_topic_is_compacted_and_slow_nothing_else(
    kafka_place: Site, world: World
) -> None:
    place, topic = kafka_place, kafka_place.settings.kafka.dlq_topic
    org = await place.organisation("10")
    world.on("/it", json_reply({"done": True}))
    await configure(place, topic, COMPACTED)
    async with place.consumer() as running:
        await place.publish(b"no key")
        await place.publish(*(b"%d" % n for n in range(30)), key=b"one key")
        await place.publish(event(org, "it", workflow_name="it", context=call(world.url("/it"))))

        async def only_the_refused_waits() -> bool:
            await running.consumer.publisher.forget_acked()
            return await place.count("heal_outbox") == 1 and await place.count("workflow_failures WHERE resolved") == 1

        await until(only_the_refused_waits)
        assert len(await place.results()) == 1
        await configure(place, topic, {"cleanup.policy": "delete"})

        async def all_gone() -> bool:
            await running.consumer.publisher.forget_acked()
            return not await place.count("heal_outbox")

        await until(all_gone)
    assert b"no key" in {one.value for one in await place.letters()}
