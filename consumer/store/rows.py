"""Row mapping: failures to and from rows, the one place that knows how each column is stored."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json

from consumer.model import (
    NO_PROGRESS,
    AttemptId,
    Failure,
    FailureId,
    JsonObject,
    LadderProgress,
    MicroAud,
    OrgId,
    Trace,
)
from consumer.model.approval import Approval, ApprovalState
from consumer.model.suspension import KeptState
from consumer.store.agent_answers import parse_agent_diagnosis
from schemas.json_text import to_json
from schemas.names import Budget

# A row without a size came in while triggers were off: only such a one is measured here, and no content leaves it.
_TRUE_SIZE: Final = """CASE WHEN f.size > 0 THEN f.size
       ELSE octet_length(f.workflow_name) + octet_length(f.failure_reason)
            + shw_json_bytes(f.context, 67108864) END"""
_TOO_LARGE: Final = f"(f.source IS NULL AND {_TRUE_SIZE} > (SELECT l.row_bytes FROM intake_member_limit l))"  # noqa: S608 - constants
# By its key: of the many failures that were never asked for, nothing is found.
_APPROVAL: Final = """(SELECT jsonb_build_object('state', a.state, 'step', a.valid_step, 'strategy', a.strategy,
       'plan_hash', a.plan_hash, 'base_hash', a.base_hash, 'until', to_json(a.expires_at), 'asked', a.asked,
       'edits', a.edits, 'changes', a.changes, 'denied', a.denied, 'by', a.approved_by)
  FROM heal_approval a WHERE a.failure_id = f.id)"""
AGENT_DIAGNOSIS: Final = """(SELECT jsonb_build_object('asks', d.asks, 'answer', d.answer, 'model', d.model,
       'input_tokens', d.input_tokens, 'output_tokens', d.output_tokens)
  FROM heal_agent_diagnosis d WHERE d.failure_id = f.id)"""
"""A model's answer for a failure `f`."""
FAILURE_COLUMNS: Final = f"""f.id, f.org_id, f.detected_at, f.source, f.digest, {_TRUE_SIZE} AS size, f.redactions,
  f.traceparent, f.tracestate, f.step, f.attempts, f.lifetime_attempts, f.unsure, f.twin, f.received_at, f.rungs,
  f.inserted_as, f.vouched, f.unredacted_since, {_APPROVAL} AS approval,
  {AGENT_DIAGNOSIS} AS agent_diagnosis,
  extract(epoch FROM f.paused_for + coalesce(clock_timestamp() - f.paused_at, '0'))::float8 AS paused_seconds,
  {_TOO_LARGE} AS too_large,
  CASE WHEN {_TOO_LARGE} THEN left(f.workflow_name, 200) ELSE f.workflow_name END AS workflow_name,
  CASE WHEN {_TOO_LARGE} THEN '' ELSE f.failure_reason END AS failure_reason,
  CASE WHEN NOT {_TOO_LARGE} THEN f.context END AS context"""
"""What `read_failure` reads. Content of a member's row above the limit never leaves the database."""

# Waiters of one gate look again one after the other, a hundredth of the retry interval apart, each behind the last of
# the queue: however many wait, they ask no more often than a hundred would. What frees a gate wakes the first of them.
QUEUE_ENDS: Final = """(
  SELECT g.gate, (SELECT q.due_at FROM workflow_failures q WHERE q.waits_on = g.gate
                   ORDER BY q.due_at DESC LIMIT 1) AS ends
    FROM (SELECT DISTINCT w.gate FROM w WHERE w.gate IS NOT NULL) AS g)"""
"""The end of each gate's queue, for waiters `w`."""
WAITER_DUE: Final = """
  least(greatest(queue.ends, clock_timestamp() + w.due_in * interval '1 second')
          + w.place * w.due_in / 100 * interval '1 second', clock_timestamp() + interval '1 day')"""
"""When a waiter `w` of a `queue` looks again by itself."""

