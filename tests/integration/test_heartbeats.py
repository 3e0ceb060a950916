"""Runs that fall silent: one failure each, none of a reader that lags, and none of what beats again in time."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.kafka.polls import NOTHING, Polled
from consumer.kafka.reader import Reader
from consumer.model import Outcome, RetryLater
from tests.support.faults.transactions import Transactions
from tests.support.heartbeats import heartbeat
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, catalog, event, until
from tests.support.worlds.scripted import scripted

QUICK = {"read": True, "every": timedelta(seconds=0.1), "apart": timedelta(seconds=0.1)}
LADDER = "{workflow_stall: [auto-retry]}"


async def later(_task: Task, _gate: EffectGate) -> Outcome:
    return RetryLater(after=timedelta(hours=1), reason="busy")


@pytest.fixture
def beating(embedded_place: Site, catalog_file: Path) -> Site:
    """A place whose runs may be silent for a second at `fetch`, and for an hour elsewhere."""
    return _beating(embedded_place, catalog_file)


@pytest.fixture
def beating_on_kafka(kafka_place: Site, catalog_file: Path) -> Site:
    """The same on the real Kafka."""
    return _beating(kafka_place, catalog_file)


def _beating(place: Site, catalog_file: Path) -> Site:
    rules = "{deadline: PT1H, steps: {fetch: PT1S}}"
    catalog_file.write_text(catalog(heartbeats=rules, ladders=LADDER))
    return place.changed(heartbeats={**QUICK, "group_id": f"beats.{uuid4().hex[:12]}"})


async def beat(place: Site, *beats: Mapping[str, Any] | bytes) -> None:
    topic = place.settings.kafka.heartbeats_topic
    for one in beats:
        body = one if isinstance(one, bytes) else json.dumps(one).encode()
        await place.producer.send_and_wait(topic, body, partition=0, key=b"run")


def runs_are(place: Site, *expected: str, told: bool = False) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        rows = await place.db.fetch("SELECT run_id FROM heal_live_run WHERE (told_id IS NOT NULL) = $1", told)
        return sorted(row["run_id"] for row in rows) == sorted(expected)

    return look


async def stalls(place: Site) -> list[dict[str, Any]]:
    """What lies in the failures topic of silent runs."""
    return [read.event for read in await place.read(place.settings.kafka.failures_topic) if b'"stall:' in read.value]


async def test_a_silent_run_becomes_one_failure_across_a_restart(beating_on_kafka: Site) -> None:
    place, org = beating_on_kafka, await beating_on_kafka.organisation()
    async with place.consumer(scripted(later)):
        await beat(place, heartbeat(org, "healthy", step="render"), heartbeat(org, "silent"), heartbeat(org, "over"))
        await beat(place, heartbeat(org, "over", status="completed"))
        await until(runs_are(place, "healthy", "silent"))
    async with place.consumer(scripted(later)) as running:
        failures = await running.settled(1)
        await until(runs_are(place, "silent", told=True))
    async with place.consumer(scripted(later)) as running:
        before = await read_up_to(place)
        await until(lambda: has_read_on(place, before))
        await running.settled(1)
    (failure,) = failures.values()
    assert failure["failure_type"] == "workflow_stall"
    (told,) = await stalls(place)
    context = told["data"]["context"]
    assert (context["run"]["id"], context["run"]["step"]) == ("silent", "fetch")
    assert context["stall"]["watermark"]["read_up_to"] > context["stall"]["deadline"]
    assert [look["phase"] for look in context["stall"]["looks"]] == [None, None]
    assert await runs_are(place, "healthy")()


async def read_up_to(place: Site) -> datetime:
    moment: datetime = await place.db.fetchval("SELECT max(read_up_to) FROM heal_beat_partition")
    return moment


async def has_read_on(place: Site, before: datetime) -> bool:
    return await read_up_to(place) > before + timedelta(seconds=0.5)


async def test_a_run_that_beats_again_before_its_heal_is_recovered(beating: Site) -> None:
    place, org = beating, await beating.organisation()
    async with place.consumer(scripted(later)) as running:
        await beat(place, heartbeat(org, "slow"))
        await running.settled(1)
        await place.db.execute("UPDATE workflow_failures SET run_key = 'of this run'")
        await beat(place, heartbeat(org, "slow", step="render"))
        await running.counted("shw_silent_runs_total", 1, outcome="recovered")
        await until(lambda: is_resolved(place))
        await until(runs_are(place, "slow"))
    assert await place.db.fetchval("SELECT decided_by FROM heal_decision") == "heartbeats"
    assert await place.db.fetchval("SELECT run_key FROM workflow_failures") is None  # what fails later is another one
    assert len(await stalls(place)) == 1


async def is_resolved(place: Site) -> bool:
    return bool(await place.db.fetchval("SELECT status = 'resolved' FROM workflow_failures"))


async def test_a_reader_that_lags_makes_no_stall(beating: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    place, org = beating, await beating.organisation()
    released, held, polled = asyncio.Event(), asyncio.Event(), Reader.poll
    released.set()

    async def poll(self: Reader, *, max_records: int, wait: timedelta) -> Polled:
        if self._kafka.failures_topic == place.settings.kafka.heartbeats_topic and not released.is_set():
            held.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(released.wait(), wait.total_seconds())
            return NOTHING
        return await polled(self, max_records=max_records, wait=wait)

    monkeypatch.setattr(Reader, "poll", poll)
    async with place.consumer(scripted(later)) as running:
        await beat(place, heartbeat(org, "run"))
        await until(runs_are(place, "run"))
        released.clear()
        await asyncio.wait_for(held.wait(), PATIENCE)  # a poll that began before would read on
        await beat(place, heartbeat(org, "run", status="completed"))
        await until(lambda: is_overdue(place))
        assert await place.count("workflow_failures") == 0
        released.set()
        await until(runs_are(place))
        assert running.metric("shw_silent_runs_total", outcome="stalled") == 0
    assert await stalls(place) == []


async def test_a_transaction_that_hangs_hides_no_beats(beating_on_kafka: Site) -> None:
    place, org = beating_on_kafka, await beating_on_kafka.organisation()
    topic = place.settings.kafka.heartbeats_topic
    hanging = await asyncio.to_thread(Transactions, place.changed(kafka={"failures_topic": topic}), org, "hanging")
    await hanging.begin("open.0")
    async with place.consumer(scripted(later)):
        await beat(place, heartbeat(org, "behind", step="render"))
        await until(runs_are(place, "behind"))


async def is_overdue(place: Site) -> bool:
    """The run's deadline lies several looks back."""
    due = "SELECT heard_at + interval '2 seconds' < clock_timestamp() FROM heal_live_run"
    return bool(await place.db.fetchval(due))


