"""After a denial or an expiry was answered no effect begins, on either of two replicas; a yes is used once.

`SHW_APPROVAL_ROUNDS=1000 pytest tests/integration/test_approval_rounds.py --timeout 0` for the long run.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import FailureId, Healed, Outcome, Proof
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.plan_answers import Answered, answer_plan
from consumer.store.pool import Connection, Pool, open_pool, transaction
from schemas.names import Effect, Verdict
from tests.support.pipeline import Site, catalog, event, until
from tests.support.worlds.scripted import scripted

ROUNDS: Final = int(os.environ.get("SHW_APPROVAL_ROUNDS", "240"))
AT_ONCE: Final = 12
WATCHED: Final = 0.5
"""Seconds for which all is watched once the last answer is given."""
EFFECTS: Final = 3
PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
KINDS: Final = ("denied", "approved and denied", "approved twice", "denied in its heal", "forged", "expired")
NEVER: Final = frozenset({"denied", "forged", "expired"})


@dataclass(slots=True)
class Effects:
    """When effects began, by failure."""

    began: dict[UUID, list[float]] = field(default_factory=dict)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        """Begin some effects; where it is to be denied in its heal, one after the other until that is so."""
        endless = task.failure.workflow_name == "denied in its heal"
        mine = self.began.setdefault(task.failure.id, [])
        while endless or len(mine) < EFFECTS:
            await gate.begin()
            mine.append(time.monotonic())
            await asyncio.sleep(0.005)
        return PROVEN

    async def has_begun(self, failure_id: UUID) -> bool:
        return bool(self.began.get(failure_id))


@dataclass(frozen=True, slots=True)
class Round:
    """One failure whose plan is asked for."""

    place: Site
    pool: Pool
    effects: Effects
    asked: Any

    async def answer(self, **changes: Any) -> AnswerResult:  # noqa: ANN401 - of a test
        """Answer in a transaction of its own, and only once the answer holds."""
        given: dict[str, Any] = {
            "approves": True, "plan_hash": self.asked["plan_hash"], "step": self.asked["step"], "by": "ann",
            "reason": "a round",
        }  # fmt: skip
        answered = await answered_in(self.place, self.pool, self.asked["failure_id"], PlanAnswer(**(given | changes)))
        if answered.revoked:
            await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
        return answered.result

    async def play(self) -> tuple[UUID, float]:
        """Play the round; returns when its last answer was given."""
        failure_id, kind = self.asked["failure_id"], self.asked["workflow_name"]
        match kind:
            case "denied":
                assert await self.answer(approves=False) is AnswerResult.DENIED
            case "approved and denied":
                both = await asyncio.gather(self.answer(), self.answer(approves=False, by="bob"))
                assert both[1] is AnswerResult.DENIED
                assert both[0] in {AnswerResult.APPROVED, AnswerResult.ANSWERED}
            case "approved twice":
                said = await asyncio.gather(self.answer(), self.answer(), self.answer(by="bob"))
                assert sorted(said).count(AnswerResult.APPROVED) == 1
            case "denied in its heal":
                assert await self.answer() is AnswerResult.APPROVED
                await until(partial(self.effects.has_begun, failure_id))
                assert await self.answer(approves=False, by="bob") is AnswerResult.DENIED
            case "forged":
                assert await self.answer(plan_hash="0" * 64) is AnswerResult.OTHER_PLAN
                assert await self.answer(step=self.asked["step"] + 1) is AnswerResult.OTHER_STEP
            case _:
                late = "UPDATE heal_approval SET expires_at = clock_timestamp() WHERE failure_id = $1"
                await self.place.db.execute(late, failure_id)
                assert await self.answer() in {AnswerResult.EXPIRED, AnswerResult.OTHER_STEP}
        return failure_id, time.monotonic()


async def answered_in(place: Site, pool: Pool, failure_id: UUID, answer: PlanAnswer) -> Answered:
    tell = partial(status_message, outlet=Outlet.of(place.settings.kafka))
    async with transaction(pool) as connection:
        return await answer_plan(connection, FailureId(failure_id), answer, tell)


ASKED = """
SELECT a.failure_id, a.plan_hash, a.step, f.workflow_name FROM heal_approval a
  JOIN workflow_failures f ON f.id = a.failure_id WHERE a.state = 'asked'