READABLE_BYTES: Final = 16 * 1024 * 1024
"""Size limit of a document that is read whole: as text, which may be far longer than what is stored."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

CLAIMED_LOOK: Final = timedelta(seconds=60)
"""Fallback due time of a claimed failure: its claim hides it, and it becomes due then if the claim is never settled."""


def as_json(value: object) -> str:
    """Serialize a value for a jsonb column; what no column can hold (NUL, half a surrogate pair) becomes U+FFFD."""
    try:
        text = to_json(value).decode()
    except ValueError:  # a lone surrogate, which UTF-8 cannot encode
        return to_json(_replace_unstorable(value)).decode()
    if "\\u0000" in text:
        return to_json(_replace_unstorable(value)).decode()
    return text


def storable_text(text: str) -> str:
    """Replace the characters that a text column cannot hold by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def _replace_unstorable(value: object) -> object:
    match value:
        case str():
            return storable_text(value)
        case dict():
            return {_replace_unstorable(key): _replace_unstorable(below) for key, below in value.items()}
        case list() | tuple():
            return [_replace_unstorable(one) for one in value]
        case _:
            return value


def read_json(text: str | None) -> JsonObject:
    """Parse a jsonb column; NULL, or anything but an object that can be parsed, gives an empty object."""
    try:
        value = from_json(text) if text else None
    except ValueError:  # a member's own insert may be nested deeper than the parser reads
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
        ladder_progress=parse_progress(row["rungs"]) if row["rungs"] else NO_PROGRESS,
        approval=parse_approval(row["approval"]) if row["approval"] else None,
        inserted_as=row["inserted_as"],
        vouched=row["vouched"],
        unredacted_since=row["unredacted_since"],
        paused_for=timedelta(seconds=row["paused_seconds"]),
        agent_diagnosis=parse_agent_diagnosis(row["agent_diagnosis"]) if row["agent_diagnosis"] else None,
    )


def parse_approval(text: str) -> Approval:
    """Parse the plan of a failure that was asked for last, as `FAILURE_COLUMNS` gives it."""
    stored: dict[str, Any] = from_json(text)
    return Approval(
        **(
            stored
            | {
                "state": ApprovalState(stored["state"]),
                "until": datetime.fromisoformat(stored["until"]),
                "by": tuple(stored["by"]),
            }
        )
    )


_PAYABLE: Final = {Budget.TEXT: "payable", Budget.VOICE: "payable_voice"}


def progress_json(ladder_progress: LadderProgress) -> str:
    """Serialize the ladder's progress; empty parts are left out."""
    whole: JsonObject = {
        "attempts": dict(ladder_progress.attempts),
        "spent": [*sorted(ladder_progress.exhausted)],
        "unsure": ladder_progress.in_doubt,
        **{_PAYABLE[budget]: amount for budget, amount in ladder_progress.payable.items()},
    }
    return as_json({name: said for name, said in whole.items() if said not in ({}, [], None)})


def parse_progress(text: str) -> LadderProgress:
    """Parse the ladder's progress; fields that another release may have added are ignored."""
    stored = read_json(text)
    attempts, spent, in_doubt = (stored.get(name) for name in ("attempts", "spent", "unsure"))
    payable = ((budget, stored.get(name)) for budget, name in _PAYABLE.items())
    return LadderProgress(
        attempts={k: n for k, n in attempts.items() if isinstance(n, int)} if isinstance(attempts, dict) else {},
        exhausted=frozenset(map(str, spent)) if isinstance(spent, list) else frozenset(),
        in_doubt=in_doubt if isinstance(in_doubt, str) else None,
        payable={budget: amount for budget, amount in payable if isinstance(amount, int)},
    )


def read_kept_state(row: Any) -> KeptState | None:  # noqa: ANN401 - asyncpg's record
    """Read what a claim's row keeps of its heal; None where it keeps nothing."""
    version = row["state_version"]
    if version is None:
        return None
    return KeptState(version=version, content=read_json(row["state"]), charged=MicroAud(row["charged"]))
