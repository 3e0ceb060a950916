"""The intake stage on real parts: bounded batches, bounded slots, and what healers and answers may be like."""

import asyncio
import json

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof
from schemas.names import Verdict
from tests.support import oracle
from tests.support.pipeline import Site, call, event, until
from tests.support.worlds.http_world import Reply, World
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))


async def test_with_all_slots_taken_intake_goes_on_and_healing_keeps_to_its_slots(place: Site) -> None:
    place = place.changed(heal={"slots": 4}, intake={"max_rows": 10})
    org = await place.organisation()
    names = [f"f{n}" for n in range(40)]
    await place.publish(*(event(org, name, workflow_name=name) for name in names))
    under_way, most, go_on = 0, 0, asyncio.Event()

    async def heals(_: Task, gate: EffectGate) -> Outcome:
        nonlocal under_way, most
        await gate.begin()
        under_way += 1
        most = max(most, under_way)
        await go_on.wait()
        under_way -= 1
        return PROVEN

    async with place.consumer(scripted(heals)) as running:

        async def all_in() -> bool:
            return await place.count("workflow_failures") == 40 and under_way > 0

        await until(all_in)
        assert await place.count("heal_claim") <= 4
        go_on.set()
        rows = await running.settled(40)
    assert most <= 4
    assert {row["status"] for row in rows.values()} == {"resolved"}
    await oracle.everything_that_ended_was_told(place)


async def test_a_batch_is_bounded_by_bytes_and_nothing_falls_out_of_it(embedded_place: Site) -> None:
    place = embedded_place.changed(intake={"max_bytes": 65_536, "max_event_bytes": 65_536})
    org = await place.organisation()
    names = [f"f{n}" for n in range(12)]
    many = [
        event(org, name, workflow_name=name, failure_reason="voice is silent", context={"text": "x" * 15_000})
        for name in names
    ]
    await place.publish(*many)
    async with place.consumer() as running:
        await running.settled(12)
        await running.counted("shw_events_total", 12, outcome="accepted")
    sizes = await place.db.fetchval("SELECT sum(size) FROM workflow_failures")
    assert sizes == sum(len(json.dumps(one)) for one in many)


ANSWERS = {
    "NUL": b'{"text": "a\\u0000b", "a\\u0000b": 1}',
    "half a surrogate pair": b'{"text": "\\ud800"}',
    "not UTF-8": b"\xff\xfe\x00raw",
    "NaN": b'{"n": NaN}',
    "1e400": b'{"n": 1e400}',
    "5,001 digits": b'{"n": 1' + b"0" * 5000 + b"}",
    "3,000 deep": b"[" * 3000 + b"]" * 3000,
    "150 deep": b"[" * 150 + b"]" * 150,
    "nothing": b"",
}


async def test_whatever_an_answer_holds_it_is_stored_and_told(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation()
    for n, body in enumerate(ANSWERS.values()):
        world.on(f"/{n}", Reply(body=body, headers=(("Content-Type", "application/json"), ("ETag", "caf\xe9\x01"))))
    names = list(ANSWERS)
    await place.publish(
        *(event(org, n, workflow_name=name, context=call(world.url(f"/{n}"))) for n, name in enumerate(names))
    )
    async with place.consumer() as running:
        rows = await running.settled(len(names))
    assert {row["status"] for row in rows.values()} <= {"resolved", "given_up"}
    told = await oracle.everything_that_ended_was_told(place)
    assert {one["data"]["workflow_name"] for one in told} == set(names)


@pytest.mark.parametrize("error", [ValueError("a bug"), RecursionError(), KeyError(), AssertionError()], ids=repr)
async def test_a_strategys_bug_stops_nobody_else(embedded_place: Site, error: Exception) -> None:
    place = embedded_place
    org = await place.organisation()
    await place.publish(event(org, 1, workflow_name="bad"), event(org, 2, workflow_name="good"))

    async def heals(task: Task, gate: EffectGate) -> Outcome:
        if task.failure.workflow_name == "bad":
            raise error
        await gate.begin()
        return PROVEN

    async with place.consumer(scripted(heals)) as running:
        rows = await running.settled(2)
    assert {name: row["status"] for name, row in rows.items()} == {"bad": "given_up", "good": "resolved"}
    results = await place.db.fetch("SELECT result FROM workflow_heal_attempts WHERE result <> 'success'")
    assert {row["result"] for row in results} == {"error"}
    await oracle.one_attempt_per_step(place)
