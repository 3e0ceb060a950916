"""Approvals: plans that wait for a person's yes, those that nobody answered, and what has been proven under one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from consumer.model import Failure, FailureId
from consumer.model.approval import ApprovalState, AskedPlan
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import FAILURE_COLUMNS, as_json, read_failure

EXPIRED_AT_ONCE: Final = 500
"""Plans without an answer that one round has planned anew."""
KNOWN: Final = 10_000
"""Fingerprints with a heal that was proven under an approval: the newest; of others the first is asked for again."""

_ASK = """
INSERT INTO heal_approval (failure_id, org_id, state, step, valid_step, strategy, plan_hash, base_hash, edits, plan,
                           why, asked, asks, expires_at, valid_for, approvers, self_approval, fingerprint, denied)
SELECT x.failure_id, x.org_id, 'asked', x.step, x.step, x.strategy, x.plan_hash, x.base_hash, x.edits, x.plan::jsonb,
       x.why::jsonb, x.asked, x.asks, x.expires_at, x.valid_for, x.approvers, x.self_approval, x.fingerprint,
       x.denied::jsonb
  FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
              $9::text[], $10::int[], $11::int[], $12::timestamptz[], $13::float8[], $14::int[], $15::bool[],
              $16::text[], $17::text[])
    AS x (failure_id, org_id, step, strategy, plan_hash, base_hash, edits, plan,
          why, asked, asks, expires_at, valid_for, approvers, self_approval,
          fingerprint, denied)
    JOIN workflow_failures f ON f.id = x.failure_id AND f.step = x.step AND f.status = 'awaiting_approval'
 ORDER BY x.failure_id
ON CONFLICT (failure_id) DO UPDATE
   SET state = 'asked', step = excluded.step, valid_step = excluded.valid_step, strategy = excluded.strategy,
       plan_hash = excluded.plan_hash, base_hash = excluded.base_hash, edits = excluded.edits, plan = excluded.plan,
       why = excluded.why, asked = excluded.asked, asks = excluded.asks, asked_at = clock_timestamp(),
       expires_at = excluded.expires_at, valid_for = excluded.valid_for, approvers = excluded.approvers,
       self_approval = excluded.self_approval, fingerprint = excluded.fingerprint, denied = excluded.denied,
       changes = NULL, approved_by = '[]'
"""

# Failures before approvals, as everybody. What is planned anew is asked for again, or comes to what the catalog says.
_EXPIRE = """
WITH late AS MATERIALIZED (
  SELECT a.failure_id FROM heal_approval a
   WHERE a.state = 'asked' AND a.expires_at <= statement_timestamp() ORDER BY a.expires_at LIMIT $1
), locked AS MATERIALIZED (
  SELECT f.id, f.step, f.status FROM workflow_failures f WHERE f.id IN (SELECT l.failure_id FROM late l)
   ORDER BY f.id FOR NO KEY UPDATE OF f SKIP LOCKED
), expired AS (
  UPDATE heal_approval a SET state = 'expired' FROM locked l
   WHERE a.failure_id = l.id AND a.state = 'asked' AND a.expires_at <= statement_timestamp()
  RETURNING a.failure_id, l.step = a.step AND l.status = 'awaiting_approval' AS waits
)
UPDATE workflow_failures f SET status = 'pending', step = f.step + 1, due_at = clock_timestamp()
  FROM expired e WHERE f.id = e.failure_id AND e.waits
RETURNING f.id
"""

# Of a heal that was put off before any effect the permission goes on to the next step: it was not used.
_CARRY_ON = """
UPDATE heal_approval a SET valid_step = f.step
  FROM unnest($1::uuid[], $2::int[]) AS x (id, step) JOIN workflow_failures f ON f.id = x.id AND f.step = x.step + 1
 WHERE a.failure_id = f.id AND a.state = 'approved' AND a.valid_step = x.step
