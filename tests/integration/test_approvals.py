"""What the catalog marks acts only after a person's yes to that very plan; silence, a no and another plan never act."""

import asyncio
import json
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import FailureId, Healed, NotHealed, Outcome, Proof, RetryLater
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.approvals import known_fingerprints
from consumer.store.heal_requests import HealRequestResult, ask_heal
from consumer.store.plan_answers import Answered, answer_plan
from consumer.store.pool import transaction
from schemas.heal_result import FAILURE_STATUS_TYPE, FailureStatus
from schemas.names import Code, Effect, StrategyName, Verdict
from tests.support.pipeline import Running, Site, catalog, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.scripted import Scripted, scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
MARKED = "{strategies: [auto-retry]}"


def acting(acts: list[UUID], outcome: Outcome = PROVEN, kind: Effect = Effect.KEYED) -> Strategies:
    """A strategy that notes each effect."""

    async def heal(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        acts.append(task.failure.id)
        return outcome

    return scripted(heal, kind)


def mark(place: Site, approval: str = MARKED, **policy: str) -> None:
    """Write a catalog whose heals need an approval."""
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(catalog(9, approval=approval, **policy))


async def asked(place: Site, step: int = 1) -> FailureStatus:
    """Wait until a plan is asked for at a step, and return what was told of it."""

    async def look() -> list[FailureStatus]:
        return [
            FailureStatus.model_validate(told["data"])
            for told in await place.results()
            if told["type"] == FAILURE_STATUS_TYPE and told["data"]["step"] == step
        ]

    return (await until(look))[0]


async def answer(place: Site, said: FailureStatus, **changes: Any) -> Answered:  # noqa: ANN401 - of a test
    """Answer what was asked, in a transaction of its own."""
    assert said.approval is not None
    given: dict[str, Any] = {
        "approves": True, "plan_hash": said.approval.plan_hash, "step": said.step, "by": "ann", "reason": "fine",
    }  # fmt: skip
    failure_id = changes.pop("failure_id", said.failure_id)
    org_id = changes.pop("org_id", None)
    tell = partial(status_message, outlet=Outlet.of(place.settings.kafka))
    async with transaction(place.db) as connection:
        return await answer_plan(
            connection, FailureId(failure_id), PlanAnswer(**(given | changes)), tell, org_id=org_id
        )


async def one_asked(place: Site, running: Running) -> FailureStatus:
    """Publish a failure, and wait until its plan is asked for."""
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    said = await asked(place)
    await running.settled(1)
    return said


async def run_shw(place: Site, *arguments: str) -> Ran:
    return await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))


async def stands(place: Site, status: str) -> bool:
    return bool(await place.db.fetchval("SELECT status FROM workflow_failures") == status)


async def test_a_marked_plan_waits_for_a_yes_and_holds_nothing(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place)
    async with embedded_place.consumer(acting(acts)) as running:
        said = await one_asked(embedded_place, running)
        assert said.status == "awaiting_approval"
        assert said.waits_on == "approval"
        assert said.approval is not None
        assert said.approval.strategy == "auto-retry"
        assert said.approval.plan["strategy"] == "auto-retry"
        assert said.approval.evidence
        assert said.approval.expires_at > said.changed_at
        assert await embedded_place.db.fetchval("SELECT count(*) FROM heal_claim") == 0
        assert await embedded_place.db.fetchval("SELECT count(*) FROM token_usage_events") == 0
        assert acts == []
        answered = await answer(embedded_place, said)
        assert answered.result is AnswerResult.APPROVED
        await until(lambda: stands(embedded_place, "resolved"))
    assert acts == [said.failure_id]


async def test_a_denied_plan_never_acts_and_the_attempt_says_who_denied_it(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place)
    async with embedded_place.consumer(acting(acts)) as running:
        said = await one_asked(embedded_place, running)
        answered = await answer(embedded_place, said, approves=False, reason="not on a Friday")
        assert answered.result is AnswerResult.DENIED
        await until(lambda: stands(embedded_place, "given_up"))
        attempt = await embedded_place.db.fetchval(
            "SELECT concat_ws(' ', result, details ->> 'code', details ->> 'reason') FROM workflow_heal_attempts"
        )
    assert acts == []
    assert attempt == "failed denied denied by ann: not on a Friday"


