"""Failures to and from rows: the one place that knows how each column lies."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json

from consumer.model import NO_PROGRESS, AttemptId, Failure, FailureId, JsonObject, LadderProgress, OrgId, Trace
from schemas.json_text import to_json

FAILURE_COLUMNS: Final = """f.id, f.org_id, f.workflow_name, f.failure_reason, f.context, f.detected_at, f.source,
  f.digest, f.size, f.redactions, f.traceparent, f.tracestate, f.step, f.attempts,
  f.lifetime_attempts, f.unsure, f.twin, f.received_at, f.rungs"""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

CLAIMED_LOOK: Final = timedelta(seconds=60)
"""A claimed failure is hidden by its claim; this is when it is looked at should the claim go without a settle."""


def as_json(value: object) -> str:
    """Write a value for a jsonb column; what no column can hold (NUL, half a surrogate pair) is replaced by U+FFFD."""
    try:
        text = to_json(value).decode()
    except ValueError:  # a surrogate, which UTF-8 has no form for
        return to_json(_storable(value)).decode()
    if "\\u0000" in text:
        return to_json(_storable(value)).decode()
    return text


def storable_text(text: str) -> str:
    """Replace what a text column cannot hold."""
    return _UNSTORABLE.sub("\ufffd", text)


def _storable(value: object) -> object:
    match value:
        case str():
            return storable_text(value)
        case dict():
            return {_storable(key): _storable(below) for key, below in value.items()}
        case list() | tuple():
            return [_storable(one) for one in value]
        case _:
            return value


def read_json(text: str | None) -> JsonObject:
    """Read a jsonb column; NULL, or anything but an object that we can read, reads as an empty object."""
    try:
        value = from_json(text) if text else None
    except ValueError:  # a member's own insert may be nested deeper than we read
        return {}
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
        detected_at=detected if detected is not None and detected.tzinfo else row["received_at"],
        source=row["source"],
        digest=row["digest"] or b"",
        size=row["size"],
        redactions=tuple(from_json(row["redactions"])) if row["redactions"] else (),
        trace=Trace(traceparent=row["traceparent"], tracestate=row["tracestate"]) if row["traceparent"] else None,
        step=row["step"],
        attempts=row["attempts"],
        lifetime_attempts=row["lifetime_attempts"],
        effect_in_doubt=row["unsure"],
        healed_by_attempt=AttemptId(row["twin"]) if row["twin"] else None,
        ladder_progress=read_climbed(row["rungs"]) if row["rungs"] else NO_PROGRESS,
    )


def climbed_json(ladder_progress: LadderProgress) -> str:
    """Write what the ladder remembers; what there is none of is left out."""
    whole: JsonObject = {
        "attempts": dict(ladder_progress.attempts),
        "spent": [*sorted(ladder_progress.exhausted)],
        "unsure": ladder_progress.in_doubt,
    }
    return as_json({name: said for name, said in whole.items() if said})


def read_climbed(text: str) -> LadderProgress:
    """Read what the ladder remembers; what another release may have written beside it is passed by."""
    stored = read_json(text)
    attempts, spent, in_doubt = (stored.get(name) for name in ("attempts", "spent", "unsure"))
    return LadderProgress(
        attempts={k: n for k, n in attempts.items() if isinstance(n, int)} if isinstance(attempts, dict) else {},
        exhausted=frozenset(map(str, spent)) if isinstance(spent, list) else frozenset(),
        in_doubt=in_doubt if isinstance(in_doubt, str) else None,
    )
