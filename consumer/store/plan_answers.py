"""Answers to plans: one transaction that applies a person's yes or no to what was asked for, records and publishes it.

An answer binds to the plan's hash and to the step of the failure at which it was asked for, and moves that step. It
permits one heal, at the step after it: whatever else moves the failure (another heal, a decision, a change by hand)
takes the permission with it. Everybody locks the failure first.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from consumer.model import FailureId, OrgId
from consumer.model.approval import AnswerResult, ApprovalState, PlanAnswer
from consumer.model.decision import StatusChange, step_after
from consumer.redact.words import redact_words
from consumer.store.decisions import TellChange, change_of
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Connection, Pool, translated
from consumer.store.rows import as_json, read_json, storable_text
from schemas.names import Status

_MAX_NAME: Final = 200

_LOCK = """
SELECT f.id, f.org_id, f.workflow_name, f.status, f.step, f.failure_type, f.traceparent, f.tracestate,
       clock_timestamp() AS at
  FROM workflow_failures f WHERE f.id = $1 FOR NO KEY UPDATE
"""

# After the failure is locked, and in statements of their own: what was committed before it is seen.
_OF = """
SELECT a.state, a.step, a.valid_step, a.strategy, a.plan_hash, a.expires_at <= clock_timestamp() AS late, a.valid_for,
       a.approvers, a.self_approval, a.denied
  FROM heal_approval a WHERE a.failure_id = $1
"""
_ANSWERS = """
SELECT n.answered_by, n.approves, n.changed_hash FROM heal_approval_answer n WHERE n.failure_id = $1 AND n.step = $2
"""
_ASKED_FOR_IT = """
SELECT EXISTS (SELECT FROM heal_request r WHERE r.failure_id = $1 AND r.requested_by = $2)
"""
_RECORD = """
INSERT INTO heal_approval_answer (failure_id, step, answered_by, approves, plan_hash, changed_hash, changes, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)
ON CONFLICT (failure_id, step, answered_by) DO UPDATE
   SET approves = excluded.approves, changed_hash = excluded.changed_hash, changes = excluded.changes,
       reason = excluded.reason, answered_at = clock_timestamp()
"""
_APPROVE = """
UPDATE heal_approval
   SET state = 'approved', valid_step = $2, expires_at = clock_timestamp() + valid_for * interval '1 second',
       approved_by = $3::jsonb, changes = $4::jsonb, plan_hash = coalesce($5, plan_hash),
       base_hash = coalesce($6, base_hash), plan = coalesce($7::jsonb, plan),
       edits = CASE WHEN $4::jsonb IS NULL THEN edits END
 WHERE failure_id = $1
