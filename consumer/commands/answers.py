"""Executors of answers to plans: approve and deny, by the plan's hash and the step at which it was asked for."""

from typing import assert_never

from consumer.commands.hands import Hands
from consumer.model import FailureId, JsonObject
from consumer.model.approval import REFUSALS, AnswerResult, ChangedPlan, PlanAnswer
from consumer.model.command import Executed, Order
from consumer.store.approvals import failure_of
from consumer.store.plan_answers import Answered, answer_plan
from schemas.names import CommandOutcome
from schemas.supervision import Approve, Deny


async def answer_by_command(hands: Hands, order: Order) -> Executed:
    """Approve or deny a plan."""
    command = order.command
    assert isinstance(command, Approve | Deny)  # noqa: S101 - the table of executors pairs them
    failure_id = FailureId(command.failure_id)
    changed: ChangedPlan | None = None
    if isinstance(command, Approve) and command.changes is not None:
        made = await _change(hands, failure_id, command.changes)
        if isinstance(made, str):
            return Executed(outcome=CommandOutcome.REFUSED, reason=f"the changes: {made}")
        changed = made
    answer = PlanAnswer(
        approves=isinstance(command, Approve),
        plan_hash=command.plan_hash,
        step=command.step,
        by=order.facts.by,
        reason=command.reason,
        changed=changed,
    )
    return _executed(await answer_plan(hands.connection, failure_id, answer, hands.tell, org_id=order.facts.org_id))


async def _change(hands: Hands, failure_id: FailureId, changes: JsonObject) -> ChangedPlan | str:
    """Return the plan under the changes, or why there is none; `answer_plan` then judges hash, step and person."""
    failure = await failure_of(hands.connection, failure_id)
    if failure is None or hands.change is None:
        return "no plan of it can be approved with changes"
    return await hands.change(failure, changes)


def _executed(answered: Answered) -> Executed:
    match answered.result:
        case AnswerResult.APPROVED:
            details: JsonObject = {"plan_hash": answered.plan_hash}
            return Executed(outcome=CommandOutcome.ACCEPTED, step=answered.step, details=details)
        case AnswerResult.DENIED:
            return Executed(outcome=CommandOutcome.ACCEPTED, revokes=answered.revoked)
        case AnswerResult.COUNTED:
            reason = f"counted: {answered.wanting} more have to approve"
            return Executed(outcome=CommandOutcome.ACCEPTED, reason=reason)
        case AnswerResult.ALREADY:
            return Executed(outcome=CommandOutcome.ALREADY, reason="this answer stands already")
        case AnswerResult.NOT_FOUND:
            return Executed(outcome=CommandOutcome.NOT_FOUND, reason="no such failure in that organisation")
        case (
            AnswerResult.NOT_ASKED
            | AnswerResult.OTHER_PLAN
            | AnswerResult.OTHER_STEP
            | AnswerResult.EXPIRED
            | AnswerResult.ANSWERED
            | AnswerResult.OWN_REQUEST
            | AnswerResult.OTHER_CHANGES
        ):
            return Executed(outcome=CommandOutcome.REFUSED, reason=REFUSALS[answered.result])
        case _:
            assert_never(answered.result)
