"""Leases: one row for each live process, the claims under its name, and the takeover of a dead owner's claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from consumer.errors import LostClaim, RevokedClaim
from consumer.model import AttemptId, Claim, Failure, FailureId, MicroAud, OwnerId
from consumer.model.pause import HealingPause
from consumer.model.suspension import KeptState
from consumer.store.credits import EndedHold, read_hold, settle_holds
from consumer.store.pauses import PAUSES_IN_FORCE, read_pauses
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import FAILURE_COLUMNS, read_failure, read_kept_state
from consumer.store.settle import wake
from schemas.names import Budget, Effect, StrategyName

PARKED_AT_ONCE: Final = 2000
"""Parked claims of which one round sees whether a person has decided: they may be many, and most stay for days."""
DECIDED: Final = "a person decided while it was under way: nothing more is sent"

# The claim's window restarts, as long as it was planned. In another history of the database than the one in which it
# was claimed the attempt may have ended and been published under its id: it gets another one.
# Where an older release, which knows no state, had the claim in between, it may have begun an effect since.
RESTART_WINDOW: Final = """claimed_at = clock_timestamp(),
       effect_deadline = clock_timestamp() + (c.effect_deadline - c.claimed_at), history = shw_history(),
       attempt_id = CASE WHEN c.history <> shw_history()
                         THEN overlay(gen_random_uuid()::text placing '5' from 15)::uuid ELSE c.attempt_id END,
       begun_since = c.begun_since OR (c.begun AND c.state_epoch IS DISTINCT FROM c.epoch)"""

_RENEW = """
INSERT INTO heal_owner (owner, lease_until) VALUES ($1, clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (owner) DO UPDATE SET lease_until = excluded.lease_until, renewals = heal_owner.renewals + 1
RETURNING clock_timestamp()
"""

# This owner's claims that a decision has revoked; and for each owner a token that changes with each renewal: the count,
# and beside it the time, which the release before this one moves. An owner whose lease never ends is never taken over.
_READ = f"""
SELECT ARRAY(SELECT c.attempt_id FROM heal_claim c WHERE c.owner = $1 AND c.revoked) AS revoked,
       o.owners, o.renewals, {PAUSES_IN_FORCE} AS pauses
  FROM (SELECT array_agg(w.owner ORDER BY w.owner) AS owners,
               array_agg(w.renewals || ' ' || w.lease_until ORDER BY w.owner) AS renewals
          FROM heal_owner w WHERE isfinite(w.lease_until)) AS o
"""  # noqa: S608 - a constant

_LEAVE = "DELETE FROM heal_owner WHERE owner = $1"

_FORGET_DEAD = """
DELETE FROM heal_owner o WHERE o.owner = ANY($1::text[]) AND o.lease_until < clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.owner = o.owner AND c.owner <> 'parked')
"""

# Owners without a renewal since they were observed; locked, so that none renews, and reads its claims, in between.
_STILL_DEAD = """
SELECT o.owner FROM heal_owner o JOIN unnest($1::text[], $2::text[]) AS d (owner, renewals) ON d.owner = o.owner
 WHERE o.renewals || ' ' || o.lease_until = d.renewals
 ORDER BY o.owner FOR UPDATE OF o SKIP LOCKED
"""

# Takeover: a claim of a dead owner changes its owner; its scope is never free in between, and its window restarts for
# the new owner. A claim by a strategy that this release does not have, made by a newer release beside it, is left to
# that one. A process never takes over its own claims, even when an outage made it miss its lease: it would begin a
# second time what it is settling.
_TAKE_OVER = f"""
WITH orphaned AS MATERIALIZED (
  -- By the index of claims under way: those that wait for a person or for another system are nobody's to take over, and
  -- may be many. A state that only another release reads is left to that one for a while.
  SELECT t.scope FROM heal_claim t
   WHERE t.owner <> 'parked' AND t.owner <> 'suspended' AND t.effect_deadline < clock_timestamp()
     AND t.strategy = ANY($3::text[])
     AND (t.state_version IS NULL OR t.strategy || ' ' || t.state_version = ANY($5::text[])
          OR t.effect_deadline < clock_timestamp() - $6 * interval '1 second')
     AND (t.owner = ANY($4::text[]) OR NOT EXISTS (SELECT FROM heal_owner o WHERE o.owner = t.owner))
)
UPDATE heal_claim c SET owner = $1, epoch = c.epoch + 1, state_epoch = c.epoch + 1, {RESTART_WINDOW}
  FROM (SELECT t.scope, t.attempt_id FROM orphaned d JOIN heal_claim t ON t.scope = d.scope
         WHERE (t.owner = ANY($4::text[]) OR NOT EXISTS (SELECT FROM heal_owner o WHERE o.owner = t.owner))
           AND t.effect_deadline < clock_timestamp() AND t.owner <> $1
         ORDER BY t.scope LIMIT $2 FOR UPDATE OF t SKIP LOCKED) AS taken
 WHERE c.scope = taken.scope
