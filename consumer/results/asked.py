"""What a plan that is asked for writes and tells: its failure stands as `awaiting_approval`, and holds nothing. Pure.

Most are asked for before anything is claimed, and make no attempt. The edits of a payload are known only once it is
repaired: that heal ends before any effect, with an attempt that is not counted.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from consumer.catalog import Catalog, WorkflowPolicy
from consumer.model import Ask, Diagnosed, Diagnosis, Failure, MicroAud, Next, Refused, Settlement, in_aud
from consumer.model.approval import AskedPlan, PlanRequest
from consumer.model.message import Message
from consumer.model.settlement import AskedStep
from consumer.plan.approval import describe_plan, request_for, silence_reason
from consumer.redact import redact_text
from consumer.results.decision import message_of_status
from consumer.results.events import Outlet, evidence_of
from consumer.results.settlement import FinishedHeal, GoesOn, settle_heal
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


def settle_or_ask(
    ended: FinishedHeal, policy: WorkflowPolicy, catalog: Catalog, dice: float, outlet: Outlet, goes_on: GoesOn
) -> Settlement:
    """Compute what a finished heal writes; one that found edits that need a yes asks for exactly them."""
    outcome, heal, rules = ended.outcome, ended.own_plan, policy.approval
    if not isinstance(outcome, Refused) or outcome.edits is None or heal is None or rules is None:
        return settle_heal(ended, policy, dice, outlet, goes_on)
    failure, described = ended.failure, describe_plan(heal, ended.failure, policy, catalog)
    request = request_for(described, heal, failure, rules, (outcome.reason,), edits=outcome.edits)
    if request is None:
        code = Code.UNANSWERED if rules.on_expiry == "hold" else Code.REFUSED
        silent = Refused(code=code, reason=silence_reason(rules))
        return settle_heal(replace(ended, outcome=silent), policy, dice, outlet, goes_on)
    settled, at = settle_heal(ended, policy, dice, outlet, goes_on), ended.finished_at
    asked = ask_of(failure, request, at)
    told = asked_message(
        failure, ended.diagnosis, asked, heal.hold, settled.attempt.id, at, heal.catalog_version, outlet
    )
    return replace(settled, asked=asked, messages=(settled.messages[0], told))


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
