"""A failure of a run that its producer, a watcher and its engine's lineage report is one failure, healed once."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from consumer.catalog import parse_catalog
from consumer.diagnose.diagnosis import diagnose
from consumer.errors import TransientError
from consumer.heal.strategy import EffectGate, Task
from consumer.ingest.decode import AdmissionRules, decode
from consumer.model import Diagnosed, Failure, Healed, Message, Outcome, OwnerId, Proof, Record, Refuse
from consumer.settings import PostgresSettings
from consumer.store.intake import Arrival, Taken, take_in
from consumer.store.pool import Pool, open_pool, transaction
from consumer.store.stories import story_of
from schemas.names import Code, StrategyName, Verdict
from tests.support.pipeline import Site, call, catalog, event
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
WITH_A_RUNNER = catalog(runner="engine") + "runners: {engine: {kind: conductor, api: 'http://127.0.0.1:9/api'}}\n"


@pytest.fixture(autouse=True)
def _declared(catalog_file: Path) -> None:
    catalog_file.write_text(WITH_A_RUNNER)


def told(org: UUID, source: str, run: str, n: object = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    context = {"run": {"id": run, "epoch": 0, "step": "load"}} | changes.pop("context", {})
    return event(org, f"{source}-{run}-{n}", context=context, **changes) | {"source": f"urn:{source}"}


async def test_further_events_of_a_run_are_linked_to_its_failure(embedded_place: Site) -> None:
    place, healed = embedded_place, []
    org = await place.organisation()

    async def heals(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        healed.append(task.failure.source)
        return PROVEN

    first, lineage = told(org, "producer", "r1"), told(org, "lineage", "r1", failure_reason="ValueError: 42")
    many = [told(org, "watcher", "r1", n) for n in range(20)]
    async with place.consumer(scripted(heals)) as running:
        await place.publish(first, lineage)
        await running.settled(1)
        await place.publish(lineage, first, told(org, "watcher", "r2"), *many)
        await running.counted("shw_events_total", 2, outcome="accepted")
        await running.counted("shw_events_total", 21, outcome="same_run")
        await running.counted("shw_events_total", 2, outcome="duplicate")
    assert healed == ["urn:producer", "urn:watcher"]
    kept = await place.db.fetch("SELECT source, failure_reason FROM intake_same_run ORDER BY arrived_at, event_id")
    assert tuple(kept[0]) == ("urn:lineage", "ValueError: 42")
    assert len(kept) == 16
    first_id = await place.db.fetchval("SELECT id FROM workflow_failures WHERE source = 'urn:producer'")
    async with open_pool(place.settings.postgres) as pool, transaction(pool) as connection:
        story = await story_of(connection, first_id)
    assert story is not None
    assert [one.source for one in story.further_events][:2] == ["urn:lineage", "urn:watcher"]
    assert await place.count("workflow_failures") == 2


async def test_what_acts_on_another_call_is_another_failure(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    orders = [told(org, "producer", "r1", n, context=call(f"http://127.0.0.1:9/{n}")) for n in range(3)]
    async with place.consumer() as running:
        await place.publish(
            *orders, told(org, "watcher", "r1"), told(org, "x", "r1", context=call("http://127.0.0.1:9/0"))
        )
        await running.counted("shw_events_total", 3, outcome="accepted")
        await running.counted("shw_events_total", 2, outcome="same_run")
        await place.publish(*orders)
        await running.counted("shw_events_total", 3, outcome="duplicate")
    assert await place.count("workflow_failures") == 3
    assert await place.count("workflow_failures WHERE run_key IS NOT NULL") == 1


async def test_two_replicas_that_take_a_run_in_at_once_make_one_failure(embedded_place: Site) -> None:
    place, runs = embedded_place, [f"r{n}" for n in range(40)]
    org = await place.organisation()
    settings = PostgresSettings(dsn=SecretStr(place.settings.postgres.dsn.get_secret_value()))
    async with open_pool(settings) as one, open_pool(settings) as other:
        taken = await asyncio.gather(
            _taken_in(one, [told(org, "producer", run) for run in runs]),
            _taken_in(other, [told(org, "watcher", run) for run in reversed(runs)]),
        )
    assert await place.count("workflow_failures") == 40
    assert sum(len(some.new) for some in taken) == 40
    assert sum(len(some.same_run) for some in taken) == 40
    assert await place.count("intake_same_run") == 40


async def _taken_in(pool: Pool, events: Sequence[dict[str, Any]]) -> Taken:
    """Take events in as one replica does, again after a deadlock."""
    arrivals = [_arrival(one, offset) for offset, one in enumerate(events)]
    while True:
        try:
            return await take_in(pool, OwnerId("replica"), arrivals, (), _nobody)
        except TransientError as error:
            if "deadlock" not in str(error):
                raise


def _arrival(one: dict[str, Any], offset: int) -> Arrival:
    value = json.dumps(one).encode()
    record = Record(topic="t", partition=0, offset=offset, timestamp_ms=1, key=None, value=value, headers=())
    door = AdmissionRules(catalog=parse_catalog(WITH_A_RUNNER), max_event_bytes=100_000)
    failure = decode(record, door, datetime.now(UTC))
    assert isinstance(failure, Failure)
    assert failure.run_key is not None
    refused = Refuse(strategy=StrategyName.AUTO_RETRY, code=Code.REFUSED, reason="a test", catalog_version="1")
    diagnosed = Diagnosed(failure=failure, diagnosis=diagnose(failure.failure_reason, failure.context), plan=refused)
    return Arrival(diagnosed=diagnosed, wants_slot=False, ended=None, waiter_in=timedelta(seconds=1))


def _nobody(arrival: Arrival) -> Sequence[Message]:
    raise AssertionError(f"a stranger: {arrival.diagnosed.failure.org_id}")