RETURNING c.attempt_id, taken.attempt_id AS before
"""  # noqa: S608 - a constant

# Orphans: claims under this owner's name that it does not heal, old enough for its own transactions to have reported
# them. They come of a commit whose answer was lost.
_ORPHANS = f"""
UPDATE heal_claim c SET {RESTART_WINDOW}
  FROM (SELECT t.scope, t.attempt_id FROM heal_claim t
         WHERE t.owner = $1 AND t.owner <> 'parked' AND t.owner <> 'suspended'
           AND t.claimed_at < clock_timestamp() - $2 * interval '1 second'
           AND NOT t.attempt_id = ANY($3::uuid[])
         ORDER BY t.scope FOR UPDATE OF t SKIP LOCKED) AS lost
 WHERE c.scope = lost.scope
RETURNING c.attempt_id, lost.attempt_id AS before
"""  # noqa: S608 - a constant

_RENAME = """
UPDATE token_usage_events e SET attempt_id = n.attempt_id
  FROM unnest($1::uuid[], $2::uuid[]) AS n (before, attempt_id) WHERE e.attempt_id = n.before
"""

_CLAIMS = f"""
SELECT c.attempt_id, c.step AS claim_step, c.strategy, c.effect, c.begun, c.revoked, c.held, c.pays_from, c.charged,
       c.scope, c.epoch, c.idem_key, c.state, c.state_version, c.begun_since,
       CASE WHEN c.suspended_at > clock_timestamp() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - c.suspended_at)::float8 END AS suspended_for,
       extract(epoch FROM c.effect_deadline - c.claimed_at)::float8 AS effect_window, {FAILURE_COLUMNS}
  FROM heal_claim c JOIN workflow_failures f ON f.id = c.failure_id
 WHERE c.attempt_id = ANY($1::uuid[]) AND c.owner = $2
"""  # noqa: S608 - a constant list of columns

_DELETE_WITHOUT_FAILURE = """
DELETE FROM heal_claim c WHERE c.attempt_id = ANY($1::uuid[]) AND c.owner = $2
   AND NOT EXISTS (SELECT FROM workflow_failures f WHERE f.id = c.failure_id)
RETURNING c.attempt_id, c.org_id, c.held, c.pays_from, c.charged, c.strategy, c.scope
"""

_PARKED = """
SELECT failure_id FROM heal_claim WHERE owner = 'parked' AND failure_id > $1 ORDER BY failure_id LIMIT $2
"""

# Parked claims on which a person has decided since, by whatever way, or whose organisation is gone.
_RELEASE_DECIDED = """
DELETE FROM heal_claim c USING (
  SELECT p.scope FROM heal_claim p LEFT JOIN workflow_failures f ON f.id = p.failure_id
   WHERE p.owner = 'parked' AND p.failure_id = ANY($2::uuid[]) AND f.status IS DISTINCT FROM 'needs_person'
     AND coalesce(f.step > p.parked_step, true)
   ORDER BY p.scope LIMIT $1 FOR UPDATE OF p SKIP LOCKED) AS decided
 WHERE c.scope = decided.scope
RETURNING c.attempt_id, c.org_id, c.held, c.pays_from, c.charged, c.strategy, c.scope
"""

_BEGIN = """
UPDATE heal_claim SET begun = begun OR NOT revoked, begun_since = begun_since OR NOT revoked
 WHERE attempt_id = $1 AND owner = $2 AND epoch = $3 RETURNING revoked
