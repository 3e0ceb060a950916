"""Who is alive: one lease row for each process, and the claims that stand under its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from consumer.errors import LostClaim, RevokedClaim
from consumer.model import AttemptId, Claim, Failure, MicroAud, OwnerId
from consumer.store.credits import Hold, settle_holds
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import FAILURE_COLUMNS, read_failure
from consumer.store.settle import wake
from schemas.names import Effect, StrategyName

DECIDED: Final = "a person decided while it was under way: nothing more is sent"

# The window begins anew, as long as it was planned. In another history of the database than the one in which it was
# claimed the attempt may have ended and been published under its id: it gets another one.
_ANEW: Final = """claimed_at = clock_timestamp(),
       effect_deadline = clock_timestamp() + (c.effect_deadline - c.claimed_at), history = shw_history(),
       attempt_id = CASE WHEN c.history <> shw_history()
                         THEN overlay(gen_random_uuid()::text placing '5' from 15)::uuid ELSE c.attempt_id END"""

_RENEW = """
INSERT INTO heal_owner (owner, lease_until) VALUES ($1, clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (owner) DO UPDATE SET lease_until = excluded.lease_until, renewals = heal_owner.renewals + 1
RETURNING clock_timestamp()
"""

# What a decision has revoked of mine, and what tells each owner's renewals apart: the count, and the time beside it,
# which the release before this one moves. An owner whose lease never ends is nobody's to take over.
_READ = """
SELECT ARRAY(SELECT c.attempt_id FROM heal_claim c WHERE c.owner = $1 AND c.revoked) AS revoked,
       o.owners, o.renewals
  FROM (SELECT array_agg(w.owner ORDER BY w.owner) AS owners,
               array_agg(w.renewals || ' ' || w.lease_until ORDER BY w.owner) AS renewals
          FROM heal_owner w WHERE isfinite(w.lease_until)) AS o
"""

_LEAVE = "DELETE FROM heal_owner WHERE owner = $1"

_FORGET_DEAD = """
DELETE FROM heal_owner o WHERE o.owner = ANY($1::text[]) AND o.lease_until < clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.owner = o.owner)
"""

# Those that have not renewed since they were seen; locked, so that none renews, and reads its claims, in between.
_STILL_DEAD = """
SELECT o.owner FROM heal_owner o JOIN unnest($1::text[], $2::text[]) AS d (owner, renewals) ON d.owner = o.owner
 WHERE o.renewals || ' ' || o.lease_until = d.renewals
 ORDER BY o.owner FOR UPDATE OF o SKIP LOCKED
"""

# A claim of a dead owner changes hands; its scope is never free in between. The window starts anew, for the new owner.
# What a newer release beside this one has claimed by a strategy that this one does not have is left to it. My own are
# never among them, also when an outage made me miss my lease: what I am settling I would begin a second time.
_TAKE_OVER = f"""
UPDATE heal_claim c SET owner = $1, epoch = c.epoch + 1, {_ANEW}
  FROM (SELECT t.scope, t.attempt_id FROM heal_claim t
         WHERE (t.owner = ANY($4::text[]) OR NOT EXISTS (SELECT FROM heal_owner o WHERE o.owner = t.owner))
           AND t.effect_deadline < clock_timestamp() AND t.owner <> $1 AND t.strategy = ANY($3::text[])
         ORDER BY t.scope LIMIT $2 FOR UPDATE OF t SKIP LOCKED) AS taken
 WHERE c.scope = taken.scope
RETURNING c.attempt_id, taken.attempt_id AS before
"""  # noqa: S608 - a constant

# Under my name, long enough for my own transactions to have told me of it, and yet I do not heal it: a commit whose
# answer was lost.
_ORPHANS = f"""
UPDATE heal_claim c SET {_ANEW}
  FROM (SELECT t.scope, t.attempt_id FROM heal_claim t
         WHERE t.owner = $1 AND t.claimed_at < clock_timestamp() - $2 * interval '1 second'
           AND NOT t.attempt_id = ANY($3::uuid[])
         ORDER BY t.scope FOR UPDATE OF t) AS lost
 WHERE c.scope = lost.scope
RETURNING c.attempt_id, lost.attempt_id AS before
"""  # noqa: S608 - a constant

_RENAME = """
UPDATE token_usage_events e SET attempt_id = n.attempt_id
  FROM unnest($1::uuid[], $2::uuid[]) AS n (before, attempt_id) WHERE e.attempt_id = n.before
"""

_CLAIMS = f"""
SELECT c.attempt_id, c.step AS claim_step, c.strategy, c.effect, c.begun, c.revoked, c.held, c.scope, c.epoch,
       extract(epoch FROM c.effect_deadline - c.claimed_at)::float8 AS effect_window, {FAILURE_COLUMNS}
  FROM heal_claim c JOIN workflow_failures f ON f.id = c.failure_id
 WHERE c.attempt_id = ANY($1::uuid[]) AND c.owner = $2
"""  # noqa: S608 - a constant list of columns

_ORGANISATION_GONE = """
DELETE FROM heal_claim c WHERE c.attempt_id = ANY($1::uuid[]) AND c.owner = $2
   AND NOT EXISTS (SELECT FROM workflow_failures f WHERE f.id = c.failure_id)
