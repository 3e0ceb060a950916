"""Plans over HTTP: an owner or admin reads what is asked for of a failure, and says yes or no to exactly that."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints, signed_in
from consumer.api.shown import ApiReply
from consumer.api.shown_plan import shown_plan
from consumer.api.tokens import User
from consumer.model import FailureId, JsonObject
from consumer.model.approval import CHANGED, REFUSALS, AnswerResult, ChangedPlan, PlanAnswer
from consumer.model.plan import ChangePlan
from consumer.redact import redact_text
from consumer.store import reports
from consumer.store.approvals import failure_of, shown_approval
from consumer.store.decisions import TellChange
from consumer.store.plan_answers import Answered, answer_plan
from schemas.reason import Reason

log = structlog.get_logger(__name__)


class PlanAnswerBody(BaseModel):
    """Which plan is answered, by its hash and the step at which it was asked for, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan_hash: Annotated[str, Field(alias="planHash", min_length=1, max_length=128)]
    step: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    reason: Reason


class PlanApprovalBody(PlanAnswerBody):
    """A yes, and with changes the new parts of the context: `{"payload": ...}` or `{"request": ...}`."""

    changes: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalEndpoints:
    """What the endpoints of plans need of other rooms."""

    tell: TellChange
    holds_after: timedelta
    """Time after its commit from which the denial of a heal under way holds: only then it is answered."""
    wake: Callable[[], None]
    change: ChangePlan


def add_approvals(router: APIRouter, healing: HealingEndpoints, parts: ApprovalEndpoints) -> None:
    """Add the endpoints of plans."""

    @router.get("/failures/{failure_id}/plan")
    async def plan(failure_id: UUID, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Give the plan of a failure that was asked for last, whole, and the answers to it."""
        async with healing.as_user(user) as connection:
            visible = await reports.visible_organisation(connection, FailureId(failure_id))
            await reports.become_service(connection)
            found = await shown_approval(connection, FailureId(failure_id)) if visible is not None else None
        if found is None:
            raise _refused(AnswerResult.NOT_FOUND)
        return ApiReply(shown_plan(found))

    @router.post("/failures/{failure_id}/plan/approve")
    async def approve(failure_id: UUID, body: PlanApprovalBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Say yes to exactly this plan, or to it with changes."""
        changed = await _change(healing, parts, failure_id, body.changes, user) if body.changes is not None else None
        answered = await answer_as_user(healing, parts, failure_id, body, user, approves=True, changed=changed)
        return _reply(failure_id, answered)

    @router.post("/failures/{failure_id}/plan/deny")
    async def deny(failure_id: UUID, body: PlanAnswerBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Say no to exactly this plan; once it is answered, no effect of it begins."""
        return _reply(failure_id, await answer_as_user(healing, parts, failure_id, body, user, approves=False))


async def _change(
    healing: HealingEndpoints, parts: ApprovalEndpoints, failure_id: UUID, changes: JsonObject, user: User
) -> ChangedPlan:
    async with healing.as_user(user) as connection:
        visible = await reports.visible_organisation(connection, FailureId(failure_id))
        await reports.become_service(connection)
        failure = await failure_of(connection, FailureId(failure_id)) if visible is not None else None
    if failure is None:
        raise _refused(AnswerResult.NOT_FOUND)
    changed = await parts.change(failure, changes)
    if isinstance(changed, str):
        raise ApiError(HTTPStatus.CONFLICT, "changes_refused", redact_text(changed)[:1000])
    return changed


async def answer_as_user(
    healing: HealingEndpoints,
    parts: ApprovalEndpoints,
    failure_id: UUID,
    body: PlanAnswerBody,
    user: User,
    *,
    approves: bool,
    changed: ChangedPlan | None = None,
) -> Answered:
    """Have a user answer a plan; ApiError where it is not theirs to see, or cannot be answered so."""
    answer = PlanAnswer(
        approves=approves,
        plan_hash=body.plan_hash,
        step=body.step,
        by=str(user.id),
        reason=body.reason,
        changed=changed,
    )
    async with healing.as_user(user, readonly=False) as connection:
        visible = await reports.visible_organisation(connection, FailureId(failure_id))
        await reports.become_service(connection)
        answered = Answered(result=AnswerResult.NOT_FOUND)
        if visible is not None:
            answered = await answer_plan(connection, FailureId(failure_id), answer, parts.tell)
    log.info(
        "plan_answered",
        failure_id=str(failure_id),
        user=str(user.id),
        result=answered.result,
        plan_hash=body.plan_hash,
        step=body.step,
    )
    if answered.result not in CHANGED | {AnswerResult.ALREADY}:
        raise _refused(answered.result)
    parts.wake()
    if answered.revoked:
        await asyncio.sleep(parts.holds_after.total_seconds())
    return answered


def _reply(failure_id: UUID, answered: Answered) -> ApiReply:
    told = {"result": answered.result, "planHash": answered.plan_hash, "wanting": answered.wanting}
    return ApiReply({"failureId": str(failure_id), **told})


def _refused(result: AnswerResult) -> ApiError:
    status = HTTPStatus.NOT_FOUND if result is AnswerResult.NOT_FOUND else HTTPStatus.CONFLICT
    why = REFUSALS[result]
    return ApiError(status, result, f"{why[:1].upper()}{why[1:]}.")
