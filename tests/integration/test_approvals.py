"""What the catalog marks acts only after a person's yes to that very plan; silence, a no and another plan never act."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import FailureId, Healed, Outcome, Proof
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.approvals import Answered, answer_plan
from consumer.store.pool import transaction
from schemas.heal_result import FAILURE_STATUS_TYPE, FailureStatus
from schemas.names import Effect, Verdict
from tests.support.pipeline import Running, Site, catalog, event, until
from tests.support.worlds.scripted import scripted

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

    async def look() -> FailureStatus | None:
        for told in await place.results():
            if told["type"] == FAILURE_STATUS_TYPE and told["data"]["step"] == step:
                return FailureStatus.model_validate(told["data"])
        return None

    return await until(look)


async def answer(place: Site, said: FailureStatus, **changes: Any) -> Answered:  # noqa: ANN401 - of a test
    """Answer what was asked, in a transaction of its own."""
    assert said.approval is not None
    whole = {"approves": True, "plan_hash": said.approval.plan_hash, "step": said.step, "by": "ann", "reason": "fine"}
    failure_id = changes.pop("failure_id", said.failure_id)
    org_id = changes.pop("org_id", None)
    tell = partial(status_message, outlet=Outlet.of(place.settings.kafka))
    async with transaction(place.db) as connection:
        return await answer_plan(
            connection, FailureId(failure_id), PlanAnswer(**(whole | changes)), tell, org_id=org_id
        )


async def one_asked(place: Site, running: Running) -> FailureStatus:
    """Publish a failure, and wait until its plan is asked for."""
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    said = await asked(place)
    await running.settled(1)
    return said


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
