"""One worked example of every message: in the documents, in the README, and in the tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from schemas.bulk import BulkOutcome, BulkProgress
from schemas.definition_change import DefinitionChanged, DefinitionState
from schemas.dependency_binding import BindingState, DependencyBinding
from schemas.envelope import Envelope
from schemas.events import (
    budget_warning_event,
    bulk_progress_event,
    command_result_event,
    definition_change_event,
    dependency_binding_event,
    failure_status_event,
    heal_result_event,
    pause_event,
)
from schemas.failure import FAILURE_TYPE
from schemas.heal_result import (
    ApprovalRequest,
    BudgetWarning,
    Credits,
    DiagnosisEvidence,
    Evidence,
    FailureStatus,
    Handover,
    HealResult,
    PauseStatus,
    Recovered,
)
from schemas.json_text import to_json
from schemas.names import (
    BudgetWarningKind,
    BulkAction,
    BulkState,
    Code,
    CommandName,
    CommandOutcome,
    Disposition,
    FailureType,
    PauseState,
    Result,
    Status,
    StrategyName,
    Verdict,
    WaitsOn,
)
from schemas.supervision import COMMAND_TYPE, HEARTBEAT_TYPE, CommandResult
from schemas.trace import Trace

ORGANISATION: Final = UUID("6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f")
FAILURE: Final = UUID("0b7f6c1e-9f0d-5a44-8d2b-6f3a1c9e7d55")
ATTEMPT: Final = UUID("c2a8e4d0-51b7-5f9e-a3c6-0d1e2f3a4b5c")
BULK: Final = "3c1fbb0c-1a3a-5d0e-9c53-6a2f0d1e7a11"
NOON: Final = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
TRACE: Final = Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=opaque")
_PLAN: Final[dict[str, Any]] = {"strategy": "DeepAgent-full-workflow-rewrite", "changes": ["render-cover: new prompt"]}


def failure() -> Envelope:
    """Make a failed call that may be made again, with all that auto-retry understands."""
    context = {
        "error": {"code": "ETIMEDOUT", "type": "httpx.ReadTimeout", "http_status": 504, "provider": "invoices"},
        "run": {"id": "run-2291", "epoch": 1, "step": "fetch-invoice", "status": "executing"},
        "request": {
            "method": "POST",
            "url": "https://invoices.example.com/v1/invoices",
            "headers": {"authorization": "secret://INVOICES_TOKEN"},
            "body": {"customer": "c-77", "amount_aud": "129.00"},
            "effect": "keyed",
            "idempotency_key": "run-2291-fetch-invoice",
            "timeout_seconds": 10,
            "expect": {
                "status": [200, 201],
                "schema": {"type": "object", "required": ["id", "status"]},
                "json": [{"path": "/status", "one_of": ["open", "paid"]}],
            },
            "read_back": {
                "url": "https://invoices.example.com/v1/invoices?key=run-2291-fetch-invoice",
                "headers": {"authorization": "secret://INVOICES_TOKEN"},
                "expect": {"json": [{"path": "/invoices/0/id", "exists": True}]},
                "absent": {"json": [{"path": "/invoices", "equals": []}]},
                "after_seconds": 20,
            },
        },
        "resume": {"url": "https://runs.example.com/runs/run-2291/steps/fetch-invoice/result"},
    }
    data = {
        "org_id": str(ORGANISATION),
        "workflow_name": "billing.invoice-sync",
        "failure_reason": "Request timeout after 10000ms: POST /v1/invoices",
        "context": context,
        "detected_at": "2026-03-14T11:59:58Z",
    }
    return _inbound(FAILURE_TYPE, "evt-8841", "run-2291", data)


def heal_result() -> Envelope:
    """Make a verified heal of that failure."""
    body = {"id": "in_1", "status": "open"}
    result = HealResult(
        attempt_id=ATTEMPT,
        failure_id=FAILURE,
        org_id=ORGANISATION,
        workflow_name="billing.invoice-sync",
        failure_type=FailureType.API_TIMEOUT,
        disposition=Disposition.RETRY_NOW,
        strategy=StrategyName.AUTO_RETRY,
        result=Result.SUCCESS,
        status=Status.RESOLVED,
        step=1,
        attempted_at=NOON,
        finished_at=NOON + timedelta(seconds=1.25),
        credits=Credits(held=Decimal("0.05"), spent=Decimal("0.01")),
        evidence=(
            Evidence(oracle="http_status", verdict=Verdict.PASSED, detail="201 is among 200, 201"),
            Evidence(oracle="json_schema", verdict=Verdict.PASSED, detail="the body follows the caller's schema"),
        ),
        diagnosis=(
            DiagnosisEvidence(rule="timeout.word", detail="Request timeout", failure_type=FailureType.API_TIMEOUT),
        ),
        confidence=0.86,
        details={"calls": 1},
        recovered=Recovered(
            status=201,
            headers={"content-type": "application/json"},
            body=body,
            bytes=30,
            digest=sha256(b'{"id":"in_1","status":"open"}\n').hexdigest(),
        ),
        handover=Handover(delivered=True, status=202),
        catalog_version="2026-03-01",
    )
    return heal_result_event(result, TRACE)


def budget_warning() -> Envelope:
    """Make a wallet of which little is left."""
    warning = BudgetWarning(
        warning_id=UUID("3a1f6f0e-98a4-4a0f-9c39-2f0c6a5b7d11"),
        org_id=ORGANISATION,
        warning_type=BudgetWarningKind.TEXT_LOW,
        threshold_percent=20,
        remaining=Decimal("9.95"),
        filled=Decimal(50),
        message="9.95 AUD of 50 are left of the text budget: 20 % or less",
        warned_at=NOON,
    )
    return budget_warning_event(warning)


def pause() -> Envelope:
    """Make a pause of one dependency for two hours."""
    status = PauseStatus(
        pause_id=UUID("7d0c2a4e-5f1b-4c55-9a58-0e6f3c1b2d90"),
        state=PauseState.IN_FORCE,
        org_id=ORGANISATION,
        dependency="https://invoices.example.com:443",
        reason="the invoice service is being moved",
        paused_by="ops@example.com",
        starts_at=NOON,
        ends_at=NOON + timedelta(hours=2),
        changed_at=NOON,
    )
    return pause_event(status)


def dependency_binding() -> Envelope:
    """Make a dependency that is ill, and whose calls all go to what stands in for it."""
    binding = DependencyBinding(
        org_id=ORGANISATION,
        dependency="translate",
        version=2,
        state=BindingState.WHOLE,
        candidate="second",
        share=1.0,
        lease_until=NOON + timedelta(minutes=1),
        ejections=1,
        reason="second has answered 3 calls in a row as the contract demands",
        evidence=[
            {"source": "failure", "says": "ill", "detail": "the failed call was answered 503"},
            {"source": "health", "says": "ill", "detail": "the health call was answered 503"},
        ],
        changed_at=NOON,
    )
    return dependency_binding_event(binding)


def definition_change() -> Envelope:
    """Make a definition that is in force since its canary succeeded."""
    changed = DefinitionChanged(
        org_id=ORGANISATION,
        workflow_name="covers",
        failure_id=FAILURE,
        attempt_id=ATTEMPT,
        rewrite_id=FAILURE,
        state=DefinitionState.WATCHING,
        digest="b1" * 32,
        base_digest="a0" * 32,
        version="7",
        reason="its canary run has succeeded",
        changed_at=NOON,
    )
    return definition_change_event(changed)


def failure_status() -> Envelope:
    """Make a plan that waits for approval."""
    status = FailureStatus(
        failure_id=FAILURE,
        org_id=ORGANISATION,
        workflow_name="magazine.cover",
        failure_type=FailureType.UNKNOWN,
        step=3,
        status=Status.AWAITING_APPROVAL,
        code=Code.NOT_HEALED,
        reason="what is cheap and certain did not heal it; a rewrite needs approval",
        due_at=NOON + timedelta(hours=4),
        waits_on=WaitsOn.APPROVAL,
        approval=ApprovalRequest(
            plan=_PLAN,
            plan_hash=plan_hash(),
            strategy=StrategyName.WORKFLOW_REWRITE,
            credits=Decimal("0.50"),
            expires_at=NOON + timedelta(hours=4),
        ),
        changed_at=NOON,
        catalog_version="2026-03-01",
    )
    return failure_status_event(status, TRACE)


def command_result() -> Envelope:
    """Make the answer to an approval."""
    result = CommandResult(
        command_id="cmd-17-approve",
        issuer="maos",
        command=CommandName.APPROVE,
        issued_by="maos:supervisor (maos)",
        key_id="maos-2026-03",
        outcome=CommandOutcome.ACCEPTED,
        org_id=ORGANISATION,
        failure_id=FAILURE,
        decided_at=NOON + timedelta(minutes=5),
    )
    return command_result_event(result)


def bulk_progress() -> Envelope:
    """Make an event of a bulk under way."""
    progress = BulkProgress(
        bulk_id=UUID(BULK),
        number=2,
        org_id=ORGANISATION,
        action=BulkAction.HEAL,
        state=BulkState.RUNNING,
        failures=120,
        waiting=80,
        accepted=38,
        already=2,
        refused=0,
        under_way=3,
        healed=34,
        outcomes=(BulkOutcome(failure_id=FAILURE, outcome=CommandOutcome.ACCEPTED, result=Result.SUCCESS),),
        at=NOON + timedelta(minutes=6),
    )
    return bulk_progress_event(progress)


def commands() -> tuple[Envelope, ...]:
    """Make one command of each name."""
    one = {"org_id": str(ORGANISATION), "failure_id": str(FAILURE), "issued_by": "maos:supervisor"}
    answer = {**one, "plan_hash": plan_hash(), "step": 3}
    reach = {"org_id": str(ORGANISATION), "strategy": "auto-retry", "issued_by": "ops@example.com"}
    data: tuple[dict[str, Any], ...] = (
        {"command": "approve", **answer, "reason": "the new prompt is harmless"},
        {"command": "deny", **answer, "reason": "the old cover is wanted"},
        {"command": "heal", **one},
        {"command": "give_up", **one, "reason": "the order was cancelled"},
        {"command": "resolve", **one, "reason": "booked by hand"},
        {"command": "did_not_happen", **one, "reason": "the payment provider has no such charge"},
        {"command": "edit", **one, "payload": {"customer": "c-77"}, "reason": "the customer's number was missing"},
        {
            "command": "bulk",
            "org_id": str(ORGANISATION),
            "issued_by": "ops@example.com",
            "action": "heal",
            "filter": {"workflow_name": "billing.invoice-sync", "code": "retry_later"},
        },
        {"command": "bulk_start", "org_id": str(ORGANISATION), "issued_by": "ops@example.com", "bulk_id": BULK},
        {"command": "bulk_stop", "org_id": str(ORGANISATION), "issued_by": "ops@example.com", "bulk_id": BULK},
        {"command": "pause", **reach, "until": "2026-03-14T14:00:00Z", "reason": "the invoice service is being moved"},
        {"command": "resume", **reach},
    )
    return tuple(_inbound(COMMAND_TYPE, f"cmd-17-{each['command']}", str(FAILURE), each) for each in data)


def heartbeat() -> Envelope:
    """Make a run's sign of life."""
    data = {
        "org_id": str(ORGANISATION),
        "workflow_name": "billing.invoice-sync",
        "run_id": "run-2291",
        "run_epoch": 1,
        "step": "fetch-invoice",
        "status": "executing",
        "progress": 41,
        "beat_at": "2026-03-14T12:00:00Z",
    }
    return _inbound(HEARTBEAT_TYPE, "beat-2291-41", "run-2291", data)


def plan_hash() -> str:
    """Hash the example's plan."""
    return sha256(to_json(_PLAN)).hexdigest()


def _inbound(kind: str, event_id: str, subject: str, data: dict[str, Any]) -> Envelope:
    return Envelope(
        data=data,
        id=event_id,
        source="urn:platform:orchestrator",
        type=kind,
        subject=subject,
        time=NOON,
        traceparent=TRACE.parent,
        tracestate=TRACE.state,
    )