async def test_bad_beats_are_counted_and_dropped_and_touch_no_failure(beating: Site) -> None:
    place, org = beating, await beating.organisation()
    bad = [b"\xff\xfe", b"{}", b"", json.dumps(heartbeat(org) | {"type": "workflow.heartbeat.v9"}).encode()]
    async with place.consumer(scripted(later)) as running:
        await beat(place, *bad, heartbeat(org, "good", step="render", progress=2**63), heartbeat(org, "good", step="x"))
        await place.publish(event(org, "1"))
        await running.counted("shw_heartbeats_total", 5, outcome="refused")
        await until(runs_are(place, "good"))
        await running.settled(1)
    assert await place.letters() == []


@pytest.fixture
def learning(embedded_place: Site, catalog_file: Path) -> Site:
    """A place whose catalog declares no deadline."""
    catalog_file.write_text(catalog(ladders=LADDER))
    return embedded_place.changed(heartbeats={**QUICK, "group_id": f"beats.{uuid4().hex[:12]}"})


async def test_a_deadline_is_learnt_and_lasts_over_a_restart(learning: Site) -> None:
    place, org = learning, await learning.organisation()
    topic = place.settings.kafka.heartbeats_topic
    body = json.dumps(heartbeat(org)).encode()
    async with place.consumer(scripted(later)):
        for number in range(60):
            await place.producer.send(topic, body, partition=0, timestamp_ms=1_700_000_000_000 + number * 7_000)
        await until(lambda: allows(place, 21.0, run="run-1"))
    async with place.consumer(scripted(later)):
        await beat(place, heartbeat(org, "another"))
        await until(lambda: allows(place, 21.0, run="another"))


async def allows(place: Site, seconds: float, run: str) -> bool:
    row = await place.db.fetchrow("SELECT allowed_seconds, learnt FROM heal_live_run WHERE run_id = $1", run)
    return row is not None and (row["allowed_seconds"], row["learnt"]) == (seconds, True)
