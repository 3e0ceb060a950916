"""PICK and START: the way back into the pipeline for failures that stand in the database and are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from consumer.model import Diagnosed, Failure, FailureId, Heal, MicroAud, OwnerId
from consumer.model import attempt_id as attempt_id_of
from consumer.store.credits import Hold, admit_holds
from consumer.store.pool import Pool, transaction
from consumer.store.rows import CLAIMED_LOOK, FAILURE_COLUMNS, as_json, read_failure

# Per organisation, so that one with ten thousand failures does not stand before the others; hidden for a while, so
# that the next pick, here or in another replica, finds others. What has a message under way waits for it: the
# first publications of one failure keep their order without a leader. Compared with statement_timestamp(), because
# clock_timestamp() is volatile: no index is searched by it, and every open row would be looked at each time.
_PICK = f"""
WITH orgs AS (
  SELECT DISTINCT org_id FROM workflow_failures WHERE due_at IS NOT NULL AND due_at <= statement_timestamp()
), picked AS (
  SELECT p.id FROM orgs CROSS JOIN LATERAL (
    SELECT w.id FROM workflow_failures w
     WHERE w.org_id = orgs.org_id AND w.due_at <= statement_timestamp() AND w.status IN ('pending', 'deferred')
       AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.failure_id = w.id)
       AND NOT EXISTS (SELECT FROM heal_outbox b WHERE b.failure_id = w.id)
     ORDER BY w.due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS p
  LIMIT $2
)
UPDATE workflow_failures f SET due_at = clock_timestamp() + $3 * interval '1 second' FROM picked WHERE f.id = picked.id
RETURNING {FAILURE_COLUMNS}, clock_timestamp() AS now
"""  # noqa: S608 - a constant list of columns

_PERSON_LATER = """
UPDATE workflow_failures SET due_at = clock_timestamp() + interval '1 day'
 WHERE due_at <= statement_timestamp() AND status IN ('needs_person', 'awaiting_approval')
"""

_REDACT = """
UPDATE workflow_failures SET workflow_name = $2, failure_reason = $3, context = $4::jsonb, redactions = $5::jsonb
 WHERE id = $1 AND source IS NULL
"""

_START = """
WITH e AS (
  SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                       $9::float8[], $10::bigint[], $11::text[], $12::text[])
    AS e (id, step, scope, attempt_id, strategy, effect, idem_key, effect_window, held, failure_type, disposition)
), f AS (
  -- The step guard: what has moved since it was picked is not started on an old plan.
  SELECT w.id, w.org_id FROM workflow_failures w JOIN e USING (id)
   WHERE w.step = e.step AND w.due_at IS NOT NULL
   ORDER BY w.id FOR NO KEY UPDATE OF w SKIP LOCKED
), claimed AS (
  INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, idem_key, owner,
                          effect_deadline, held)
  SELECT e.scope, e.id, e.attempt_id, e.step, f.org_id, e.strategy, e.effect, e.idem_key, $1,
         clock_timestamp() + e.effect_window * interval '1 second', e.held
    FROM e JOIN f USING (id) ORDER BY e.scope
  ON CONFLICT DO NOTHING
  RETURNING failure_id
)
SELECT f.id, claimed.failure_id IS NOT NULL AS claimed FROM f LEFT JOIN claimed ON claimed.failure_id = f.id
"""

_STARTED = """
UPDATE workflow_failures w SET status = 'pending', waits_on = s.waits_on, failure_type = s.failure_type,
       disposition = s.disposition, due_at = clock_timestamp() + s.due_in * interval '1 second'
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::float8[])
    AS s (id, waits_on, failure_type, disposition, due_in)
 WHERE w.id = s.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What became of a batch of plans."""

    claimed: tuple[Diagnosed, ...]
    refused_holds: tuple[tuple[Diagnosed, str], ...]


async def pick(
    pool: Pool, *, per_organisation: int, limit: int, hide: timedelta
) -> tuple[list[Failure], datetime | None]:
    """Take failures that are due, for this process to plan now; with the database's time, None when there are none."""
    async with transaction(pool) as connection:
        await connection.execute(_PERSON_LATER)
        rows = await connection.fetch(_PICK, per_organisation, limit, hide.total_seconds())
    return [read_failure(dict(row)) for row in rows], (rows[0]["now"] if rows else None)


async def store_redacted(pool: Pool, failures: Sequence[Failure]) -> None:
    """Replace what a member inserted by its redacted form, before anything is done with it."""
    async with transaction(pool) as connection:
        await connection.executemany(
            _REDACT,
            [(f.id, f.workflow_name, f.failure_reason, as_json(f.context), as_json(f.redactions)) for f in failures],
        )


async def start(pool: Pool, owner: OwnerId, due: Sequence[Diagnosed], waiter_in: timedelta) -> Started:
    """Claim failures that a plan wants healed; the ones whose scope is taken wait for it."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(_START, owner, *zip(*map(_row, due), strict=True))
        here = {FailureId(row["id"]): bool(row["claimed"]) for row in rows}
        stepped = [d for d in due if d.failure.id in here]
        if stepped:
            standing = [_standing(d, waiting=not here[d.failure.id], waiter_in=waiter_in) for d in stepped]
            await connection.execute(_STARTED, *zip(*standing, strict=True))
        claimed = [d for d in stepped if here[d.failure.id]]
        refused = await admit_holds(connection, [_hold(d) for d in claimed])
    return Started(
        claimed=tuple(d for d in claimed if _hold(d).attempt_id not in refused),
        refused_holds=tuple((d, refused[_hold(d).attempt_id]) for d in claimed if _hold(d).attempt_id in refused),
    )


def _row(diagnosed: Diagnosed) -> tuple[object, ...]:
    failure, diagnosis, plan = diagnosed.failure, diagnosed.diagnosis, _heal(diagnosed)
    return (
        failure.id,
        failure.step,
        plan.intent.scope,
        attempt_id_of(failure.id, failure.step),
        plan.strategy,
        plan.intent.effect,
        plan.intent.idempotency_key,
        plan.intent.window.total_seconds(),
        plan.hold,
        diagnosis.failure_type,
        diagnosis.disposition,
    )


def _standing(diagnosed: Diagnosed, *, waiting: bool, waiter_in: timedelta) -> tuple[object, ...]:
    diagnosis = diagnosed.diagnosis
    waits_on = _heal(diagnosed).intent.scope if waiting else None
    due_in = waiter_in if waiting else CLAIMED_LOOK
    return diagnosed.failure.id, waits_on, diagnosis.failure_type, diagnosis.disposition, due_in.total_seconds()


def _hold(diagnosed: Diagnosed) -> Hold:
    failure = diagnosed.failure
    amount: MicroAud = _heal(diagnosed).hold
    return Hold(attempt_id=attempt_id_of(failure.id, failure.step), org_id=failure.org_id, amount=amount)


def _heal(diagnosed: Diagnosed) -> Heal:
    if not isinstance(diagnosed.plan, Heal):
        raise TypeError("only a plan to heal can be started")
    return diagnosed.plan