"""
_DENY = "UPDATE heal_approval SET state = 'denied', valid_step = $2, denied = $3::jsonb WHERE failure_id = $1"
_REVOKE = """
UPDATE heal_claim SET revoked = true WHERE failure_id = $1 AND owner <> 'parked' RETURNING step = $2 AS of_this_step
"""
_NOTE_ANSWER = "INSERT INTO heal_answer_note (event) VALUES ($1)"
_TAKE_NOTES = """
DELETE FROM heal_answer_note WHERE place IN (
  SELECT n.place FROM heal_answer_note n ORDER BY n.place LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING event
"""
_MOVE = """
UPDATE workflow_failures
   SET status = 'pending', step = $2, due_at = clock_timestamp(), waits_on = NULL, damage = NULL, twin = NULL
 WHERE id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The result of an answer to a plan."""

    result: AnswerResult
    step: int = 0
    """Step of the failure after it, where it was approved or denied."""
    plan_hash: str = ""
    """Hash of the plan that is carried out: with changes another one than was asked for."""
    wanting: int = 0
    """How many more people have to approve."""
    revoked: bool = False
    """It revoked a live heal, of which a call may be under way: answer it `NOTHING_STARTS_AFTER` the commit."""


async def answer_plan(
    connection: Connection,
    failure_id: FailureId,
    answer: PlanAnswer,
    tell: TellChange,
    *,
    org_id: OrgId | None = None,
) -> Answered:
    """Apply a person's answer to a plan, in the caller's transaction; as the service. `tell` returns its event.

    With `org_id` a failure of another organisation is not found. A denial of an approved plan revokes its live heal,
    as a decision does.
    """
    failure = await connection.fetchrow(_LOCK, failure_id)
    if failure is None or (org_id is not None and failure["org_id"] != org_id):
        return Answered(result=AnswerResult.NOT_FOUND)
    asked = await connection.fetchrow(_OF, failure_id)
    by = storable_text(redact_words(answer.by))[:_MAX_NAME]
    answers = {row["answered_by"]: row for row in await connection.fetch(_ANSWERS, failure_id, answer.step)}
    if asked is None:
        return Answered(result=AnswerResult.NOT_ASKED)
    changed = answer.changed.plan_hash if answer.changed is not None else None
    yeses = {name for name, one in answers.items() if one["approves"]}
    refused = _refusal(answer, failure, asked, answers.get(by))
    if refused is None and answer.approves:
        if any(answers[name]["changed_hash"] != changed for name in yeses - {by}):
            refused = AnswerResult.OTHER_CHANGES
        elif not asked["self_approval"] and await connection.fetchval(_ASKED_FOR_IT, failure_id, by):
            refused = AnswerResult.OWN_REQUEST
    if refused is not None:
        return Answered(result=refused, plan_hash=asked["plan_hash"])
    changes = as_json(answer.changed.changes) if answer.changed is not None else None
    reason = storable_text(redact_words(answer.reason))
    await connection.execute(
        _RECORD, failure_id, answer.step, by, answer.approves, answer.plan_hash, changed, changes, reason
    )
    if not answer.approves:
        return await _deny(connection, failure, asked, answer, tell)
    yeses = yeses | {by}
    if len(yeses) < asked["approvers"]:
        return Answered(
            result=AnswerResult.COUNTED, plan_hash=changed or answer.plan_hash, wanting=asked["approvers"] - len(yeses)
        )
    return await _approve(connection, failure, answer, sorted(yeses), tell)


def _refusal(answer: PlanAnswer, failure: Any, asked: Any, own: Any) -> AnswerResult | None:  # noqa: ANN401, PLR0911 - asyncpg's records; one line a result
    if answer.plan_hash != asked["plan_hash"]:
        changed = own is not None and own["changed_hash"] == asked["plan_hash"] and answer.step == asked["step"]
        return AnswerResult.ALREADY if changed and answer.approves else AnswerResult.OTHER_PLAN
    if answer.step != asked["step"]:
        return AnswerResult.OTHER_STEP
    state, stands = ApprovalState(asked["state"]), failure["step"] == asked["valid_step"]
    if own is not None and own["approves"] == answer.approves and state is not ApprovalState.EXPIRED:
        return AnswerResult.ALREADY
    match state:
        case ApprovalState.EXPIRED:
            return AnswerResult.EXPIRED
        case ApprovalState.ASKED if not (stands and failure["status"] == Status.AWAITING_APPROVAL):
            return AnswerResult.NOT_ASKED
        case ApprovalState.ASKED:
            return AnswerResult.EXPIRED if asked["late"] else None
        case ApprovalState.APPROVED if stands and not answer.approves:
            return None  # a no that comes before its heal has ended
        case ApprovalState.APPROVED | ApprovalState.DENIED:
            return AnswerResult.ANSWERED


async def _approve(
    connection: Connection,
    failure: Any,  # noqa: ANN401 - asyncpg's record
    answer: PlanAnswer,
    yeses: Sequence[str],
    tell: TellChange,
) -> Answered:
    changed, step = answer.changed, failure["step"] + 1
    await connection.execute(
        _APPROVE,
        failure["id"],
        step,
        as_json(list(yeses)),
        as_json(changed.changes) if changed is not None else None,
        changed.plan_hash if changed is not None else None,
        changed.base_hash if changed is not None else None,
        as_json(changed.plan) if changed is not None else None,
    )
    await _move(connection, failure, step, answer, tell)
    await connection.execute(_NOTE_ANSWER, AnswerResult.APPROVED)
    plan_hash = changed.plan_hash if changed is not None else answer.plan_hash
    return Answered(result=AnswerResult.APPROVED, step=step, plan_hash=plan_hash)


async def _deny(
    connection: Connection,
    failure: Any,  # noqa: ANN401 - asyncpg's records
    asked: Any,  # noqa: ANN401
    answer: PlanAnswer,
    tell: TellChange,
) -> Answered:
    revoked = await connection.fetch(_REVOKE, failure["id"], failure["step"])
    step = step_after(failure["step"], heal_under_way=any(claim["of_this_step"] for claim in revoked))
    denied = read_json(asked["denied"]) | {asked["strategy"]: redact_words(answer.sentence())[:500]}
    await connection.execute(_DENY, failure["id"], step, as_json(denied))
    await _move(connection, failure, step, answer, tell)
    await connection.execute(_NOTE_ANSWER, AnswerResult.DENIED)
    return Answered(result=AnswerResult.DENIED, step=step, plan_hash=answer.plan_hash, revoked=bool(revoked))


async def take_answer_notes(pool: Pool) -> Counter[AnswerResult]:
    """Take the answers that nobody has counted yet: who answers may be a command line, which has no metrics."""
    with translated():
        rows = await pool.fetch(_TAKE_NOTES)
    return Counter(AnswerResult(row["event"]) for row in rows)


async def _move(
    connection: Connection,
    failure: Any,  # noqa: ANN401 - asyncpg's record
    step: int,
    answer: PlanAnswer,
    tell: TellChange,
) -> None:
    change: StatusChange = change_of(
        failure, status=Status.PENDING, reason=redact_words(answer.sentence()), step=step, token=uuid4().hex[:8]
    )
    if answer.changed is not None and answer.approves:
        change = replace(change, changed_plan=answer.changed, approved_by=redact_words(answer.by))
    message = tell(change)
    await connection.execute(_MOVE, failure["id"], step)
    await put_for_sweeper(connection, [message])