"""


async def all_asked(place: Site, number: int) -> list[Any]:
    found = await place.db.fetch(ASKED)
    return found if len(found) == number else []


@pytest.mark.timeout(600)
async def test_no_effect_begins_after_a_denial_or_an_expiry_was_answered(embedded_place: Site) -> None:
    place, effects = embedded_place, Effects()
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(catalog(9, approval="{strategies: [auto-retry], valid_for: PT1H}"))
    org = await place.organisation("100")
    turns = asyncio.Semaphore(AT_ONCE)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(place.settings.postgres))
        for _ in range(2):
            await stack.enter_async_context(place.consumer(scripted(effects.heal, Effect.KEYED)))
        await place.publish(*(event(org, n, workflow_name=KINDS[n % len(KINDS)]) for n in range(ROUNDS)))
        plans = await until(partial(all_asked, place, ROUNDS))
        assert effects.began == {}

        async def one(plan: Any) -> tuple[UUID, float]:  # noqa: ANN401 - asyncpg's record
            async with turns:
                return await Round(place, pool, effects, plan).play()

        answered = dict(await asyncio.gather(*map(one, plans)))
        twice = {plan["failure_id"] for plan in plans if plan["workflow_name"] == "approved twice"}
        await until(partial(all_resolved, place, len(twice)))
        await asyncio.sleep(WATCHED)
    for plan in plans:
        kind, began = plan["workflow_name"], effects.began.get(plan["failure_id"], [])
        if plan["failure_id"] in twice:
            assert len(began) == EFFECTS, kind
        elif kind in NEVER:
            assert began == [], kind
        else:
            assert all(at <= answered[plan["failure_id"]] for at in began), kind


async def all_resolved(place: Site, number: int) -> bool:
    return await place.count("workflow_failures WHERE status = 'resolved'") >= number


class Broken(Exception):
    """A connection that breaks."""


class Breaking:
    """A connection that breaks after so many statements."""

    def __init__(self, connection: Connection, after: int) -> None:
        self._connection = connection
        self.left = after

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the connection's own
        called = getattr(self._connection, name)

        async def counted(*given: Any) -> Any:  # noqa: ANN401
            result = await called(*given)
            self.left -= 1
            if self.left == 0:
                raise Broken
            return result

        return counted


STANDING = """
SELECT (f.status, f.step, a.state, a.valid_step, (SELECT count(*) FROM heal_approval_answer),
        (SELECT count(*) FROM heal_outbox b WHERE b.owner = 'person'))::text
  FROM workflow_failures f JOIN heal_approval a ON a.failure_id = f.id
"""


@pytest.mark.parametrize("approves", [True, False], ids=["approve", "deny"])
async def test_an_answer_that_breaks_between_any_two_statements_has_changed_nothing(
    embedded_place: Site, *, approves: bool
) -> None:
    place, effects = embedded_place, Effects()
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(catalog(9, approval="{strategies: [auto-retry], valid_for: PT1H}"))
    async with place.consumer(scripted(effects.heal, Effect.KEYED)) as running:
        await place.publish(event(await place.organisation(), 1, workflow_name="w"))
        (plan,) = await until(partial(all_asked, place, 1))
        await running.settled(1)
    before = await place.db.fetchval(STANDING)
    tell = partial(status_message, outlet=Outlet.of(place.settings.kafka))
    given = PlanAnswer(approves=approves, plan_hash=plan["plan_hash"], step=plan["step"], by="ann", reason="r")
    breaks = 0
    async with open_pool(place.settings.postgres) as pool:
        for after in range(1, 20):
            try:
                async with transaction(pool) as connection:
                    breaking: Any = Breaking(connection, after)
                    done = await answer_plan(breaking, FailureId(plan["failure_id"]), given, tell)
            except Broken:
                breaks += 1
                assert await place.db.fetchval(STANDING) == before
                continue
            assert done.result is (AnswerResult.APPROVED if approves else AnswerResult.DENIED)
            break
        # The commit's answer was lost: whoever asks again is told, and nothing is done twice.
        again = await answered_in(place, pool, plan["failure_id"], given)
    assert breaks >= 6
    assert again.result is AnswerResult.ALREADY
