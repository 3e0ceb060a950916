"""The lag is true in every state, the loops' time adds up, and a backlog is taken in while what is due goes on."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from consumer.api.app import create_api
from consumer.api.server import serve
from consumer.heal.strategy import EffectGate, Task
from consumer.local.broker import Broker
from consumer.metrics import LoopPhase
from consumer.model import Healed, Outcome, Proof
from consumer.service.vitals import Vitals
from schemas.names import Verdict
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, event, site, until
from tests.support.worlds.scripted import scripted

BACKLOG = 4_000
DUE = 300
READING = ("poll", "paused", "decode", "hand_over")
TAKING = ("starved", "slots", "intake", "retry")


def voice(org: object, name: str) -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason="voice is silent")  # type: ignore[arg-type]


async def publish_old(place: Site, org: UUID, *names: str, age: timedelta) -> None:
    """Publish events that came so long ago, a second apart."""
    first = int((time.time() - age.total_seconds()) * 1000)
    for n, name in enumerate(names):
        sent = await place.producer.send(
            place.settings.kafka.failures_topic,
            json.dumps(voice(org, name)).encode(),
            partition=0,
            timestamp_ms=first + 1000 * n,
        )
        await sent


def lag(running: Running, partition: int = 0) -> tuple[float | None, float]:
    records = running.registry.get_sample_value("shw_consumer_lag_records", {"partition": str(partition)})
    return records, running.metric("shw_consumer_lag_seconds")


async def has_lag(running: Running, records: int) -> bool:
    return lag(running)[0] == records


async def no_lag(running: Running) -> bool:
    return lag(running) == (0, 0)


async def test_a_consumer_that_is_paused_from_its_start_says_how_much_waits_and_how_old_it_is(
    kafka_place: Site,
) -> None:
    """It has read nothing: only the broker knows."""
    place = kafka_place.changed(intake={"open_rows_cap": 5})
    org = await place.organisation()
    async with place.consumer() as running:
        await publish_old(place, org, "first", age=timedelta(minutes=20))
        await running.settled(1)
        await until(lambda: no_lag(running))
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, status, due_at, source)"
        " SELECT $1, 'open' || n, 'timeout', 'deferred', clock_timestamp() + interval '1 hour', 'urn:test'"
        " FROM generate_series(1, 5) AS n",
        org,
    )
    await publish_old(place, org, *(f"old{n}" for n in range(10)), age=timedelta(minutes=10))
    async with place.consumer() as running:
        await until(lambda: has_lag(running, 10))
        assert lag(running)[1] == pytest.approx(600, rel=0.05)
        assert running.metric("shw_intake_paused", reason="open_rows") == 1
        await publish_old(place, org, "new", age=timedelta(0))
        await until(lambda: has_lag(running, 11))
        assert running.consumer.source.watch.ages()["unread"] == timedelta(0)
        await place.db.execute("UPDATE workflow_failures SET status = 'given_up', due_at = NULL")
        await until(lambda: no_lag(running))
        await until(lambda: _reads_again(running))


async def _reads_again(running: Running) -> bool:
    return running.metric("shw_intake_paused", reason="open_rows") == 0


async def test_after_a_rebalance_each_member_shows_the_lag_of_its_own_partitions(
    broker: Broker, database: str, catalog_file: Path
) -> None:
    async with site(broker, database, catalog_file, partitions=2) as place:
        org = await place.organisation()
        async with place.consumer() as one:
            for partition in (0, 1):
                await place.publish(voice(org, f"p{partition}"), partition=partition)
            await until(lambda: shows(one, {0, 1}))
            async with place.consumer() as other:
                await until(lambda: share(one, other))
                assert lag(one)[1] == lag(other)[1] == 0
            await until(lambda: shows(one, {0, 1}))


def shown(running: Running) -> set[int]:
    return {partition for partition in (0, 1) if lag(running, partition)[0] is not None}


async def shows(running: Running, partitions: set[int]) -> bool:
    return shown(running) == partitions


async def share(one: Running, other: Running) -> bool:
    return {frozenset(shown(one)), frozenset(shown(other))} == {frozenset({0}), frozenset({1})}


async def heal_in_a_moment(_task: Task, _gate: EffectGate) -> Outcome:
    await asyncio.sleep(0.02)
    return Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail=""),))


def rss() -> int:
    """Megabytes that this process holds."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@dataclass(slots=True)
