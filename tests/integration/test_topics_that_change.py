"""G1: partitions that are added, and a topic that is deleted and made anew, are read while the consumer runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

from consumer.ingest import liveness
from consumer.kafka import reader
from consumer.kafka.topic_identity import mark_of
from tests.support.faults.raising import quick
from tests.support.pipeline import Running, Site, until


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the consumer look at the topic every second; by itself it does so within a minute."""
    assert max(reader.METADATA_MAX_AGE, liveness.TOPIC_EVERY) < 60
    monkeypatch.setattr(reader, "METADATA_MAX_AGE", 1.0)
    monkeypatch.setattr(liveness, "TOPIC_EVERY", 1.0)


@asynccontextmanager
async def admin(place: Site) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(bootstrap_servers=place.settings.kafka.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def names_are(place: Site, names: set[str]) -> bool:
    return set(await place.failures()) == names


async def committed_is(place: Site, *offsets: int) -> bool:
    return tuple([await place.committed(n) for n in range(len(offsets))]) == offsets


async def _shows_lag_of(running: Running, partition: int) -> bool:
    return running.registry.get_sample_value("shw_consumer_lag_records", {"partition": str(partition)}) is not None


async def test_a_partition_that_is_added_is_read_and_shows(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    async with place.consumer() as running:
        await place.publish(quick(org, "old"))
        await until(partial(names_are, place, {"old"}))
        async with admin(place) as client:
            await client.create_partitions({place.settings.kafka.failures_topic: NewPartitions(total_count=2)})
        await place.producer.client.force_metadata_update()

        async def known() -> bool:
            await place.producer.client.force_metadata_update()
            return len(await place.producer.partitions_for(place.settings.kafka.failures_topic)) == 2

        await until(known)
        await place.publish(quick(org, "new"), partition=1)
        await until(partial(names_are, place, {"old", "new"}))
        await until(partial(_shows_lag_of, running, 1))
        await until(partial(committed_is, place, 1, 1))


async def _made_anew(place: Site) -> None:
    topic = place.settings.kafka.failures_topic
    async with admin(place) as client:
        await client.delete_topics([topic])

        async def made() -> bool:
            try:
                answer = await client.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
            except TopicAlreadyExistsError:
                return False
            return bool(answer.topic_errors[0][1] == 0)

        await until(made)


async def _publish_anew(place: Site, *events: dict[str, Any]) -> None:
    for one in events:

        async def sent(one: dict[str, Any] = one) -> bool:
            try:
                await place.publish(one)
            except UnknownTopicOrPartitionError:
                return False
            return True

        await until(sent)


@pytest.mark.parametrize("new", [3, 25], ids=["shorter", "longer"])
async def test_a_topic_that_is_made_anew_is_read_from_its_beginning(kafka_place: Site, new: int) -> None:
    place = kafka_place
    org = await place.organisation()
    olds = {f"old.{n}" for n in range(10)}
    async with place.consumer() as running:
        await place.publish(*(quick(org, name) for name in sorted(olds)))
        await until(partial(names_are, place, olds))
        await until(partial(committed_is, place, 10))
        await _made_anew(place)
        news = {f"new.{n}" for n in range(new)}
        await _publish_anew(place, *(quick(org, name) for name in sorted(news)))
        await until(partial(names_are, place, olds | news))
        await until(partial(committed_is, place, new))

        async def lag_is_0() -> bool:
            return running.registry.get_sample_value("shw_consumer_lag_records", {"partition": "0"}) == 0

        await until(lag_is_0)


async def _commit(place: Site, offset: int, said: str) -> None:
    kafka = place.settings.kafka
    client = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=kafka.group_id, enable_auto_commit=False)
    await client.start()
    try:
        tp = TopicPartition(kafka.failures_topic, 0)
        client.assign([tp])
        await client.commit({tp: OffsetAndMetadata(offset, said)})
    finally:
        await client.stop()


async def test_an_offset_that_was_committed_for_another_topic_of_this_name_counts_for_nothing(
    kafka_place: Site,
) -> None:
    place = kafka_place
    org = await place.organisation()
    await place.publish(*(quick(org, f"f{n}") for n in range(4)))
    await _commit(place, 2, mark_of("0" * 32))
    async with place.consumer():
        await until(partial(names_are, place, {"f0", "f1", "f2", "f3"}))


async def test_an_offset_that_an_operator_set_counts(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    await place.publish(*(quick(org, f"f{n}") for n in range(4)))
    await _commit(place, 2, "")
    async with place.consumer():
        await until(partial(names_are, place, {"f2", "f3"}))
        await until(partial(committed_is, place, 4))
