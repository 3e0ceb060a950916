"""Topics of the catalog on the real service: OpenLineage, Kafka Connect and Spring become failures, or letters."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof
from schemas.names import Verdict
from tests.support.hostile_foreign import Sent, hostile_dead_records, hostile_openlineage
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, catalog, event, until
from tests.support.worlds.scripted import scripted

SAMPLES = ROOT / "tests" / "data" / "foreign"
PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
CONNECT = {
    "topic": b"orders",
    "partition": b"0",
    "offset": b"7",
    "connector.name": b"orders-sink",
    "exception.class.name": b"org.apache.kafka.connect.errors.DataException",
    "exception.message": b"amount: expected integer",
}
SPRING = {
    "original-topic": b"orders",
    "original-partition": (0).to_bytes(4),
    "original-offset": (7).to_bytes(8),
    "exception-fqcn": b"org.springframework.messaging.converter.MessageConversionException",
    "exception-message": b"amount is not of type integer",
}


class Topics:
    """The declared topics of one test, and what is sent there."""

    def __init__(self, place: Site, org: UUID) -> None:
        self.place, self.org = place, org
        self.names = {
            form: f"{form}.{place.settings.kafka.failures_topic}" for form in ("lineage", "connect", "spring")
        }

    @property
    def catalog(self) -> str:
        declared = [
            {"topic": self.names[name], "format": form, "organisations": {"*": str(self.org)}}
            for name, form in (("lineage", "openlineage"), ("connect", "kafka_connect"), ("spring", "spring"))
        ]
        runner = "runners: {engine: {kind: airflow, api: 'http://127.0.0.1:9/api'}}\n"
        return catalog(runner="engine") + runner + f"topics: {json.dumps(declared)}\n"

    async def send(self, name: str, *records: Sent, key: bytes = b"run:one") -> None:
        """Publish in order, each with its headers."""
        for value, headers in records:
            sent = self.place.producer.send(self.names[name], value=value, key=key, headers=headers, partition=0)
            await asyncio.wait_for(await sent, PATIENCE)


@pytest.fixture
async def topics(embedded_place: Site, catalog_file: Path) -> Topics:
    made = Topics(embedded_place, await embedded_place.organisation())
    await asyncio.to_thread(catalog_file.write_text, made.catalog)
    for name in made.names:  # the broker makes a topic when it is first written to
        await made.send(name, (b'{"eventType": "START"}', []))
    return made


def sample(name: str) -> Sent:
    return (SAMPLES / f"openlineage_{name}.json").read_bytes(), []


def headers_of(prefix: str, named: dict[str, bytes], **changes: bytes) -> list[tuple[str, bytes]]:
    return [(prefix + name, said) for name, said in (named | changes).items()]


async def heals(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return PROVEN


async def accounted(running: Running, records: int) -> None:
    """Wait until so many records are failures, letters or told to be none."""

    async def look() -> bool:
        outcomes = ("accepted", "duplicate", "conflicting", "same_run", "no_failure", "dead_letter")
        return sum(running.metric("shw_events_total", outcome=one) for one in outcomes) >= records

    await until(look)


async def test_a_failed_run_of_airflow_is_one_failure_whoever_tells_of_it(topics: Topics) -> None:
    place = topics.place
    run = {"id": "run-1795926250", "epoch": 1, "step": "first"}
    ours = event(topics.org, "own", workflow_name="heal_me", context={"run": run})
    async with place.consumer(scripted(heals)) as running:
        await topics.send("lineage", sample("fail_task_never_started"), sample("fail_dag_run"))
        await running.counted("shw_events_total", 1, outcome="accepted")
        await place.publish(ours)
        await topics.send("lineage", sample("fail_dag_run"), sample("fail_task_never_started"), sample("fail_task"))
        await running.counted("shw_events_total", 2, outcome="accepted")
        await accounted(running, 3 + 2 + 1 + 3)
        assert running.metric("shw_events_total", outcome="same_run") == 3
        assert running.metric("shw_events_total", outcome="duplicate") == 1
    rows = await place.db.fetch("SELECT * FROM workflow_failures ORDER BY detected_at")
    assert [json.loads(row["context"])["run"]["step"] for row in rows] == ["first", "charge"]
    assert {row["source"] for row in rows} == {"urn:openlineage:res"}
    assert await place.count("workflow_heal_attempts") == 2


async def test_a_whole_run_that_nothing_else_tells_of_is_a_failure(topics: Topics) -> None:
    async with topics.place.consumer(scripted(heals)) as running:
        await topics.send("lineage", sample("fail_dag_run"))
        rows = await running.settled(1)
    assert json.loads(rows["heal_me"]["context"])["run"]["step"] == "first"


async def test_dead_letters_of_connect_and_spring_are_failures_with_their_payload(topics: Topics) -> None:
    connect = headers_of("__connect.errors.", CONNECT)
    spring = headers_of("kafka_dlt-", SPRING)
    async with topics.place.consumer() as running:
        await topics.send("connect", (b'{"amount": "42"}', connect), (b'{"amount": "42"}', connect))
        await topics.send("spring", (b'{"amount": "42"}', spring))
        rows = await running.settled(2)
        await running.counted("shw_events_total", 1, outcome="duplicate")
    for name in ("orders-sink", "orders"):
        assert rows[name]["failure_type"] == "invalid_schema"
        assert json.loads(rows[name]["context"])["payload"] == {"amount": "42"}


HOSTILE: dict[str, Sequence[Sent]] = {
    "lineage": list(hostile_openlineage("res", 200)),
    "connect": list(hostile_dead_records("__connect.errors.", CONNECT, 200)),
    "spring": list(hostile_dead_records("kafka_dlt-", SPRING, 200)),
}


async def test_200_hostile_records_of_each_format_are_letters_or_failures_and_nothing_stalls(topics: Topics) -> None:
    place = topics.place

    async def good_is_healed() -> bool:
        return await place.count("workflow_failures WHERE workflow_name = 'good' AND resolved") == 1

    async with place.consumer(scripted(heals)) as running:
        for name, records in HOSTILE.items():
            await topics.send(name, *records)
        await place.publish(event(topics.org, "good", workflow_name="good"))
        await accounted(running, 3 * 200 + 3 + 1)
        await until(good_is_healed)

        async def all_committed() -> bool:
            return running.metric("shw_topics_lag_records") == 0

        await until(all_committed)
        assert running.metric("shw_topics_stopped") == 0
    reasons = {letter.headers["shw_dlq_reason"] for letter in await place.letters()}
    assert {b"not_json", b"wrong_shape"} <= reasons
    assert not reasons & {b"unstorable", b"took_too_long"}
    raw = {letter.value for letter in await place.letters()}
    assert raw <= {value or b"" for records in HOSTILE.values() for value, _ in records} | {b'{"eventType": "START"}'}


async def test_a_topic_that_is_declared_later_is_read_from_then_on(topics: Topics, catalog_file: Path) -> None:
    place, declared = topics.place, topics.catalog
    await asyncio.to_thread(catalog_file.write_text, catalog())
    async with place.consumer(scripted(heals)) as running:
        await topics.send("lineage", sample("fail_task"))
        assert await place.count("workflow_failures") == 0
        await asyncio.to_thread(catalog_file.write_text, declared)
        await running.settled(1)


async def test_a_topic_that_is_not_there_keeps_nothing_else_from_being_read(topics: Topics, catalog_file: Path) -> None:
    place = topics.place
    await asyncio.to_thread(catalog_file.write_text, topics.catalog.replace(topics.names["connect"], "nowhere"))
    async with place.consumer(scripted(heals)) as running:
        await topics.send("lineage", sample("fail_task"))
        await running.settled(1)
        assert running.metric("shw_topics_stopped") == 1


@pytest.mark.parametrize("own", ["failures_topic", "results_topic", "dlq_topic", "commands_topic", "heartbeats_topic"])
async def test_its_own_topics_are_not_read_as_those_of_others(topics: Topics, catalog_file: Path, own: str) -> None:
    place = topics.place
    name = getattr(place.settings.kafka, own)
    await asyncio.to_thread(catalog_file.write_text, topics.catalog.replace(topics.names["connect"], name))
    async with place.consumer(scripted(heals)) as running:
        await running.counted("shw_topics_stopped", 1)


async def test_a_topic_that_would_be_read_in_the_group_of_the_heartbeats_is_not(topics: Topics) -> None:
    kafka = topics.place.settings.kafka
    place = topics.place.changed(heartbeats={"group_id": f"{kafka.group_id}.{topics.names['connect']}"})
    async with place.consumer(scripted(heals)) as running:
        await running.counted("shw_topics_stopped", 1)
