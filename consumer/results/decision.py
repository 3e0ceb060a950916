"""Builds the event for a change of a failure's status that no heal has published, such as a decision. Pure."""

from decimal import Decimal
from uuid import UUID, uuid5

from consumer.model import FailureId, Message
from consumer.model.decision import StatusChange
from consumer.model.failure import Trace
from consumer.results.events import Outlet, event_message
from schemas.events import failure_status_event
from schemas.heal_result import ApprovalRequest, FailureStatus
from schemas.names import Status, StrategyName, WaitsOn
from schemas.trace import NO_TRACE
from schemas.trace import Trace as EventTrace


def status_message(change: StatusChange, outlet: Outlet) -> Message:
    """Build the event for a decision, or for another change of the failure's status that no heal has published."""
    status = FailureStatus(
        failure_id=change.failure_id,
        org_id=change.org_id,
        workflow_name=change.workflow_name,
        failure_type=change.failure_type,
        step=change.step,
        status=change.status,
        reason=change.reason,
        approval=_approved(change),
        waits_on=WaitsOn.PERSON if change.status is Status.NEEDS_PERSON else None,
        changed_at=change.at,
    )
    before = change.step - 1
    return message_of_status(
        status,
        change.trace,
        change.token,
        outlet,
        message_id=uuid5(change.failure_id, f"status:{before}:{change.token}"),
        step=before,
        rank=1,
    )


def _approved(change: StatusChange) -> ApprovalRequest | None:
    plan = change.changed_plan
    if plan is None:
        return None
    return ApprovalRequest(
        plan=dict(plan.plan),
        plan_hash=plan.plan_hash,
        strategy=StrategyName(str(plan.plan["strategy"])),
        credits=Decimal(str(plan.plan["price_ceiling_aud"])),
        expires_at=change.at,
        why=("approved with changes",),
        approved_by=(change.approved_by,),
    )


def message_of_status(
    status: FailureStatus, trace: Trace | None, token: str, outlet: Outlet, *, message_id: UUID, step: int, rank: int
) -> Message:
    """Build the message of a status that stands beside a failure's attempts; `token` tells it from others of a step."""
    event_trace = EventTrace(trace.traceparent, trace.tracestate) if trace else NO_TRACE
    event = failure_status_event(status, event_trace, token)
    failure_id = FailureId(status.failure_id)
    return event_message(event, outlet, message_id=message_id, failure_id=failure_id, step=step, rank=rank)
