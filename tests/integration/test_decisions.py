"""What a person decides of a failure stands, is kept, and is told in its place; and nothing else is changed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, NotHealed, Outcome, Proof, RetryLater, Unknown
from consumer.pipeline.publish import LEFT_OVER_AFTER
from schemas.heal_result import FAILURE_STATUS_TYPE, FailureStatus
from schemas.names import Code, Verdict
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
LATER = RetryLater(after=timedelta(hours=1), reason="busy")


def always(outcome: Outcome) -> Callable[[Task, EffectGate], Awaitable[Outcome]]:
    async def heal(_task: Task, _gate: EffectGate) -> Outcome:
        return outcome

    return heal


async def _shw(place: Site, *arguments: str) -> Ran:
    return await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))


async def one_failure(place: Site, running: Running, status: str) -> UUID:
    """Publish a failure, and wait until it stands so."""
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    await until(lambda: stands(place, status))
    await running.settled(1)
    return UUID(str(await place.db.fetchval("SELECT id FROM workflow_failures")))


async def stands(place: Site, status: str) -> bool:
    return bool(await place.db.fetchval("SELECT status FROM workflow_failures") == status)


async def told(place: Site, number: int) -> list[dict[str, Any]]:
    """Wait for so many events, and see that the first publications are in the order of their steps."""

    async def look() -> list[dict[str, Any]]:
        found = await place.results()
        return found if len(found) >= number else []

    events = await until(look)
    # A status tells the change that led to its step, an attempt what was done at it.
    steps = [(one["data"]["step"], one["type"] != FAILURE_STATUS_TYPE) for one in events]
    assert steps == sorted(steps)
    assert len({one["id"] for one in events}) == len(events) == number
    return events


async def test_a_decision_is_told_by_the_sweeper_s_next_round(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    failure = await place.db.fetchval(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, 'w', 'r') RETURNING id", org
    )
    ran = await _shw(place, "give-up", str(failure), "--reason", "enough", "--by", "Ann", "--json")
    assert ran.code == 0, ran.err
    told = {"failure_id": str(failure), "decision": "give_up", "result": "done", "by": "Ann", "heal_under_way": False}
    assert ran.json == [told]
    # No consumer runs, and none that sent it would: only what is left over is noticed.
    left = await place.db.fetch(
        "SELECT created_at <= clock_timestamp() - $1::interval FROM heal_outbox", LEFT_OVER_AFTER
    )
    assert [tuple(row) for row in left] == [(True,)]


async def test_a_failure_that_is_given_up_stays_so_and_it_is_told_why(embedded_place: Site) -> None:
    place = embedded_place
    async with place.consumer(scripted(always(LATER))) as running:
        failure = await one_failure(place, running, "deferred")
        ran = await _shw(
            place, "give-up", str(failure), "--reason", "moved away; password=hunter2secret", "--by", "Ann"
        )
        assert ran.code == 0, ran.err
        events = await told(place, 3)
    row = (await place.failures())["w"]
    assert (row["status"], row["resolved"], row["due_at"], row["step"]) == ("given_up", False, None, 2)
    assert events[-1]["id"].startswith(f"{failure}:2:")
    status = FailureStatus.model_validate(events[-1]["data"])
    assert (status.failure_id, status.status, status.step) == (failure, "given_up", 2)
    assert status.reason.startswith("give up by Ann: moved away")
    kept = await place.db.fetchrow("SELECT * FROM heal_decision")
    assert kept is not None
    assert (kept["failure_id"], kept["step"], kept["decided_by"]) == (failure, 2, "Ann")
    assert "hunter2" not in status.reason + kept["reason"]
    shown = await _shw(place, "attempts", str(failure))
    assert "give up" in shown.err
    assert "hunter2" not in shown.err


@pytest.mark.parametrize(
    ("outcome", "status", "arguments", "why"),
    [
        pytest.param(PROVEN, "resolved", ("give-up", "--reason", "x"), "resolved already", id="give it up"),
        pytest.param(PROVEN, "resolved", ("resolve", "--reason", "x"), "resolved already", id="resolve it again"),
        pytest.param(PROVEN, "resolved", ("heal", "--did-not-happen"), "resolved already", id="heal it"),
        pytest.param(
            LATER, "deferred", ("heal", "--did-not-happen"), "nothing of it is in doubt", id="nothing in doubt"
        ),
        pytest.param(
            Unknown(reason="cut"), "needs_person", ("heal",), "`shw heal --did-not-happen`", id="heal what is in doubt"
        ),
    ],
)
async def test_what_cannot_be_decided_is_refused_and_changes_nothing(
    embedded_place: Site, outcome: Outcome, status: str, arguments: tuple[str, ...], why: str
) -> None:
    place = embedded_place
    async with place.consumer(scripted(always(outcome))) as running:
        failure = await one_failure(place, running, status)
    before = (await place.failures())["w"]
    command, *options = arguments
    ran = await _shw(place, command, str(failure), *options)
    assert ran.code == 1
    assert why in ran.err
    assert (await place.failures())["w"] == before
    assert await place.count("heal_outbox") == 0
    assert await place.count("heal_decision") == 0


async def test_a_failure_that_nobody_knows_and_one_given_up_already_are_refused(embedded_place: Site) -> None:
    place = embedded_place
    ran = await _shw(place, "give-up", str(uuid4()), "--reason", "x")
    assert ran.code == 1
    assert "No failure" in ran.err
    async with place.consumer(scripted(always(LATER))) as running:
        failure = await one_failure(place, running, "deferred")
    assert (await _shw(place, "give-up", str(failure), "--reason", "x")).code == 0
    again = await _shw(place, "give-up", str(failure), "--reason", "x")
    assert again.code == 1
    assert "given up already" in again.err
    assert await place.count("heal_outbox") == 1
    assert await place.db.fetchval("SELECT step FROM workflow_failures") == 2


@pytest.mark.parametrize("command", ["give-up", "resolve"])
@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(PROVEN, id="heals it all the same"),
        pytest.param(LATER, id="would have deferred it"),
        pytest.param(NotHealed(code=Code.NOT_HEALED, reason="no"), id="did not heal it"),
        pytest.param(Unknown(reason="cut"), id="does not know"),
    ],
)
async def test_a_decision_stands_while_a_heal_is_under_way_whose_attempt_is_kept_and_told_first(
    embedded_place: Site, outcome: Outcome, command: str
) -> None:
    place = embedded_place
    acting, end = asyncio.Event(), asyncio.Event()

    async def heal(_task: Task, _gate: EffectGate) -> Outcome:
        acting.set()
        await end.wait()
        return outcome

    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w"))
    async with place.consumer(scripted(heal)) as running:
        await asyncio.wait_for(acting.wait(), PATIENCE)
        failure = await place.db.fetchval("SELECT id FROM workflow_failures")
        ran = await _shw(place, command, str(failure), "--reason", "enough")
        assert ran.code == 0, ran.err
        # Two rounds of the sweeper: it does not tell the decision before the heal's own end.
        for _ in range(2):
            assert await running.consumer.publisher.sweep_once(older_than=timedelta(0)) == 0
        assert await place.results() == []
        end.set()
        status = {"give-up": "given_up", "resolve": "resolved"}[command]
        settled_also = 1 if isinstance(outcome, RetryLater | Unknown) else 0
        events = await told(place, 2 + settled_also)
    row = (await place.failures())["w"]
    assert (row["status"], row["step"]) == (status, 2)
    assert await place.count("workflow_heal_attempts WHERE step = 0") == 1
    assert await place.count("heal_claim WHERE owner <> 'parked'") == 0
    assert events[0]["data"]["step"] == 0
    assert (events[-1]["data"]["status"], events[-1]["data"]["step"]) == (status, 2)


async def test_what_a_person_saw_to_have_happened_is_resolved(embedded_place: Site) -> None:
    place = embedded_place
    async with place.consumer(scripted(always(Unknown(reason="cut")))) as running:
        failure = await one_failure(place, running, "needs_person")
        ran = await _shw(place, "resolve", str(failure), "--reason", "it is in their books")
        assert ran.code == 0, ran.err
        events = await told(place, 3)
        await until(lambda: _nothing_is_claimed(place))
    row = (await place.failures())["w"]
    assert (row["status"], row["resolved"], row["due_at"]) == ("resolved", True, None)
    assert events[-1]["data"]["status"] == "resolved"


async def _nothing_is_claimed(place: Site) -> bool:
    return await place.count("heal_claim") == 0


async def test_what_a_person_saw_not_to_have_happened_is_healed_again(embedded_place: Site) -> None:
    place = embedded_place
    outcomes: list[Outcome] = [PROVEN, Unknown(reason="cut")]
    seen: list[tuple[bool, int]] = []

    async def heal(task: Task, _gate: EffectGate) -> Outcome:
        seen.append((bool(getattr(task.failure, "effect_in_doubt", False)), task.failure.attempts))
        return outcomes.pop()

    async with place.consumer(scripted(heal)) as running:
        failure = await one_failure(place, running, "needs_person")
        await place.db.execute("UPDATE workflow_failures SET unsure = true")
        ran = await _shw(place, "heal", str(failure), "--did-not-happen", "--wait", "15", "--by", "Ann")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["result"] == "success"
        events = await told(place, 4)
    row = (await place.failures())["w"]
    assert (row["status"], row["unsure"], row["attempts"]) == ("resolved", False, 2)
    assert seen == [(False, 0), (False, 1)]
    assert [(one["data"]["status"], one["data"]["step"]) for one in events] == [
        ("needs_person", 0),
        ("needs_person", 1),
        ("pending", 2),
        ("resolved", 2),
    ]


async def test_a_failure_that_was_deleted_and_came_again_can_be_decided_again(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    again = event(org, "1", workflow_name="w")
    await place.publish(again)
    async with place.consumer(scripted(always(LATER))):
        for word in ("first", "second"):
            await until(lambda: stands(place, "deferred"))
            failure = await place.db.fetchval("SELECT id FROM workflow_failures")
            ran = await _shw(place, "give-up", str(failure), "--reason", word, "--by", "Ann")
            assert ran.code == 0, ran.err
            kept = await place.db.fetch("SELECT step, reason FROM heal_decision")
            assert [row["reason"] for row in kept] == [word]
            await place.db.execute("DELETE FROM workflow_failures")
            await place.publish(again)
