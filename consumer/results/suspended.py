"""Builds the event of a heal's first suspension. Pure."""

from datetime import datetime
from typing import Final
from uuid import uuid5

from consumer.model import Claim, Diagnosis, Failure, Message
from consumer.redact import redact_text
from consumer.results.decision import message_of_status
from consumer.results.events import Outlet
from schemas.heal_result import FailureStatus
from schemas.names import Status, WaitsOn

BEFORE_ATTEMPT: Final = -1
"""Rank of what is told of a step before its attempt."""
_REASON_LENGTH: Final = 300


def waits_for(reason: str) -> str:
    """Return what a suspended heal waits for, as it is stored and told: redacted, and cut at a limit."""
    return redact_text(reason)[:_REASON_LENGTH]


def suspended_message(
    failure: Failure, diagnosis: Diagnosis, claim: Claim, reason: str, now: datetime, until: datetime, outlet: Outlet
) -> Message:
    """Build the event of a heal that is suspended until a time: its id is the same for each suspension of a heal."""
    status = FailureStatus(
        failure_id=failure.id,
        org_id=failure.org_id,
        workflow_name=redact_text(failure.workflow_name),
        failure_type=diagnosis.failure_type,
        step=claim.step,
        status=Status.PENDING,
        reason=waits_for(reason),
        due_at=until,
        waits_on=WaitsOn.TIME,
        suspended_until=until,
        changed_at=now,
    )
    return message_of_status(
        status,
        failure.trace,
        claim.attempt_id.hex[:8],
        outlet,
        message_id=uuid5(claim.attempt_id, "suspended"),
        step=claim.step,
        rank=BEFORE_ATTEMPT,
    )