async def test_after_a_denial_the_next_rung_goes_on_as_the_catalog_allows_it(embedded_place: Site) -> None:
    acts: list[UUID] = []
    other: list[UUID] = []

    def noting(into: list[UUID], name: StrategyName) -> Scripted:
        async def heal(task: Task, gate: EffectGate) -> Outcome:
            await gate.begin()
            into.append(task.failure.id)
            return PROVEN

        return Scripted(heals=heal, kind=Effect.KEYED, name=name)

    strategies: Strategies = {
        StrategyName.AUTO_RETRY: noting(acts, StrategyName.AUTO_RETRY),
        StrategyName.DEPENDENCY_REPLACEMENT: noting(other, StrategyName.DEPENDENCY_REPLACEMENT),
    }
    mark(embedded_place, ladders="{api_timeout: [auto-retry, dependency-replacement]}")
    async with embedded_place.consumer(strategies) as running:
        said = await one_asked(embedded_place, running)
        await answer(embedded_place, said, approves=False)
        await until(lambda: stands(embedded_place, "resolved"))
    assert (acts, other) == ([], [said.failure_id])


async def test_silence_is_asked_again_and_then_held_and_a_heal_that_is_asked_for_asks_anew(
    embedded_place: Site,
) -> None:
    acts: list[UUID] = []
    mark(embedded_place, "{strategies: [auto-retry], valid_for: PT1S, asks: 2}")
    async with embedded_place.consumer(acting(acts)) as running:
        first = await one_asked(embedded_place, running)
        second = await asked(embedded_place, 3)
        assert first.approval is not None
        assert second.approval is not None
        assert (first.approval.asked, second.approval.asked, second.approval.asks) == (1, 2, 2)
        assert first.approval.plan_hash == second.approval.plan_hash
        assert (await answer(embedded_place, first)).result is AnswerResult.OTHER_STEP
        await until(lambda: stands(embedded_place, "needs_person"))
        assert (await answer(embedded_place, second)).result is AnswerResult.EXPIRED
        async with transaction(embedded_place.db) as connection:
            again = await ask_heal(connection, FailureId(first.failure_id), by="ann")
        assert again.result is HealRequestResult.DUE
        running.consumer.resume.wake.set()
        third = await asked(embedded_place, again.step + 1)
        assert third.approval is not None
        assert third.approval.asked == 1
    assert acts == []


async def test_silence_that_the_catalog_takes_for_a_no_gives_up(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place, "{strategies: [auto-retry], valid_for: PT1S, asks: 1, on_expiry: deny}")
    async with embedded_place.consumer(acting(acts)) as running:
        await one_asked(embedded_place, running)
        await until(lambda: stands(embedded_place, "given_up"))
    assert acts == []
    assert "denied" in await embedded_place.db.fetchval("SELECT details ->> 'code' FROM workflow_heal_attempts")


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        pytest.param({"plan_hash": "0" * 64}, AnswerResult.OTHER_PLAN, id="another plan"),
        pytest.param({"step": 0}, AnswerResult.OTHER_STEP, id="another step"),
        pytest.param({"step": 2}, AnswerResult.OTHER_STEP, id="a step to come"),
        pytest.param({"failure_id": UUID(int=7)}, AnswerResult.NOT_FOUND, id="another failure"),
        pytest.param({"org_id": UUID(int=7)}, AnswerResult.NOT_FOUND, id="another organisation"),
        pytest.param({"plan_hash": "0" * 64, "approves": False}, AnswerResult.OTHER_PLAN, id="a no to another plan"),
    ],
)
async def test_an_answer_to_anything_else_changes_nothing_and_says_why(
    embedded_place: Site, changes: dict[str, Any], result: AnswerResult
) -> None:
    acts: list[UUID] = []
    mark(embedded_place)
    async with embedded_place.consumer(acting(acts)) as running:
        said = await one_asked(embedded_place, running)
        before = await embedded_place.db.fetchrow("SELECT status, step, due_at FROM workflow_failures")
        assert (await answer(embedded_place, said, **changes)).result is result
        assert await embedded_place.db.fetchrow("SELECT status, step, due_at FROM workflow_failures") == before
        assert await embedded_place.db.fetchval("SELECT count(*) FROM heal_approval_answer") == 0
    assert acts == []


