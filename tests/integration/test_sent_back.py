"""A record that its consumer gave up goes back to its topic mended, once: with its key, its headers and its place."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumer.errors import TransientError
from consumer.kafka.manual_producer import Outgoing
from consumer.kafka.topic_records import TopicRecords
from consumer.model import Partition
from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support.patience import PATIENCE
from tests.support.pipeline import Read, Site, catalog

SCHEMA = {
    "type": "object",
    "required": ["id", "amount"],
    "properties": {"id": {"type": "integer"}, "amount": {"type": "integer"}},
}
SENT, TAKEN = {"id": 7, "amount": "42"}, {"id": 7, "amount": 42}


class Sink:
    """A topic, and the dead letters of the connector that reads it."""

    def __init__(self, place: Site, org: UUID) -> None:
        self.place = place
        name = place.settings.kafka.failures_topic
        self.orders, self.letters = f"orders.{name}", f"connect.{name}"
        self.catalog = catalog(
            runner="records", schema_autofix=json.dumps({"schemas": {"orders.*": SCHEMA}, "verify": "PT2S"})
        )
        self.catalog += "runners: {records: {kind: kafka, topics: ['orders.*']}}\n"
        declared = [{"topic": self.letters, "format": "kafka_connect", "organisations": {"*": str(org)}}]
        self.catalog += f"topics: {json.dumps(declared)}\n"

    async def send(self, topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> int:
        future = await self.place.producer.send(topic, value=value, key=b"k", headers=headers, partition=0)
        return int((await asyncio.wait_for(future, PATIENCE)).offset)

    async def give_up(self, offset: int, more: tuple[tuple[str, bytes], ...] = (), value: Any = None) -> None:  # noqa: ANN401 - JSON
        named = {
            "topic": self.orders,
            "partition": "0",
            "offset": str(offset),
            "connector.name": f"sink-{offset}",
            "exception.class.name": "org.apache.kafka.connect.errors.DataException",
            "exception.message": "Validation failed: '42' is not of type 'integer'",
        }
        headers = [(f"__connect.errors.{name}", said.encode()) for name, said in named.items()]
        await self.send(self.letters, json.dumps(value or SENT).encode(), [*more, *headers])

    async def records(self) -> list[Read]:
        return await self.place.read(self.orders)


async def made(place: Site, catalog_file: Path) -> Sink:
    """Make both topics, and declare them."""
    sink = Sink(place, await place.organisation())
    admin = AIOKafkaAdminClient(bootstrap_servers=place.settings.kafka.bootstrap)
    await admin.start()
    try:
        topics = [NewTopic(name=one, num_partitions=1, replication_factor=1) for one in (sink.orders, sink.letters)]
        await admin.create_topics(topics)
    finally:
        await admin.close()
    await asyncio.to_thread(catalog_file.write_text, sink.catalog)
    return sink


@pytest.fixture
async def sink(embedded_place: Site, catalog_file: Path) -> Sink:
    return await made(embedded_place, catalog_file)


async def test_a_record_is_mended_and_sent_back_once(place: Site, catalog_file: Path) -> None:
    sink = await made(place, catalog_file)
    first = await sink.send(sink.orders, json.dumps(SENT).encode(), [("trace", b"1")])
    await sink.give_up(first)
    async with place.consumer() as running:
        row = (await running.settled(1))[f"sink-{first}"]
        mended = (await sink.records())[-1]
        # The sink refuses it once more: it is a person's, and is not sent again.
        await sink.give_up(mended.offset, tuple(mended.headers.items()), TAKEN)
        again = (await running.settled(2))[f"sink-{mended.offset}"]
    assert (row["status"], row["failure_type"]) == ("resolved", "invalid_schema")
    assert (json.loads(mended.value), mended.key) == (TAKEN, b"k")
    assert mended.headers == {"trace": b"1", "shw-sent-back": f"{sink.orders}/0/{first}".encode()}
    assert again["status"] != "resolved"
    assert len(await sink.records()) == 2
    (told,) = [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE][:1]
    assert (told["strategy"], told["result"]) == ("schema-autofix", "success")
    assert {one["oracle"]: one["verdict"] for one in told["evidence"]} == dict.fromkeys(
        ("schema", "inverse", "run"), "passed"
    )


async def test_a_send_whose_answer_is_lost_is_found_and_not_repeated(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = TopicRecords.send

    async def lost(self: TopicRecords, place: Partition, record: Outgoing) -> int:
        await sends(self, place, record)
        raise TransientError("the answer was lost")

    monkeypatch.setattr(TopicRecords, "send", lost)
    await sink.give_up(await sink.send(sink.orders, json.dumps(SENT).encode(), []))
    async with sink.place.consumer() as running:
        (row,) = (await running.settled(1)).values()
    assert row["status"] == "resolved"
    assert [json.loads(one.value) for one in await sink.records()] == [SENT, TAKEN]


async def test_nothing_goes_to_a_topic_that_is_not_declared_or_for_a_record_that_is_not_there(
    sink: Sink, catalog_file: Path
) -> None:
    first = await sink.send(sink.orders, json.dumps(SENT).encode(), [])
    await sink.give_up(first + 5)
    async with sink.place.consumer() as running:
        await running.settled(1)
    text = sink.catalog.replace("topics: ['orders.*']", "topics: [refunds]")
    await asyncio.to_thread(catalog_file.write_text, text)
    await sink.give_up(first)
    async with sink.place.in_another_group().consumer() as running:
        rows = await running.settled(2)
    assert {row["status"] for row in rows.values()} == {"given_up"}
    assert len(await sink.records()) == 1