class Seen:
    """What an onlooker sees while a backlog is worked off."""

    running: Running
    lags: list[float] = field(default_factory=list)

    async def look(self, client: httpx2.AsyncClient) -> bool:
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
        place = self.running.place
        taken = await place.count("workflow_failures WHERE workflow_name LIKE 'new%'")
        self.lags.append(BACKLOG - taken)
        waiting = await place.count("workflow_failures WHERE workflow_name LIKE 'due%' AND NOT resolved")
        return taken == BACKLOG and waiting == 0 and await no_lag(self.running)


async def is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).is_success


async def test_a_backlog_is_taken_in_while_what_is_due_gets_its_share(embedded_place: Site) -> None:
    place = embedded_place.changed(heal={"slots": 40}, intake={"max_rows": 100})
    org = await place.organisation(budget="1000")
    await place.publish(*(event(org, f"new{n}", workflow_name=f"new{n}") for n in range(BACKLOG)))
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context, due_at)"
        " SELECT $1, 'due' || n, 'request timeout', '{}', clock_timestamp() FROM generate_series(1, $2::int) AS n",
        org,
        DUE,
    )
    async with place.consumer(scripted(heal_in_a_moment)) as running:
        seen, before = Seen(running), rss()
        vitals = Vitals(running.consumer)
        api = create_api(
            settings=running.consumer.settings.api,
            pool=running.consumer.pool,
            metrics=running.consumer.metrics,
            clocks=vitals,
            readiness=vitals,
            wake=running.consumer.wake.set,
        )
        async with (
            serve(api, "127.0.0.1", 0) as address,
            httpx2.AsyncClient(base_url=address, timeout=PATIENCE) as client,
        ):
            await until(lambda: is_ready(client))
            await until(lambda: seen.look(client))
        assert rss() - before < 64, "megabytes"
    assert seen.lags == sorted(seen.lags, reverse=True), "it only falls"
    due, new = await healed_while_it_was_taken_in(place)
    assert due == DUE or due > new / 10, "what was due before did not wait for the end of the backlog"


async def healed_while_it_was_taken_in(place: Site) -> tuple[int, int]:
    """Count what had been healed when the last of the backlog came in: of what was due before, and of the backlog."""
    row = await place.db.fetchrow(
        "SELECT count(*) FILTER (WHERE workflow_name LIKE 'due%'), count(*) FILTER (WHERE workflow_name LIKE 'new%')"
        "  FROM workflow_heal_attempts a JOIN workflow_failures f ON f.id = a.failure_id"
        " WHERE a.finished_at < (SELECT max(received_at) FROM workflow_failures WHERE workflow_name LIKE 'new%')"
    )
    assert row is not None
    return row[0], row[1]


async def test_the_time_of_the_two_first_loops_adds_up_to_the_wall_time(embedded_place: Site) -> None:
    place = embedded_place.changed(intake={"max_rows": 50}, heal={"slots": 40})
    org = await place.organisation(budget="1000")
    async with place.consumer(scripted(heal_in_a_moment)) as running:
        await place.publish(event(org, "first", workflow_name="first"))
        await running.settled(1)
        began, before = time.monotonic(), phases(running)
        await place.publish(*(event(org, f"w{n}", workflow_name=f"w{n}") for n in range(1_000)))
        await running.settled(1_001)
        wall = time.monotonic() - began
        spent = {phase: seconds - before[phase] for phase, seconds in phases(running).items()}
    assert sum(spent[phase] for phase in READING) == pytest.approx(wall, rel=0.2, abs=0.2)
    assert sum(spent[phase] for phase in TAKING) == pytest.approx(wall, rel=0.2, abs=0.2)
    for phase in ("poll", "decode", "starved", "slots", "intake", "settle", "publish", "commit", "resume", "census"):
        assert spent[phase] > 0, phase


def phases(running: Running) -> dict[str, float]:
    running.consumer.metrics.count_phases()  # also what is under way
    return {phase: running.metric("shw_loop_seconds_total", phase=phase) for phase in LoopPhase}
