"""Failures to and from rows: the one place that knows how each column lies."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import from_json, to_json

from consumer.model import Failure, FailureId, JsonObject, OrgId, Trace

FAILURE_COLUMNS: Final = """f.id, f.org_id, f.workflow_name, f.failure_reason, f.context, f.detected_at, f.source,
  f.digest, f.size, f.redactions, f.traceparent, f.tracestate, f.step, f.attempts, f.received_at"""

MEMBER_SOURCE: Final = None
"""The source of a row that a signed-in user inserted: row-level security decided whether they may."""


def as_json(value: object) -> str:
    """Write a value for a jsonb column."""
    return to_json(value).decode()


def read_json(text: str | None) -> JsonObject:
    """Read a jsonb column; NULL, or anything but an object, reads as an empty object."""
    value = from_json(text) if text else None
    return value if isinstance(value, dict) else {}


def read_failure(row: Mapping[str, Any]) -> Failure:
    """Build a failure from a row with `FAILURE_COLUMNS`."""
    detected: datetime | None = row["detected_at"]
    return Failure(
        id=FailureId(row["id"]),
        org_id=OrgId(row["org_id"]),
        workflow_name=row["workflow_name"],
        failure_reason=row["failure_reason"],
        context=read_json(row["context"]),
        # A member's insert may leave it NULL, or name a time that no datetime holds ('infinity').
        detected_at=detected.astimezone(UTC) if detected is not None else row["received_at"],
        source=row["source"],
        digest=row["digest"] or b"",
        size=row["size"],
        redactions=tuple(from_json(row["redactions"])) if row["redactions"] else (),
        trace=Trace(traceparent=row["traceparent"], tracestate=row["tracestate"]) if row["traceparent"] else None,
        step=row["step"],
        attempts=row["attempts"],
    )
