"""Who is alive: one lease row for each process, and the claims that stand under its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from consumer.errors import LostClaim
from consumer.model import AttemptId, Claim, Failure, MicroAud, OwnerId
from consumer.store.credits import Hold, settle_holds
from consumer.store.pool import Pool, transaction, translated
from consumer.store.rows import FAILURE_COLUMNS, read_failure
from consumer.store.settle import wake
from schemas.names import Effect, StrategyName

_RENEW = """
INSERT INTO heal_owner (owner, lease_until) VALUES ($1, clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (owner) DO UPDATE SET lease_until = excluded.lease_until
"""

_LEAVE = "DELETE FROM heal_owner WHERE owner = $1"

_FORGET_DEAD = """
DELETE FROM heal_owner o WHERE o.lease_until < clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.owner = o.owner)
"""

# A claim of a dead owner changes hands; its scope is never free in between. The window starts anew, for the new owner.
# What a newer release beside this one has claimed by a strategy that this one does not have is left to it. My own are
# never among them, also when an outage made me miss my lease: what I am settling I would begin a second time.
_TAKE_OVER = """
UPDATE heal_claim SET owner = $1, epoch = epoch + 1, claimed_at = clock_timestamp(),
       effect_deadline = clock_timestamp() + (effect_deadline - claimed_at)
 WHERE scope IN (
  SELECT c.scope FROM heal_claim c LEFT JOIN heal_owner o ON o.owner = c.owner
   WHERE coalesce(o.lease_until, '-infinity') < clock_timestamp() AND c.effect_deadline < clock_timestamp()
     AND c.owner <> $1 AND c.strategy = ANY($3::text[])
   ORDER BY c.scope LIMIT $2 FOR UPDATE OF c SKIP LOCKED)
RETURNING attempt_id
"""

# Under my name, long enough for my own transactions to have told me of it, and yet I do not heal it: a commit whose
# answer was lost.
_ORPHANS = """
UPDATE heal_claim SET claimed_at = clock_timestamp(),
       effect_deadline = clock_timestamp() + (effect_deadline - claimed_at)
 WHERE owner = $1 AND claimed_at < clock_timestamp() - $2 * interval '1 second' AND NOT attempt_id = ANY($3::uuid[])
RETURNING attempt_id
"""

_CLAIMS = f"""
SELECT c.attempt_id, c.step AS claim_step, c.strategy, c.effect, c.begun, c.held, c.scope, c.epoch,
       extract(epoch FROM c.effect_deadline - c.claimed_at)::float8 AS effect_window, {FAILURE_COLUMNS}
  FROM heal_claim c JOIN workflow_failures f ON f.id = c.failure_id
 WHERE c.attempt_id = ANY($1::uuid[]) AND c.owner = $2
"""  # noqa: S608 - a constant list of columns

_ORGANISATION_GONE = """
DELETE FROM heal_claim c WHERE c.attempt_id = ANY($1::uuid[]) AND c.owner = $2
   AND NOT EXISTS (SELECT FROM workflow_failures f WHERE f.id = c.failure_id)
"""

# A person has decided, by whatever way, or the organisation is gone.
_DECIDED = """
DELETE FROM heal_claim c USING (
  SELECT p.scope FROM heal_claim p LEFT JOIN workflow_failures f ON f.id = p.failure_id
   WHERE p.owner = 'parked' AND f.status IS DISTINCT FROM 'needs_person'
   ORDER BY p.scope LIMIT $1 FOR UPDATE OF p SKIP LOCKED) AS decided
 WHERE c.scope = decided.scope
RETURNING c.attempt_id, c.org_id, c.held, c.scope
"""

_BEGIN = """
UPDATE heal_claim SET begun = true WHERE attempt_id = $1 AND owner = $2 AND epoch = $3 RETURNING attempt_id
"""

# The window between the two stays as long as it was planned: the next owner gets all of it.
_HAND_BACK = """
UPDATE heal_claim
   SET claimed_at = claimed_at - (effect_deadline - clock_timestamp()), effect_deadline = clock_timestamp()
 WHERE owner = $1 AND attempt_id = ANY($2::uuid[]) AND NOT begun
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """A claim that came under this process's name without its having planned it."""

    failure: Failure
    attempt_id: AttemptId
    step: int
    scope: str
    strategy: StrategyName
    effect: Effect
    begun: bool
    """An effect that must not be repeated blindly may have happened."""
    held: MicroAud
    epoch: int
    window: timedelta


async def renew(pool: Pool, owner: OwnerId, lease: timedelta) -> None:
    """Say that this process lives; its first call makes it known."""
    with translated():
        await pool.execute(_RENEW, owner, lease.total_seconds())


async def leave(pool: Pool, owner: OwnerId, unstarted: Sequence[AttemptId]) -> None:
    """End the lease, and let claims whose effect never started be taken over at once."""
    async with transaction(pool) as connection:
        await connection.execute(_HAND_BACK, owner, unstarted)
        await connection.execute(_LEAVE, owner)


async def begin(pool: Pool, owner: OwnerId, claim: Claim) -> None:
    """Make durable that an effect begins which must not be repeated blindly; LostClaim when the claim is not mine."""
    with translated():
        row = await pool.fetchrow(_BEGIN, claim.attempt_id, owner, claim.epoch)
    if row is None:
        raise LostClaim(f"claim {claim.attempt_id} is not under this process's name any more")


async def take_over(pool: Pool, owner: OwnerId, limit: int) -> list[Inherited]:
    """Put claims of dead owners under this process's name: those whose lease and effect deadline have both passed."""
    async with transaction(pool) as connection:
        await connection.execute(_FORGET_DEAD)
        rows = await connection.fetch(_TAKE_OVER, owner, limit, list(StrategyName))
    return await _read(pool, owner, [row["attempt_id"] for row in rows])


async def orphans(pool: Pool, owner: OwnerId, live: Sequence[AttemptId], older_than: timedelta) -> list[Inherited]:
    """Find claims under this process's name that it does not heal."""
    with translated():
        rows = await pool.fetch(_ORPHANS, owner, older_than.total_seconds(), live)
    return await _read(pool, owner, [row["attempt_id"] for row in rows])


async def release_decided(pool: Pool, limit: int) -> int:
    """Let go of scopes and credits that were kept for a person's decision, now that there is one; give how many."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(_DECIDED, limit)
        if rows:
            # What it really cost is not known; the healer has spent nothing of its own on it.
            holds = [Hold(attempt_id=row["attempt_id"], org_id=row["org_id"], amount=row["held"]) for row in rows]
            await settle_holds(connection, [(hold, MicroAud(0)) for hold in holds])
            await wake(connection, {row["scope"]: 1 for row in rows})
    return len(rows)


async def _read(pool: Pool, owner: OwnerId, attempt_ids: Sequence[AttemptId]) -> list[Inherited]:
    if not attempt_ids:
        return []
    with translated():
        rows = await pool.fetch(_CLAIMS, attempt_ids, owner)
        if len(rows) < len(attempt_ids):
            await pool.execute(_ORGANISATION_GONE, attempt_ids, owner)
    return [_inherited(row) for row in rows]


def _inherited(row: Any) -> Inherited:  # noqa: ANN401 - asyncpg's record
    return Inherited(
        failure=read_failure(row),
        attempt_id=AttemptId(row["attempt_id"]),
        step=row["claim_step"],
        scope=row["scope"],
        strategy=StrategyName(row["strategy"]),
        effect=Effect(row["effect"]),
        begun=row["begun"],
        held=MicroAud(row["held"]),
        epoch=row["epoch"],
        window=timedelta(seconds=row["effect_window"]),
    )
