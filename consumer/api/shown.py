"""JSON forms of failures and attempts in the API: camelCase, redacted even where a member inserted them. Pure."""

import base64
import binascii
from typing import Final
from uuid import UUID

import orjson
from fastapi.responses import JSONResponse
from pydantic_core import from_json, to_json

from consumer.api.shown_assets import shown_asset
from consumer.model import FailureId, Json
from consumer.redact import may_hold_secret, redact_json, redact_text
from consumer.store.attempts import ReportedAttempt
from consumer.store.reports import Counts, FailureState, PageEnd, ReportedFailure

UNREADABLE: Final = {"unreadable": "nested too deeply, too large, or with numbers too long, to be shown"}


class ApiReply(JSONResponse):
    """JSON response that is always valid JSON: a member's 1e400 reads as an infinity, which is written as null."""

    def render(self, content: object) -> bytes:
        """Serialize the body."""
        return to_json(content, inf_nan_mode="null")


def failure_size(failure: ReportedFailure) -> int:
    """Return about how many bytes have to be read to render a failure."""
    return len(failure.context or "") + len(failure.failure_reason)


def attempt_size(attempt: ReportedAttempt) -> int:
    """Return about how many bytes have to be read to render an attempt."""
    return len(attempt.details or "")


def shown_failure(failure: ReportedFailure) -> dict[str, object]:
    """Render a failure in the original service's form."""
    return {
        "id": str(failure.id),
        "orgId": str(failure.org_id),
        "workflowName": redact_text(failure.workflow_name),
        "failureReason": redact_text(failure.failure_reason),
        "context": shown_json(failure.context) if failure.omitted is None else _omitted(failure),
        "detectedAt": failure.detected_at,
        "resolved": failure.resolved,
    }


def shown_alone(failure: ReportedFailure) -> dict[str, object]:
    """Render a failure that was asked for alone: what is left out of it is shown nowhere else."""
    shown = shown_failure(failure)
    return shown if failure.omitted is None else shown | {"context": dict[str, Json](UNREADABLE)}


def shown_standing(standing: FailureState) -> dict[str, object]:
    """Render the state of a failure."""
    return {
        "status": standing.status,
        "step": standing.step,
        "attempts": standing.attempts,
        "failureType": standing.failure_type,
        "disposition": standing.disposition,
        "waitsOn": standing.waits_on,
        "dueAt": standing.due_at,
        "receivedAt": standing.received_at,
        "suspendedUntil": standing.suspended_until,
        "suspendedBy": standing.suspended_by,
        "suspendedSince": standing.suspended_since,
        "waitsFor": redact_text(standing.waits_for) if standing.waits_for is not None else None,
        "relapseOf": str(standing.relapse_of) if standing.relapse_of is not None else None,
    }


def _omitted(failure: ReportedFailure) -> dict[str, object]:
    return {"omitted": f"{failure.omitted} bytes: see /api/healing/failures/{failure.id}"}


def shown_attempt(attempt: ReportedAttempt, failure_id: FailureId) -> dict[str, object]:
    """Render an attempt; one without a step was recorded by a member and counts for nothing."""
    details = shown_json(attempt.details)
    return {
        "id": str(attempt.id),
        "failureId": str(failure_id),
        "attemptedAt": attempt.attempted_at,
        "strategy": redact_text(attempt.strategy),
        "result": redact_text(attempt.result),
        "details": details,
        "asset": shown_asset(failure_id, attempt.step, attempt.strategy, attempt.result, details),
        "step": attempt.step,
    }


def shown_heal(attempt: ReportedAttempt) -> dict[str, object]:
    """Render the attempt that a heal request led to: the original service's three fields, then why."""
    details = shown_json(attempt.details)
    return {
        "success": attempt.result == "success",
        "strategy": attempt.strategy,
        "result": attempt.result,
        "code": details.get("code") if isinstance(details, dict) else None,
        "details": details,
        "attemptId": str(attempt.id),
        "step": attempt.step,
    }


def shown_counts(found: Counts) -> dict[str, object]:
    """Render the statistics: pending is whatever is not resolved, and no failures at all count as a full success.

    Beside the original service's four counts stands how many of the pending ones wait for another system, and by which
    strategy.
    """
    # Half a percent rounds up, as in the original service's Math.round.
    rate = (200 * found.resolved + found.total) // (2 * found.total) if found.total else 100
    return {
        "totalFailures": found.total,
        "resolved": found.resolved,
        "pending": found.total - found.resolved,
        "successRate": rate,
        "suspended": sum(found.suspended.values()),
        "suspendedByStrategy": dict(found.suspended),
        "paused": found.paused,
    }


def shown_json(text: str | None) -> Json:
    """Parse JSON text of the database for a response, and redact it."""
    if text is None:
        return {}
    try:
        value: Json = from_json(text)
    except ValueError:
        return dict[str, Json](UNREADABLE)
    return redact_json(value)[0] if may_hold_secret(text.encode()) else value


def write_place(place: PageEnd) -> str:
    """Encode where a page ended as an opaque pagination cursor."""
    return base64.urlsafe_b64encode(orjson.dumps([place.detected_at, str(place.id)])).decode()


def read_place(word: str) -> PageEnd | None:
    """Decode a pagination cursor; None when it is not one of this API."""
    try:
        detected_at, failure_id = orjson.loads(base64.urlsafe_b64decode(word.encode()))
        if not isinstance(detected_at, str | None):
            return None
        return PageEnd(detected_at=detected_at, id=UUID(failure_id))
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return None
