"""The demo's act of approvals: one plan is approved, one is denied, and one that nobody answers is asked again."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx2

from consumer.demo.acts import Scene
from consumer.demo.billing import NAME as BILLING
from consumer.demo.billing import BillingAct, seen_so_far
from consumer.demo.patience import PATIENCE
from consumer.demo.refunds import APPROVED, CORRECTED, DENIED, RIGHT_ORDER, UNANSWERED, WRONG_ORDER, order_of_refund
from consumer.demo.rewrites import BROKEN
from consumer.model import FailureId, JsonObject
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.plan_answers import answer_plan

_ASKED: Final = """
SELECT a.failure_id, a.plan_hash, a.step FROM heal_approval a JOIN workflow_failures f ON f.id = a.failure_id
 WHERE f.workflow_name = $1 AND a.state = 'asked'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner of the organisation that pays, signed in at a consumer's API."""

    api: str
    token: str


async def play_approvals(scene: Scene, owner: Owner) -> BillingAct:
    """Wait until the plans are asked for, and answer all but one of them, as a supervisor and an owner do."""
    waiting = "awaiting_approval"

    def asked(name: str) -> bool:
        one = scene.board.look.of(name)
        return one is not None and one.status == waiting

    await scene.board.until(lambda _: all(map(asked, (APPROVED, DENIED, BILLING, CORRECTED, BROKEN))), PATIENCE)
    billing = seen_so_far(scene.place.world.record)
    for name, approves in ((APPROVED, True), (DENIED, False), (BILLING, True), (BROKEN, True)):
        result = await _answer(scene, name, approves=approves)
        scene.view.say(f"the plan of {name} waited for a yes: {result}")
    corrected = await _correct(scene, owner)
    scene.view.say(f"the plan of {CORRECTED} was for {WRONG_ORDER}: {corrected} for {RIGHT_ORDER}, over the API")
    scene.view.say(f"the plan of {UNANSWERED} is answered by nobody: it is asked again, and silence is no yes")
    scene.view.say(f"another definition of {BROKEN} is proposed and proven: approved, it makes one run before all")
    scene.view.say(f"{billing.applied} missed events of billing were applied before; its refund waited for a yes")
    return billing


async def _correct(scene: Scene, owner: Owner) -> str:
    """Approve a plan with changes; returns the result, or what was answered instead."""
    connection: Any = scene.place.connection
    plan = await connection.fetchrow(_ASKED, CORRECTED)
    if plan is None:
        return "it was not asked for"
    answer: JsonObject = {
        "planHash": plan["plan_hash"],
        "step": plan["step"],
        "reason": "guest 7 is meant",
        "changes": {"request": order_of_refund(scene.place.world, RIGHT_ORDER)},
    }
    headers = {"Authorization": f"Bearer {owner.token}"}
    async with httpx2.AsyncClient(timeout=PATIENCE.total_seconds(), trust_env=False, headers=headers) as client:
        said = await client.post(f"{owner.api}/api/healing/failures/{plan['failure_id']}/plan/approve", json=answer)
    return str(said.json()["result"]) if said.is_success else f"it answered {said.status_code}"


async def _answer(scene: Scene, name: str, *, approves: bool) -> AnswerResult | None:
    connection: Any = scene.place.connection
    tell = partial(status_message, outlet=Outlet.of(scene.place.kafka))
    async with connection.transaction():
        plan = await connection.fetchrow(_ASKED, name)
        if plan is None:
            return None
        answer = PlanAnswer(
            approves=approves,
            plan_hash=plan["plan_hash"],
            step=plan["step"],
            by="the demo's supervisor",
            reason="it is as it should be" if approves else "this refund was paid in cash",
        )
        return (await answer_plan(connection, FailureId(plan["failure_id"]), answer, tell)).result