"""

_SELECT_CLAIM = "SELECT revoked FROM heal_claim WHERE attempt_id = $1 AND owner = $2 AND epoch = $3"

# The window between the two stays as long as it was planned: the next owner gets all of it.
_HAND_BACK = """
UPDATE heal_claim
   SET claimed_at = claimed_at - (effect_deadline - clock_timestamp()), effect_deadline = clock_timestamp()
 WHERE owner = $1 AND attempt_id = ANY($2::uuid[]) AND NOT CASE WHEN state IS NULL THEN begun ELSE begun_since END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """A claim that this process owns by takeover or as an orphan, without having planned it."""

    failure: Failure
    attempt_id: AttemptId
    step: int
    scope: str
    strategy: StrategyName
    effect: Effect
    begun: bool
    """An effect that must not be repeated blindly may have happened."""
    held: MicroAud
    pays_from: Budget = Budget.TEXT
    epoch: int
    window: timedelta
    revoked: bool = False
    """A person decided while it was live: no effect may begin under it."""
    idempotency_key: str | None = None
    state: KeptState | None = None
    """What the heal has kept: it is gone on with from there."""
    begun_since: bool = False
    """An effect that must not be repeated blindly may have begun since the state was kept."""
    suspended_for: timedelta | None = None
    """Time since it was first suspended; None where it never was."""
    was_suspended: bool = False
    """It comes out of its suspension: no effect of any kind is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableStates:
    """The states that this release reads, and how long all others are left to another release."""

    states: Sequence[str] = ()
    """Each as `<strategy> <version>`."""
    others_after: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReading:
    """The state of claims and leases that a process reads several times a second."""

    revoked: frozenset[AttemptId]
    """Claims of its own that a decision has revoked."""
    renewals: Mapping[OwnerId, str]
    """For each owner a token that changes with each renewal of its lease."""
    pauses: tuple[HealingPause, ...] = ()
    """What is paused of the fleet."""


async def renew(pool: Pool, owner: OwnerId, lease: timedelta) -> datetime:
    """Renew this process's lease, or create it; returns the database's time."""
    with translated():
        now: datetime = await pool.fetchval(_RENEW, owner, lease.total_seconds())
    return now


async def database_time(pool: Pool) -> datetime:
    """Return the database's time."""
    with translated():
        now: datetime = await pool.fetchval("SELECT clock_timestamp()")
    return now


async def read_leases(pool: Pool, owner: OwnerId) -> LeaseReading:
    """Read which of this process's claims are revoked, and the renewals of every owner."""
    with translated():
        row = await pool.fetchrow(_READ, owner)
    renewals = dict(zip(row["owners"] or (), row["renewals"] or (), strict=True)) if row else {}
    return LeaseReading(
        revoked=frozenset(map(AttemptId, row["revoked"] if row else ())),
        renewals={OwnerId(name): said for name, said in renewals.items()},
        pauses=read_pauses(row["pauses"]) if row else (),
    )


async def end_lease(pool: Pool, owner: OwnerId, unstarted: Sequence[AttemptId]) -> None:
    """End the lease, and make claims whose effect never started available for takeover at once."""
    async with transaction(pool) as connection:
        await connection.execute(_HAND_BACK, owner, unstarted)
        await connection.execute(_LEAVE, owner)


async def begin(pool: Pool, owner: OwnerId, claim: Claim) -> None:
    """Record durably, before it starts, an effect that must not be repeated blindly.

    Raises
    ------
    LostClaim
        Another owner has the claim now.
    RevokedClaim
        A person has decided: nothing was recorded, and nothing may begin.

    """
    await _check_claim(pool, _BEGIN, owner, claim)


async def check_claim(pool: Pool, owner: OwnerId, claim: Claim) -> None:
    """Check that this process still owns a claim, by owner and epoch; raises as `begin`."""
    await _check_claim(pool, _SELECT_CLAIM, owner, claim)


async def _check_claim(pool: Pool, statement: str, owner: OwnerId, claim: Claim) -> None:
    with translated():
        row = await pool.fetchrow(statement, claim.attempt_id, owner, claim.epoch)
    if row is None:
        raise LostClaim(f"claim {claim.attempt_id} is not under this process's name any more")
    if row["revoked"]:
        raise RevokedClaim(DECIDED)