"""

_KNOWN = """
SELECT DISTINCT k.fingerprint FROM (
  SELECT a.fingerprint FROM heal_approval a
   WHERE a.state = 'approved' AND a.fingerprint IS NOT NULL
     AND EXISTS (SELECT FROM workflow_heal_attempts h
                  WHERE h.failure_id = a.failure_id AND h.step = a.valid_step AND h.result = 'success')
   ORDER BY a.expires_at DESC LIMIT $1) AS k
"""

_FAILURE = f"SELECT {FAILURE_COLUMNS} FROM workflow_failures f WHERE f.id = $1"  # noqa: S608 - a constant

_SHOWN = """
SELECT a.state, a.step, a.strategy, a.plan_hash, a.plan #>> '{}' AS plan, a.why #>> '{}' AS why, a.asked, a.asks,
       a.approvers, a.self_approval, to_json(a.asked_at) #>> '{}' AS asked_at,
       to_json(a.expires_at) #>> '{}' AS expires_at
  FROM heal_approval a WHERE a.failure_id = $1
"""
_SHOWN_ANSWERS = """
SELECT n.step, n.answered_by, n.approves, n.plan_hash, n.changed_hash, n.reason,
       to_json(n.answered_at) #>> '{}' AS answered_at
  FROM heal_approval_answer n WHERE n.failure_id = $1 ORDER BY n.answered_at DESC LIMIT 50
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownApproval:
    """A plan and its answers, as people read them; `plan` and `why` are JSON text."""

    state: ApprovalState
    step: int
    strategy: str
    plan_hash: str
    plan: str
    why: str
    asked: int
    asks: int
    approvers: int
    self_approval: bool
    asked_at: str
    expires_at: str
    answers: tuple[dict[str, Any], ...] = ()


async def ask_plans(connection: Connection, asked: Sequence[AskedPlan]) -> None:
    """Store plans with their questions, where their failures stand at these steps; in the caller's transaction."""
    if asked:
        await connection.execute(_ASK, *zip(*map(_row, asked), strict=True))


async def expire_unanswered(pool: Pool) -> list[UUID]:
    """Have the plans planned anew that nobody answered in time, within a limit; returns their failures."""
    async with transaction(pool) as connection:
        return [row["id"] for row in await connection.fetch(_EXPIRE, EXPIRED_AT_ONCE)]


async def carry_on(connection: Connection, unused: Sequence[tuple[FailureId, int]]) -> None:
    """Carry permissions on to the step after these, in the caller's transaction: their heals began no effect."""
    if unused:
        await connection.execute(_CARRY_ON, *zip(*unused, strict=True))


async def known_fingerprints(pool: Pool) -> frozenset[str]:
    """Return the keys of fingerprints of which a heal was proven under an approval, within a limit."""
    with translated():
        return frozenset(row["fingerprint"] for row in await pool.fetch(_KNOWN, KNOWN))


async def failure_of(connection: Connection, failure_id: FailureId) -> Failure | None:
    """Return a failure with its plan, as it is planned; as the service."""
    row = await connection.fetchrow(_FAILURE, failure_id)
    return read_failure(dict(row)) if row is not None and not row["too_large"] else None


async def shown_approval(connection: Connection, failure_id: FailureId) -> ShownApproval | None:
    """Return the plan of a failure that was asked for last, with the newest answers; as the service."""
    row = await connection.fetchrow(_SHOWN, failure_id)
    if row is None:
        return None
    answers = tuple(dict(one) for one in await connection.fetch(_SHOWN_ANSWERS, failure_id))
    return ShownApproval(**(dict(row) | {"state": ApprovalState(row["state"])}), answers=answers)


def _row(asked: AskedPlan) -> tuple[object, ...]:
    request = asked.request
    return (
        asked.failure_id,
        asked.org_id,
        asked.step,
        request.rung,
        request.plan_hash,
        request.base_hash,
        request.edits,
        as_json(request.plan),
        as_json(list(request.why)),
        request.asked,
        request.asks,
        asked.expires_at,
        request.valid_for.total_seconds(),
        request.approvers,
        request.self_approval,
        request.fingerprint,
        as_json(dict(request.denied)),
    )