"""

# A person has decided since it was parked, by whatever way, or the organisation is gone.
_DECIDED = """
DELETE FROM heal_claim c USING (
  SELECT p.scope FROM heal_claim p LEFT JOIN workflow_failures f ON f.id = p.failure_id
   WHERE p.owner = 'parked' AND f.status IS DISTINCT FROM 'needs_person'
     AND coalesce(f.step > p.parked_step, true)
   ORDER BY p.scope LIMIT $1 FOR UPDATE OF p SKIP LOCKED) AS decided
 WHERE c.scope = decided.scope
RETURNING c.attempt_id, c.org_id, c.held, c.scope
"""

_BEGIN = """
UPDATE heal_claim SET begun = begun OR NOT revoked WHERE attempt_id = $1 AND owner = $2 AND epoch = $3 RETURNING revoked
"""

_STANDS = "SELECT revoked FROM heal_claim WHERE attempt_id = $1 AND owner = $2 AND epoch = $3"

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
    revoked: bool = False
    """A person decided while it was live: nothing may begin under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReading:
    """What a process has to know of claims and owners, several times a second."""

    revoked: frozenset[AttemptId]
    """Claims of its own that a decision has revoked."""
    renewals: Mapping[OwnerId, str]
    """Of each owner, what changes with each renewal of its lease."""


async def renew(pool: Pool, owner: OwnerId, lease: timedelta) -> datetime:
    """Renew this process's lease, or begin it; gives the database's time."""
    with translated():
        now: datetime = await pool.fetchval(_RENEW, owner, lease.total_seconds())
    return now


async def database_time(pool: Pool) -> datetime:
    """Give the database's time."""
    with translated():
        now: datetime = await pool.fetchval("SELECT clock_timestamp()")
    return now


async def read(pool: Pool, owner: OwnerId) -> LeaseReading:
    """Read what was revoked of this process's claims, and who has renewed."""
    with translated():
        row = await pool.fetchrow(_READ, owner)
    renewals = dict(zip(row["owners"] or (), row["renewals"] or (), strict=True)) if row else {}
    return LeaseReading(
        revoked=frozenset(map(AttemptId, row["revoked"] if row else ())),
        renewals={OwnerId(name): said for name, said in renewals.items()},
    )


async def leave(pool: Pool, owner: OwnerId, unstarted: Sequence[AttemptId]) -> None:
    """End the lease, and let claims whose effect never started be taken over at once."""
    async with transaction(pool) as connection:
        await connection.execute(_HAND_BACK, owner, unstarted)
        await connection.execute(_LEAVE, owner)


async def begin(pool: Pool, owner: OwnerId, claim: Claim) -> None:
    """Make durable that an effect begins which must not be repeated blindly.

    Raises
    ------
    LostClaim
        The claim is another's now.
    RevokedClaim
        A person has decided: nothing was marked, and nothing may begin.

    """
    await _ask(pool, _BEGIN, owner, claim)


async def stands(pool: Pool, owner: OwnerId, claim: Claim) -> None:
    """See that a claim is still this process's own; raises as `begin`."""
    await _ask(pool, _STANDS, owner, claim)


async def _ask(pool: Pool, statement: str, owner: OwnerId, claim: Claim) -> None:
    with translated():
        row = await pool.fetchrow(statement, claim.attempt_id, owner, claim.epoch)
    if row is None:
        raise LostClaim(f"claim {claim.attempt_id} is not under this process's name any more")
    if row["revoked"]:
        raise RevokedClaim(DECIDED)


async def take_over(pool: Pool, owner: OwnerId, dead: Mapping[OwnerId, str], limit: int) -> list[Inherited]:
    """Put claims of dead owners under this process's name: those whose effect deadline has passed too.

    `dead` are owners that this process has seen not to renew for a whole lease, with what it saw of their renewals; one
    that has renewed since is alive. An owner without a lease has left, or was forgotten.
    """
    async with transaction(pool) as connection:
        still = [row["owner"] for row in await connection.fetch(_STILL_DEAD, list(dead), list(dead.values()))]
        await connection.execute(_FORGET_DEAD, still)
        rows = await connection.fetch(_TAKE_OVER, owner, limit, list(StrategyName), still)
        await _rename(connection, rows)
    return await _read(pool, owner, [row["attempt_id"] for row in rows])


async def orphans(pool: Pool, owner: OwnerId, live: Sequence[AttemptId], older_than: timedelta) -> list[Inherited]:
    """Find claims under this process's name that it does not heal."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(_ORPHANS, owner, older_than.total_seconds(), live)
        await _rename(connection, rows)
    return await _read(pool, owner, [row["attempt_id"] for row in rows])


async def _rename(connection: Connection, rows: Sequence[Any]) -> None:
    """Let the ledger follow claims whose attempts got new ids: those that a lost history had ended already."""
    renamed = [(row["before"], row["attempt_id"]) for row in rows if row["before"] != row["attempt_id"]]
    if renamed:
        await connection.execute(_RENAME, *zip(*renamed, strict=True))


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
        revoked=row["revoked"],
        window=timedelta(seconds=row["effect_window"]),
    )