async def take_over(
    pool: Pool, owner: OwnerId, dead: Mapping[OwnerId, str], limit: int, readable: ReadableStates
) -> list[Inherited]:
    """Take over claims of dead owners whose effect deadline has passed too.

    `dead` maps the owners that this process has observed not to renew for a whole lease to the renewals that it
    observed; an owner that has renewed since is alive. An owner without a lease has left, or was forgotten.
    """
    async with transaction(pool) as connection:
        still = [row["owner"] for row in await connection.fetch(_STILL_DEAD, list(dead), list(dead.values()))]
        await connection.execute(_FORGET_DEAD, still)
        reads = readable.states, readable.others_after.total_seconds()
        rows = await connection.fetch(_TAKE_OVER, owner, limit, list(StrategyName), still, *reads)
        await rename(connection, rows)
    return await read_inherited(pool, owner, [row["attempt_id"] for row in rows])


async def find_orphans(pool: Pool, owner: OwnerId, live: Sequence[AttemptId], older_than: timedelta) -> list[Inherited]:
    """Return the orphans: claims under this process's name that it does not heal."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(_ORPHANS, owner, older_than.total_seconds(), live)
        await rename(connection, rows)
    return await read_inherited(pool, owner, [row["attempt_id"] for row in rows])


async def rename(connection: Connection, rows: Sequence[Any]) -> None:
    """Update the ledger for claims whose attempts got new ids: those that a lost history had ended already."""
    renamed = [(row["before"], row["attempt_id"]) for row in rows if row["before"] != row["attempt_id"]]
    if renamed:
        await connection.execute(_RENAME, *zip(*renamed, strict=True))


async def release_decided(pool: Pool, limit: int, *, after: FailureId | None = None) -> FailureId | None:
    """Release scopes and credits that were parked for a person's decision, once there is one, of the next few claims.

    Returns the cursor of the next call; None: from the first again.
    """
    async with transaction(pool) as connection:
        parked = [row["failure_id"] for row in await connection.fetch(_PARKED, after or UUID(int=0), PARKED_AT_ONCE)]
        if not parked:
            return None
        await _release(connection, rows := await connection.fetch(_RELEASE_DECIDED, limit, parked))
    if len(rows) == limit:
        return after
    return FailureId(parked[-1]) if len(parked) == PARKED_AT_ONCE else None


async def _release(connection: Connection, released: Sequence[Any]) -> None:
    """Give back credits and scopes of claims that are gone, but for what is known of the cost of their heals."""
    if not released:
        return
    await settle_holds(
        connection,
        [EndedHold(hold=read_hold(one), strategy=one["strategy"], spent=MicroAud(one["charged"])) for one in released],
    )
    await wake(connection, {row["scope"]: 1 for row in released})


async def read_inherited(pool: Pool, owner: OwnerId, attempt_ids: Sequence[AttemptId]) -> list[Inherited]:
    """Read claims that have just come under this process's name; one whose failure was deleted is released."""
    if not attempt_ids:
        return []
    with translated():
        rows = await pool.fetch(_CLAIMS, attempt_ids, owner)
    if len(rows) < len(attempt_ids):
        async with transaction(pool) as connection:
            await _release(connection, await connection.fetch(_DELETE_WITHOUT_FAILURE, attempt_ids, owner))
    return [_build_inherited(row) for row in rows]


def _build_inherited(row: Any) -> Inherited:  # noqa: ANN401 - asyncpg's record
    return Inherited(
        failure=read_failure(row),
        attempt_id=AttemptId(row["attempt_id"]),
        step=row["claim_step"],
        scope=row["scope"],
        strategy=StrategyName(row["strategy"]),
        effect=Effect(row["effect"]),
        begun=row["begun"],
        held=MicroAud(row["held"]),
        pays_from=Budget(row["pays_from"]),
        epoch=row["epoch"],
        revoked=row["revoked"],
        window=timedelta(seconds=row["effect_window"]),
        idempotency_key=row["idem_key"],
        state=read_kept_state(row),
        begun_since=row["begun_since"],
        suspended_for=timedelta(seconds=row["suspended_for"]) if row["suspended_for"] is not None else None,
    )
