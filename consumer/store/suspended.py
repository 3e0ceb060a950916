"""Kept states, and suspended claims: a heal that waits for another system leaves its process until it is due.

The owner of a suspended claim is `suspended`, whose lease never ends: no release takes it over. Its scope and credits
stay held. What suspends and what goes on are fenced by owner and epoch, as a settlement is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from consumer.errors import LostClaim
from consumer.model import AttemptId, Claim, OrgId, OwnerId
from consumer.model.suspension import KeptState, Suspension
from consumer.store.leases import RESTART_WINDOW, Inherited, ReadableStates, read_inherited, rename
from consumer.store.outbox import columns
from consumer.store.pool import Pool, transaction, translated
from consumer.store.rows import as_json, storable_text
from schemas.names import StrategyName

WALKED: Final = 200
"""Organisations with suspended heals that one round looks at."""
_BEFORE_ALL: Final = UUID(int=0)

# Also of a revoked claim: what was ordered has to be known to be taken back.
_KEEP = """
UPDATE heal_claim SET state = $4::jsonb, state_version = $5, charged = $6, state_epoch = epoch, begun_since = false
 WHERE attempt_id = $1 AND owner = $2 AND epoch = $3 RETURNING scope
"""

# Failures before claims. A failure is due a minute after its claim: until then no pick steps over it. One whose row
# another transaction holds is suspended later.
_SUSPEND = """
WITH x AS (
  SELECT * FROM unnest($2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::int[], $7::bool[], $8::float8[], $9::float8[],
                       $19::bool[], $20::text[], $21::bigint[])
    AS x (attempt_id, epoch, of_failure, state, version, begun_since, look_in, longest, paused, waits_for, charged)
), m AS (
  SELECT * FROM unnest($10::uuid[], $11::uuid[], $12::uuid[], $13::int[], $14::smallint[], $15::text[], $16::bytea[],
                       $17::bytea[], $18::bytea[])
    AS m (attempt_id, id, failure_id, step, rank, topic, key, headers, body)
), locked AS MATERIALIZED (
  SELECT f.id FROM workflow_failures f
   WHERE f.id IN (SELECT x.of_failure FROM x) ORDER BY f.id FOR NO KEY UPDATE OF f SKIP LOCKED
), busy AS MATERIALIZED (
  SELECT x.attempt_id FROM x JOIN workflow_failures f ON f.id = x.of_failure
   WHERE NOT EXISTS (SELECT FROM locked l WHERE l.id = x.of_failure)
), suspended AS (
  UPDATE heal_claim c
     SET owner = 'suspended', state = x.state::jsonb, state_version = x.version, state_epoch = c.epoch,
         charged = x.charged, begun_since = x.begun_since, suspensions = c.suspensions + 1, waits_for = x.waits_for,
         suspended_at = coalesce(c.suspended_at, clock_timestamp())
                          + CASE WHEN x.paused THEN x.look_in ELSE 0 END * interval '1 second',
         look_at = least(clock_timestamp() + x.look_in * interval '1 second',
                         CASE WHEN NOT x.paused
                              THEN coalesce(c.suspended_at, clock_timestamp()) + x.longest * interval '1 second' END)
    FROM x
   WHERE c.attempt_id = x.attempt_id AND c.owner = $1 AND c.epoch = x.epoch
     AND NOT EXISTS (SELECT FROM busy b WHERE b.attempt_id = x.attempt_id)
  RETURNING c.attempt_id, c.failure_id, c.look_at, c.suspensions = 1 AS is_first
), f AS (
  UPDATE workflow_failures f SET due_at = s.look_at + interval '1 minute'
    FROM suspended s WHERE f.id = s.failure_id AND f.due_at IS NOT NULL AND f.status IN ('pending', 'deferred')
), o AS (
  INSERT INTO heal_outbox (id, failure_id, step, rank, owner, topic, key, headers, body)
  SELECT m.id, m.failure_id, m.step, m.rank, $1, m.topic, m.key, m.headers, m.body
    FROM m JOIN suspended s ON s.attempt_id = m.attempt_id AND s.is_first
  ON CONFLICT (id) DO NOTHING
)
SELECT attempt_id, is_first, false AS busy FROM suspended
UNION ALL SELECT b.attempt_id, false, true FROM busy b
"""

# What a person has decided against does not wait for its time. What asks again soon, as in a pause that holds its
# taking back, would ask each second.
_HURRY_REVOKED = """
UPDATE heal_claim c SET look_at = statement_timestamp()
 WHERE c.scope IN (SELECT t.scope FROM heal_claim t
                    WHERE t.owner = 'suspended' AND t.revoked
                      AND t.look_at > statement_timestamp() + interval '10 seconds'
                    ORDER BY t.scope FOR UPDATE OF t SKIP LOCKED)
