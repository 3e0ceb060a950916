"""Decisions: one transaction that applies a person's decision on a failure, records its reason, and publishes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

from consumer.model import FailureId, Message, OrgId, Trace
from consumer.model.decision import (
    STATUS_AFTER,
    Decision,
    DecisionRequest,
    DecisionResult,
    StatusChange,
    rule,
    step_after,
)
from consumer.redact import redact_text
from consumer.redact.words import redact_words
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Connection
from consumer.store.rows import storable_text
from schemas.names import FailureType, Status

TellChange: TypeAlias = Callable[[StatusChange], Message]
"""Returns the event of a status change."""

_LOCK = """
SELECT f.id, f.org_id, f.workflow_name, f.status, f.step, f.failure_type, f.traceparent, f.tracestate,
       clock_timestamp() AS at
  FROM workflow_failures f WHERE f.id = $1 FOR NO KEY UPDATE
"""

# A statement of its own: only one that begins after the lock is held sees a claim that was made before it. A settle of
# that claim locks the failure first too.
_REVOKE = """
UPDATE heal_claim SET revoked = true WHERE failure_id = $1 AND owner <> 'parked' RETURNING step = $2 AS of_this_step
"""

_IN_DOUBT = "SELECT EXISTS (SELECT FROM heal_claim WHERE failure_id = $1 AND owner = 'parked')"

_DECIDE = """
UPDATE workflow_failures
   SET status = $2, resolved = ($2 = 'resolved'), step = $3, waits_on = NULL, damage = NULL, twin = NULL,
       due_at = CASE WHEN $2 = 'pending' THEN clock_timestamp() END,
       unsure = unsure AND $2 <> 'pending', effect_made = effect_made AND $2 <> 'pending'
 WHERE id = $1
"""

# A failure that was deleted and came again begins at step 0: a decision from before may lie at the same step.
_RECORD_DECISION = """
INSERT INTO heal_decision (failure_id, step, decision, reason, decided_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (failure_id, step) DO UPDATE
   SET decision = excluded.decision, reason = excluded.reason, decided_by = excluded.decided_by,
       decided_at = clock_timestamp()
"""

_DECISIONS = """
SELECT d.step, d.decision, d.reason, d.decided_by, to_json(d.decided_at) #>> '{}' AS decided_at
  FROM heal_decision d WHERE d.failure_id = $1 ORDER BY d.step DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDecision:
    """A recorded decision; `step` is the failure's after it."""

    step: int
    decision: Decision
    reason: str
    decided_by: str
    decided_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade:
    """The result of a decision; `revoked`: it revoked a live claim, of which a call may be under way still."""

    ruling: DecisionResult
    revoked: bool = False


async def decide(
    connection: Connection, failure_id: FailureId, request: DecisionRequest, tell: TellChange
) -> DecisionMade:
    """Apply a person's decision, in the caller's transaction; as the service. `tell` returns the event of it.

    It revokes the live claim: `NOTHING_STARTS_AFTER` its commit no effect starts under it any more. A call that is
    under way ends as it ends, and its attempt is recorded and published; the failure's status is then the decided one.
    What was parked for the decision (scope, credits) is released by the next round of a running consumer.
    """
    row = await connection.fetchrow(_LOCK, failure_id)
    if row is None:
        return DecisionMade(ruling=DecisionResult.NOT_FOUND)
    in_doubt: bool = await connection.fetchval(_IN_DOUBT, failure_id)
    ruling = rule(request.decision, Status(row["status"]), in_doubt=in_doubt)
    if ruling is not DecisionResult.DONE:
        return DecisionMade(ruling=ruling)
    revoked = await connection.fetch(_REVOKE, failure_id, row["step"])
    under_way = any(claim["of_this_step"] for claim in revoked)
    step, token = step_after(row["step"], heal_under_way=under_way), uuid4().hex[:8]
    decided = change_of(
        row, status=STATUS_AFTER[request.decision], reason=redact_words(request.sentence()), step=step, token=token
    )
    message = tell(decided)
    reason, by = storable_text(redact_words(request.reason)), storable_text(redact_words(request.by))[:200]
    await connection.execute(_DECIDE, failure_id, STATUS_AFTER[request.decision], decided.step)
    await connection.execute(_RECORD_DECISION, failure_id, decided.step, request.decision, reason, by)
    await put_for_sweeper(connection, [message])
    return DecisionMade(ruling=ruling, revoked=bool(revoked))


async def decisions_of(connection: Connection, failure_id: FailureId) -> list[KeptDecision]:
    """Return the decisions on a failure, the newest first; as the service."""
    rows = await connection.fetch(_DECISIONS, failure_id)
    return [KeptDecision(**(dict(row) | {"decision": Decision(row["decision"])})) for row in rows]


def change_of(row: Any, *, status: Status, reason: str, step: int, token: str) -> StatusChange:  # noqa: ANN401 - asyncpg's record
    """Build the change of a failure's status, from a row with the failure's columns and the time `at`."""
    traceparent = row["traceparent"]
    return StatusChange(
        status=status,
        reason=reason,
        token=token,
        failure_id=FailureId(row["id"]),
        org_id=OrgId(row["org_id"]),
        workflow_name=redact_text(row["workflow_name"]),  # somebody may have written it since it was last redacted
        failure_type=FailureType(row["failure_type"]) if row["failure_type"] else None,
        trace=Trace(traceparent=traceparent, tracestate=row["tracestate"]) if traceparent else None,
        step=step,
        at=row["at"],
    )
