"""What a plan that is asked for writes and tells: it stands as `awaiting_approval`, without an attempt. Pure."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from consumer.model import Ask, Diagnosed, Diagnosis, Failure, MicroAud, Next, in_aud
from consumer.model.approval import AskedPlan, PlanRequest
from consumer.model.settlement import AskedStep, Message
from consumer.redact import redact_text
from consumer.results.decision import message_of_status
from consumer.results.events import Outlet, evidence_of
from schemas.heal_result import ApprovalRequest, DiagnosisEvidence, FailureStatus
from schemas.names import Code, Status, WaitsOn


def settle_ask(diagnosed: Diagnosed, plan: Ask, now: datetime, outlet: Outlet) -> AskedStep:
    """Compute what a plan that is asked for writes: no attempt; the failure waits for an answer to exactly this."""
    failure, diagnosis = diagnosed.failure, diagnosed.diagnosis
    asked = ask_of(failure, plan.request, now)
    message = asked_message(
        failure, diagnosis, asked, plan.heal.hold, diagnosed.attempt_id, now, plan.catalog_version, outlet
    )
    return AskedStep(failure=failure, diagnosis=diagnosis, asked=asked, next=next_of(plan.request), messages=(message,))


def ask_of(failure: Failure, request: PlanRequest, now: datetime) -> AskedPlan:
    """Return a plan as it is stored with its question, at the step after the present one."""
    return AskedPlan(
        failure_id=failure.id,
        org_id=failure.org_id,
        step=failure.step + 1,
        request=request,
        expires_at=now + request.valid_for,
    )


def next_of(request: PlanRequest) -> Next:
    """Return where a failure stands whose plan is asked for."""
    return Next(status=Status.AWAITING_APPROVAL, due_in=request.valid_for, counts=False)


def asked_message(
    failure: Failure,
    diagnosis: Diagnosis,
    asked: AskedPlan,
    hold: MicroAud,
    attempt_id: UUID,
    now: datetime,
    catalog_version: str,
    outlet: Outlet,
) -> Message:
    """Build the event of a plan that is asked for."""
    request = asked.request
    status = FailureStatus(
        failure_id=failure.id,
        org_id=failure.org_id,
        workflow_name=redact_text(failure.workflow_name),
        failure_type=diagnosis.failure_type,
        step=asked.step,
        status=Status.AWAITING_APPROVAL,
        code=Code.AWAITING_APPROVAL,
        reason="; ".join(request.why),
        waits_on=WaitsOn.APPROVAL,
        approval=told_request(asked, hold, diagnosis),
        changed_at=now,
        catalog_version=catalog_version or None,
    )
    return message_of_status(
        status,
        failure.trace,
        attempt_id.hex[:8],
        outlet,
        message_id=uuid5(attempt_id, "asked"),
        step=failure.step,
        rank=1,
    )


def told_request(asked: AskedPlan, hold: MicroAud, diagnosis: Diagnosis) -> ApprovalRequest:
    """Return what is told of a plan that is asked for."""
    request = asked.request
    return ApprovalRequest(
        plan=dict(request.plan),
        plan_hash=request.plan_hash,
        strategy=request.strategy,
        credits=Decimal(in_aud(hold)),
        expires_at=asked.expires_at,
        why=request.why,
        evidence=tuple(DiagnosisEvidence.model_validate(one) for one in evidence_of(diagnosis)),
        asked=request.asked,
        asks=request.asks,
        approvers=request.approvers,
    )