"""

# From one organisation to the next by the index, each with whether something of it is due: a heal whose last message
# has yet to leave the outbox waits for that, as a due failure does.
_IS_DUE: Final = """t.owner = 'suspended' AND t.look_at <= statement_timestamp() AND t.strategy = ANY($1::text[])
         AND (t.strategy || ' ' || t.state_version = ANY($2::text[])
              OR t.look_at < statement_timestamp() - $3 * interval '1 second')
         AND NOT EXISTS (SELECT FROM heal_outbox b WHERE b.failure_id = t.failure_id AND b.step <= t.step)"""
_ORGANISATIONS = f"""
WITH RECURSIVE walked AS (
  (SELECT c.org_id, 1 AS place FROM heal_claim c
    WHERE c.owner = 'suspended' AND c.org_id > $4 ORDER BY c.org_id LIMIT 1)
  UNION ALL
  SELECT n.org_id, w.place + 1 FROM walked w CROSS JOIN LATERAL (
    SELECT c.org_id FROM heal_claim c
     WHERE c.owner = 'suspended' AND c.org_id > w.org_id ORDER BY c.org_id LIMIT 1) AS n
   WHERE w.place < $5
)
SELECT w.org_id,
       (SELECT t.look_at FROM heal_claim t WHERE t.org_id = w.org_id AND {_IS_DUE}
         ORDER BY t.look_at LIMIT 1) IS NOT NULL AS due
  FROM walked w ORDER BY w.org_id
"""  # noqa: S608 - constants

_GO_ON = f"""
UPDATE heal_claim c
   SET owner = $4, epoch = c.epoch + 1, state_epoch = c.epoch + 1, look_at = NULL, {RESTART_WINDOW}
  FROM (SELECT p.scope, p.attempt_id FROM unnest($5::uuid[], $6::int[]) AS orgs (org_id, room) CROSS JOIN LATERAL (
          SELECT t.scope, t.attempt_id, row_number() OVER (ORDER BY t.look_at) AS turn FROM (
            SELECT t.scope, t.attempt_id, t.look_at FROM heal_claim t WHERE t.org_id = orgs.org_id AND {_IS_DUE}
             ORDER BY t.look_at LIMIT orgs.room FOR UPDATE OF t SKIP LOCKED) AS t) AS p
         ORDER BY p.turn LIMIT $7) AS taken
 WHERE c.scope = taken.scope AND c.owner = 'suspended'
RETURNING c.attempt_id, taken.attempt_id AS before
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendResult:
    """The result of suspending a batch of heals."""

    mine: frozenset[AttemptId]
    """Those that this process still owned; of the others nothing was written."""
    first: frozenset[AttemptId]
    """Those of them that were suspended for the first time: their messages are in the outbox."""
    busy: frozenset[AttemptId]
    """Another transaction holds the row of their failure: suspend them again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneOn:
    """Suspended heals that are this process's now, and the cursor of the next look; None: from the first again."""

    inherited: tuple[Inherited, ...]
    after: OrgId | None


async def keep(pool: Pool, owner: OwnerId, claim: Claim, state: KeptState) -> None:
    """Store a heal's state on its claim; raises LostClaim. A revoked claim keeps it too."""
    stored = as_json(state.content)
    with translated():
        kept = await pool.fetchval(_KEEP, claim.attempt_id, owner, claim.epoch, stored, state.version, state.charged)
    if kept is None:
        raise LostClaim(f"claim {claim.attempt_id} is not under this process's name any more")


async def suspend(pool: Pool, owner: OwnerId, suspensions: Sequence[Suspension]) -> SuspendResult:
    """Suspend heals: their claims keep state, scope and credits, and are nobody's until due; all or nothing."""
    messages = [(s.attempt_id, message) for s in suspensions for message in s.messages]
    async with transaction(pool) as connection:
        rows = await connection.fetch(
            _SUSPEND,
            owner,
            *zip(*map(_row, suspensions), strict=True),
            [attempt for attempt, _ in messages],
            *columns([message for _, message in messages]),
            [suspension.heal.paused for suspension in suspensions],
            [storable_text(suspension.heal.reason) for suspension in suspensions],
            [suspension.heal.state.charged for suspension in suspensions],
        )
    return SuspendResult(
        mine=frozenset(AttemptId(row["attempt_id"]) for row in rows if not row["busy"]),
        first=frozenset(AttemptId(row["attempt_id"]) for row in rows if row["is_first"]),
        busy=frozenset(AttemptId(row["attempt_id"]) for row in rows if row["busy"]),
    )


async def take_due(
    pool: Pool,
    owner: OwnerId,
    *,
    after: OrgId | None,
    room: Callable[[OrgId], int],
    limit: int,
    readable: ReadableStates,
) -> GoneOn:
    """Take suspended heals that are due, of each organisation at most what it has room for, in turns."""
    asked = [*StrategyName], readable.states, readable.others_after.total_seconds()
    rows = []
    async with transaction(pool) as connection:
        await connection.execute(_HURRY_REVOKED)
        walked = await connection.fetch(_ORGANISATIONS, *asked, after or _BEFORE_ALL, WALKED)
        rooms = [(row["org_id"], room(OrgId(row["org_id"]))) for row in walked if row["due"]]
        free = [(org_id, left) for org_id, left in rooms if left > 0]
        if free:
            rows = await connection.fetch(_GO_ON, *asked, owner, *zip(*free, strict=True), limit)
            await rename(connection, rows)
    inherited = await read_inherited(pool, owner, [row["attempt_id"] for row in rows])
    return GoneOn(
        inherited=tuple(replace(one, was_suspended=True) for one in inherited),
        after=OrgId(walked[-1]["org_id"]) if len(walked) == WALKED else None,
    )


def _row(suspension: Suspension) -> tuple[object, ...]:
    heal = suspension.heal
    return (
        suspension.attempt_id,
        suspension.epoch,
        suspension.failure_id,
        as_json(heal.state.content),
        heal.state.version,
        heal.begun_since,
        max(1.0, heal.look_again.total_seconds()),
        heal.longest.total_seconds(),
    )