async def test_a_yes_is_used_once(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place, attempts="3")
    not_healed = NotHealed(code=Code.NOT_HEALED, reason="no")
    async with embedded_place.consumer(acting(acts, not_healed)) as running:
        said = await one_asked(embedded_place, running)
        assert (await answer(embedded_place, said)).result is AnswerResult.APPROVED
        assert (await answer(embedded_place, said)).result is AnswerResult.ALREADY
        again = await asked(embedded_place, 4)
        assert again.approval is not None
        assert again.approval.asked == 1
        assert (await answer(embedded_place, said)).result is AnswerResult.OTHER_STEP
        await running.settled(1)
    assert acts == [said.failure_id]


async def test_a_yes_that_began_nothing_is_not_used_up(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place)

    async def heal(task: Task, gate: EffectGate) -> Outcome:
        acts.append(task.failure.id)
        if len(acts) == 1:
            return RetryLater(after=timedelta(0), reason="busy")
        await gate.begin()
        return PROVEN

    async with embedded_place.consumer(scripted(heal, Effect.KEYED)) as running:
        said = await one_asked(embedded_place, running)
        await answer(embedded_place, said)
        await until(lambda: stands(embedded_place, "resolved"))
    assert len(acts) == 2


async def test_two_people_have_to_say_yes_where_the_catalog_wants_two(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place, "{strategies: [auto-retry], approvers: 2}")
    async with embedded_place.consumer(acting(acts)) as running:
        said = await one_asked(embedded_place, running)
        first = await answer(embedded_place, said)
        assert (first.result, first.wanting) == (AnswerResult.COUNTED, 1)
        assert (await answer(embedded_place, said)).result is AnswerResult.ALREADY
        assert await stands(embedded_place, "awaiting_approval")
        assert acts == []
        assert (await answer(embedded_place, said, by="bob")).result is AnswerResult.APPROVED
        await until(lambda: stands(embedded_place, "resolved"))
    told = await embedded_place.db.fetchval("SELECT details -> 'approval' ->> 'by' FROM workflow_heal_attempts")
    assert told == '["ann", "bob"]'


async def test_who_asked_for_the_heal_does_not_approve_it_where_the_catalog_forbids_that(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place, "{strategies: [auto-retry], self_approval: false}")
    async with embedded_place.consumer(acting(acts)) as running:
        said = await one_asked(embedded_place, running)
        asks = "INSERT INTO heal_request (failure_id, step, requested_by) VALUES ($1, 0, 'ann')"
        await embedded_place.db.execute(asks, said.failure_id)
        assert (await answer(embedded_place, said)).result is AnswerResult.OWN_REQUEST
        assert await stands(embedded_place, "awaiting_approval")
        assert (await answer(embedded_place, said, by="bob")).result is AnswerResult.APPROVED
        await until(lambda: stands(embedded_place, "resolved"))


async def test_a_yes_to_a_plan_that_another_has_overtaken_is_asked_again(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place)

    async with embedded_place.consumer(acting(acts)) as running:
        said = await one_asked(embedded_place, running)
        mark(embedded_place, attempts="2")

        async def reloaded() -> bool:
            return running.metric("shw_catalog_reloads_total", outcome="changed") >= 1

        await until(reloaded)
        assert (await answer(embedded_place, said)).result is AnswerResult.APPROVED
        again = await asked(embedded_place, 3)
        assert said.approval is not None
        assert again.approval is not None
        assert again.approval.plan_hash != said.approval.plan_hash
        assert again.approval.asked == 2
        assert acts == []
        assert (await answer(embedded_place, again)).result is AnswerResult.APPROVED
        await until(lambda: stands(embedded_place, "resolved"))
    assert acts == [said.failure_id]


