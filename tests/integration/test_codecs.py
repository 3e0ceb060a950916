"""G1: records of real clients are read, whatever they are compressed with."""

import asyncio
import json
import os
import subprocess
from typing import Any, Final

import pytest
from confluent_kafka import Producer

from consumer.local.kafka_jars import resolve_kafka
from consumer.local.progress import to_stderr
from tests.support.faults.raw_records import CODECS
from tests.support.paths import DATA
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, event, until

SOURCE_FILE: Final = DATA / "JavaProducer.java"


def quick(org: object, name: str) -> bytes:
    made = event(org, name, workflow_name=name, failure_reason="voice is silent", context={"pad": "x" * 300})  # type: ignore[arg-type]
    return json.dumps(made).encode()


async def has_rows(place: Site, rows: int) -> bool:
    return await place.count("workflow_failures") == rows


async def committed_is(place: Site, offset: int) -> bool:
    return await place.committed() == offset


def _by_confluent(place: Site, codec: str, values: list[bytes]) -> None:
    options: dict[str, Any] = {
        "bootstrap.servers": place.settings.kafka.bootstrap,
        "compression.type": codec,
        "linger.ms": 50,
    }
    producer = Producer(options)
    for value in values:
        producer.produce(place.settings.kafka.failures_topic, value, partition=0)
    assert producer.flush(20) == 0


def _by_java(place: Site, codec: str, values: list[bytes]) -> None:
    jars = resolve_kafka(to_stderr)
    kafka = place.settings.kafka
    told = (str(jars.java), "-cp", jars.class_path, str(SOURCE_FILE), kafka.bootstrap, kafka.failures_topic, codec)
    subprocess.run(told, input=b"\n".join(values), check=True, timeout=PATIENCE, env=dict(os.environ))


@pytest.mark.parametrize("by", [_by_confluent, _by_java], ids=["confluent", "java"])
async def test_records_of_real_clients_are_read_in_every_codec(kafka_place: Site, by: Any) -> None:  # noqa: ANN401
    place = kafka_place
    org = await place.organisation()
    for codec in CODECS:
        await asyncio.to_thread(by, place, codec, [quick(org, f"{codec}.{n}") for n in range(40)])
    async with place.consumer():
        await until(lambda: has_rows(place, 40 * len(CODECS)))
        await until(lambda: committed_is(place, 40 * len(CODECS)))
    assert await place.letters() == []