async def test_the_first_of_a_fingerprint_is_asked_for_and_the_next_ones_are_not(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place, "{first: true}")
    async with embedded_place.consumer(acting(acts)):
        org = await embedded_place.organisation()
        await embedded_place.publish(event(org, "1", workflow_name="w"))
        said = await asked(embedded_place)
        await answer(embedded_place, said)
        await until(lambda: stands(embedded_place, "resolved"))

        async def known() -> bool:
            return bool(await known_fingerprints(embedded_place.db))

        assert await until(known)
        # A plan knows the fleet as of a moment ago: what comes within it is asked for once more than needed.
        await until(lambda: heals_unasked(embedded_place, org, acts))
    assert len(acts) >= 2


async def heals_unasked(place: Site, org: UUID, acts: list[UUID]) -> bool:
    """Publish one more failure of the same kind, and tell whether it was healed and not asked for."""
    number = await place.count("workflow_failures") + 1
    before = len(acts)
    await place.publish(event(org, str(number), workflow_name="w"))

    async def decided() -> bool:
        return len(acts) > before or await place.count("heal_approval") == number

    await until(decided)
    return len(acts) > before


# --- over the command line and the API


async def test_an_operator_reads_the_plan_approves_it_and_is_recorded(embedded_place: Site) -> None:
    acts: list[UUID] = []
    mark(embedded_place)
    async with embedded_place.consumer(acting(acts)) as running:
        said = await one_asked(embedded_place, running)
        assert said.approval is not None
        where = (str(said.failure_id), "--hash", said.approval.plan_hash, "--step", str(said.step), "--reason", "fine")
        shown = await run_shw(embedded_place, "plan", str(said.failure_id))
        assert shown.code == 0, shown.err
        assert json.loads(shown.out)["plan_hash"] == said.approval.plan_hash
        wrong = await run_shw(embedded_place, "approve", where[0], "--hash", "0" * 64, *where[3:])
        assert wrong.code == 1
        assert "another plan" in wrong.err
        ran = await run_shw(embedded_place, "approve", *where, "--by", "Ann")
        assert ran.code == 0, ran.err
        await until(lambda: stands(embedded_place, "resolved"))
        again = await run_shw(embedded_place, "deny", *where, "--by", "Ann")
        assert again.code == 1
        assert "answered before" in again.err
    assert acts == [said.failure_id]
    kept = await embedded_place.db.fetchval("SELECT answered_by FROM heal_approval_answer")
    assert kept == "Ann"


async def test_answers_are_counted_by_whatever_way_they_come(embedded_place: Site) -> None:
    mark(embedded_place)
    async with embedded_place.consumer(acting([])) as running:
        said = await one_asked(embedded_place, running)
        assert said.approval is not None
        plan = ("--hash", said.approval.plan_hash, "--step", str(said.step), "--reason", "fine")
        ran = await run_shw(embedded_place, "approve", str(said.failure_id), *plan)
        assert ran.code == 0, ran.err
        await running.counted("shw_approvals_total", 1, event="approved")
        await until(lambda: stands(embedded_place, "resolved"))
        await embedded_place.publish(event(said.org_id, "2", workflow_name="w2"))
        other = (await until(lambda: _asked_twice(embedded_place)))[-1]
        assert (await answer(embedded_place, other, approves=False)).result is AnswerResult.DENIED
        await running.counted("shw_approvals_total", 1, event="denied")
    assert await embedded_place.count("heal_answer_note") == 0


async def _asked_twice(place: Site) -> list[FailureStatus]:
    told = [one["data"] for one in await place.results() if one["type"] == FAILURE_STATUS_TYPE]
    asked_for = [FailureStatus.model_validate(one) for one in told if one["status"] == "awaiting_approval"]
    return asked_for if len(asked_for) == 2 else []
