"""Pick and start: due failures in the database go back into the pipeline, and are claimed once they are planned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from consumer.model import Diagnosed, Failure, FailureId, OrgId, OwnerId
from consumer.model.batch import HeldBack
from consumer.store.admission import PUT_OFF, admit
from consumer.store.breakers import BreakerRequest, Probes, admit_probes, release_probes
from consumer.store.pool import Pool, transaction, translated
from consumer.store.rows import CLAIMED_LOOK, FAILURE_COLUMNS, QUEUE_ENDS, WAITER_DUE, as_json, read_failure
from consumer.store.untold import LOOKED_AT

WALK: Final = 1000
"""Organisations that one pick examines."""
PICKED_BYTES: Final = 8 * 1024 * 1024
"""Content that one pick returns, up to one failure more: what is parsed and planned at once."""
_BEFORE_ALL: Final = UUID(int=0)

# One index look-up for each organisation, of what is due there: a scan of the index itself from one organisation to the
# next would step over all that was settled since the last vacuum, and at full load that cost more than the heals. The
# first due one, and not whether there is any: for that the planner reads all failures of the organisation.
_ORGANISATIONS = """
SELECT o.id AS org_id, (SELECT f.due_at FROM workflow_failures f
                         WHERE f.org_id = o.id AND f.due_at <= statement_timestamp()
                         ORDER BY f.due_at LIMIT 1) IS NOT NULL AS due
  FROM organizations o WHERE o.id > $1 ORDER BY o.id LIMIT $2
"""

# Fairness: picked per organisation, so that one with ten thousand failures does not stand before the others, beginning
# after the one that was served last: a pick costs the same however many organisations and failures wait. Picked
# failures are hidden for a while, so that the next pick, here or in another replica, finds others. A failure with a
# message in the outbox, or a status change that has yet to get there, waits for it: the first publications of one
# failure keep their order without a leader. Members' rows and those from Kafka take turns, so that neither waits behind
# the other; content is bounded in bytes for each pick. Compared with statement_timestamp(), because clock_timestamp()
# is volatile: no index is searched by it, and every open row would be examined each time.
# What is not to be healed now is sought row by row, and of a bounded number of rows: see `untold.py` for the rest.
_DUE_OF = """(
      SELECT l.id, l.due_at, l.size FROM (
        SELECT w.id FROM workflow_failures w
         WHERE w.org_id = orgs.org_id AND w.due_at <= statement_timestamp() AND w.status IN ('pending', 'deferred')
           AND w.source IS {origin}
         ORDER BY w.due_at LIMIT $7) AS near
        JOIN workflow_failures l
          ON l.id = near.id AND l.due_at <= statement_timestamp() AND l.status IN ('pending', 'deferred')
       WHERE (SELECT c.step FROM heal_claim c WHERE c.failure_id = l.id LIMIT 1) IS NULL
         AND (SELECT b.step FROM heal_outbox b WHERE b.failure_id = l.id LIMIT 1) IS NULL
         AND (SELECT s.step FROM heal_status_change s WHERE s.failure_id = l.id LIMIT 1) IS NULL
       LIMIT $4 FOR UPDATE OF l SKIP LOCKED)"""
_PICK = f"""
WITH found AS (
  SELECT p.id, p.size, row_number() OVER (ORDER BY p.n, orgs.place, p.due_at) AS n
    FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS orgs (org_id, room, place) CROSS JOIN LATERAL (
    SELECT b.*, row_number() OVER (ORDER BY b.n, b.due_at) AS turn FROM (
      SELECT k.*, row_number() OVER (ORDER BY k.due_at) AS n FROM {_DUE_OF.format(origin="NOT NULL")} AS k
      UNION ALL
      SELECT m.*, row_number() OVER (ORDER BY m.due_at) AS n FROM {_DUE_OF.format(origin="NULL")} AS m) AS b) AS p
   WHERE p.turn <= orgs.room ORDER BY p.n, orgs.place, p.due_at LIMIT $5
), picked AS (
  SELECT s.id FROM (SELECT f.id, sum(f.size) OVER (ORDER BY f.n) - f.size AS before FROM found f) AS s
   WHERE s.before < $6
)
UPDATE workflow_failures f SET due_at = clock_timestamp() + $3 * interval '1 second' FROM picked WHERE f.id = picked.id
RETURNING {FAILURE_COLUMNS}, clock_timestamp() AS now
"""  # noqa: S608 - constants

# A few at a time, and at different times of the next day: whoever came due together does not do so for ever.
_PERSON_LATER = """
UPDATE workflow_failures f SET due_at = clock_timestamp() + (0.75 + random() / 2) * interval '1 day'
 WHERE f.id IN (SELECT w.id FROM workflow_failures w
                 WHERE w.due_at <= statement_timestamp() AND w.status IN ('needs_person', 'awaiting_approval')
                 ORDER BY w.due_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)
"""

# Only what was read: what somebody has rewritten again meanwhile is read again, and of a member's row above the limit
# nothing is read. A row that another transaction holds is left to a later round.
_REDACT = """
UPDATE workflow_failures SET workflow_name = $2, failure_reason = $3, context = $4::jsonb, redactions = $5::jsonb,
       unredacted_since = NULL
 WHERE id = (SELECT l.id FROM workflow_failures l WHERE l.id = $1 FOR NO KEY UPDATE SKIP LOCKED)
   AND unredacted_since IS NOT DISTINCT FROM $6
   AND (source IS NOT NULL OR size <= (SELECT l.row_bytes FROM intake_member_limit l))
"""

_UNREDACTED = f"""
SELECT {FAILURE_COLUMNS} FROM workflow_failures f
 WHERE f.unredacted_since < statement_timestamp() - interval '1 second' ORDER BY f.unredacted_since LIMIT $1
"""  # noqa: S608 - a constant list of columns

_START = """
WITH e AS (
  SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                       $9::float8[], $10::bigint[], $11::text[])
    AS e (id, step, scope, attempt_id, strategy, effect, idem_key, effect_window, held, pays_from)
), f AS (
  -- The step guard: what has moved since it was picked is not started on an old plan.
  SELECT w.id, w.org_id FROM workflow_failures w JOIN e USING (id)
   WHERE w.step = e.step AND w.due_at IS NOT NULL
   ORDER BY w.id FOR NO KEY UPDATE OF w SKIP LOCKED
), claimed AS (
  -- Without a scope it only waits: its dependency is ill.
  INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, idem_key, owner,
                          effect_deadline, held, pays_from)
  SELECT e.scope, e.id, e.attempt_id, e.step, f.org_id, e.strategy, e.effect, e.idem_key, $1,
         clock_timestamp() + e.effect_window * interval '1 second', e.held, e.pays_from
    FROM e JOIN f USING (id) WHERE e.scope IS NOT NULL ORDER BY e.scope
  ON CONFLICT DO NOTHING
  RETURNING failure_id
)
SELECT f.id, claimed.failure_id IS NOT NULL AS claimed FROM f LEFT JOIN claimed ON claimed.failure_id = f.id
"""

_UNCLAIM = "DELETE FROM heal_claim WHERE owner = $1 AND failure_id = ANY($2::uuid[])"

_WRITE_STATE = f"""
WITH w AS (
  SELECT x.*, row_number() OVER (PARTITION BY x.gate) AS place
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
      AS x (id, gate, damage, failure_type, disposition, due_in)
), queue AS MATERIALIZED {QUEUE_ENDS}
UPDATE workflow_failures f
   SET status = 'pending', waits_on = w.gate, damage = w.damage, failure_type = w.failure_type,
       disposition = w.disposition,
       due_at = CASE WHEN w.gate IS NULL THEN clock_timestamp() + w.due_in * interval '1 second' ELSE {WAITER_DUE} END
  FROM w LEFT JOIN queue ON queue.gate = w.gate
 WHERE f.id = w.id
"""  # noqa: S608 - constants


_LEAVE_UNREAD = "UPDATE workflow_failures SET unredacted_since = NULL WHERE id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A due failure and its plan to heal; or the dependency that it has to wait for."""

    diagnosed: Diagnosed
    waits_on: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The result of starting a batch of plans."""

    claimed: tuple[Diagnosed, ...]
    held_back: tuple[tuple[Diagnosed, HeldBack], ...]
    """Claimed, but the wallet or a rate limit refuses: the claim is still there, to be settled with that."""
    probing: frozenset[FailureId]
    """Claimed failures that probe an ill dependency for all that wait for it."""
    put_off: frozenset[OrgId] = frozenset()
    """Organisations whose wallet somebody else holds locked: their heals are due again in about a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """Failures to be planned now, with the database's time, and the cursor of the next pick."""

    failures: tuple[Failure, ...]
    too_large: tuple[Failure, ...] = ()
    """Members' rows above the limit, without their content, which was not read: to be given up."""
    now: datetime | None
    """None when nothing was due."""
    after: OrgId | None
    """The organisation after which the next pick begins; None: from the first again, all have been examined."""
    unserved: frozenset[OrgId] = frozenset()
    """Organisations with something due of which nothing was picked: it is under way, or has yet to be told."""


async def pick(
    pool: Pool, *, after: OrgId | None, room: Callable[[OrgId], int], per_organisation: int, limit: int, hide: timedelta
) -> Picked:
    """Pick due failures for this process to plan now; of each organisation at most what it has room for."""
    async with transaction(pool) as connection:
        walked = await connection.fetch(_ORGANISATIONS, after or _BEFORE_ALL, WALK)
        more = len(walked) == WALK
        rooms = {row["org_id"]: min(room(OrgId(row["org_id"])), per_organisation) for row in walked if row["due"]}
        asked = [(org_id, left) for org_id, left in rooms.items() if left > 0]
        rows = []
        if asked:
            columns = zip(*asked, strict=True)
            hidden = hide.total_seconds()
            rows = await connection.fetch(
                _PICK, *columns, hidden, per_organisation, limit, PICKED_BYTES, per_organisation + LOOKED_AT
            )
    return Picked(
        failures=tuple(read_failure(dict(row)) for row in rows if not row["too_large"]),
        too_large=tuple(read_failure(dict(row)) for row in rows if row["too_large"]),
        now=rows[0]["now"] if rows else None,
        after=OrgId(walked[-1]["org_id"]) if more else None,
        unserved=frozenset(org_id for org_id, _ in asked) - {OrgId(row["org_id"]) for row in rows},
    )


async def has_due(pool: Pool, after: OrgId | None) -> bool:
    """Return whether a failure is due among the organisations of the next pick."""
    with translated():
        walked = await pool.fetch(_ORGANISATIONS, after or _BEFORE_ALL, WALK)
    return any(row["due"] for row in walked)


async def postpone_for_person(pool: Pool) -> None:
    """Postpone by a day what is due and waits for a person or an approval."""
    with translated():
        await pool.execute(_PERSON_LATER)


async def unredacted(pool: Pool, limit: int) -> list[Failure]:
    """Return failures whose content somebody inserted or rewrote in the database, and that were not picked since."""
    async with transaction(pool) as connection:
        rows = [dict(row) for row in await connection.fetch(_UNREDACTED, limit)]
        # Nothing of these ever leaves the database, as long as the limit stands.
        await connection.execute(_LEAVE_UNREAD, [row["id"] for row in rows if row["too_large"]])
    return [read_failure(row) for row in rows if not row["too_large"]]


async def store_redacted(pool: Pool, failures: Sequence[Failure]) -> None:
    """Replace what somebody wrote into the database by its redacted form, before anything is done with it."""
    rows = [
        (
            f.id,
            f.workflow_name,
            f.failure_reason,
            as_json(f.context),
            as_json(f.redactions) if f.redactions else None,
            f.unredacted_since,
        )
        for f in failures
    ]
    async with transaction(pool) as connection:
        await connection.executemany(_REDACT, rows)


async def start(pool: Pool, owner: OwnerId, due: Sequence[Due], waiter_in: timedelta) -> Started:
    """Claim failures that their plans heal; one whose scope is taken or whose dependency is ill waits for that."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(_START, owner, *zip(*map(_row, due), strict=True))
        here = {FailureId(row["id"]): bool(row["claimed"]) for row in rows}
        stepped = [one for one in due if one.diagnosed.failure.id in here]
        probes = await admit_probes(
            connection,
            [request for one in stepped if here[one.diagnosed.failure.id] for request in _breaker_requests(one)],
        )
        ids = {failure_id for failure_id, claimed in here.items() if claimed} - probes.waiting.keys()
        admitted = await admit(connection, [one.diagnosed for one in stepped if one.diagnosed.failure.id in ids])
        put_off = frozenset(one.failure.id for one in admitted.put_off)
        if unclaimed := probes.waiting.keys() | put_off:
            await connection.execute(_UNCLAIM, owner, sorted(unclaimed))
        await release_probes(
            connection, [key for one in admitted.put_off for key in probes.probing.get(one.failure.id, ())]
        )
        if stepped:
            # Once each, and last: of a row that is written twice in one transaction the foreign key is checked, and
            # that would wait for an organisation which somebody else holds locked.
            standing = [
                _state_columns(
                    one,
                    _gate(one, here, probes),
                    PUT_OFF if one.diagnosed.failure.id in put_off else None,
                    probes.due_in.get(one.diagnosed.failure.id, waiter_in),
                )
                for one in stepped
            ]
            await connection.execute(_WRITE_STATE, *zip(*standing, strict=True))
    return Started(
        claimed=admitted.claimed,
        held_back=admitted.held_back,
        probing=frozenset(probes.probing) - put_off,
        put_off=frozenset(one.failure.org_id for one in admitted.put_off),
    )


def _row(due: Due) -> tuple[object, ...]:
    failure, plan = due.diagnosed.failure, due.diagnosed.heal
    return (
        failure.id,
        failure.step,
        plan.intent.scope if due.waits_on is None else None,
        due.diagnosed.attempt_id,
        plan.strategy,
        plan.intent.effect,
        plan.intent.idempotency_key,
        plan.intent.window.total_seconds(),
        plan.hold,
        plan.intent.pays_from,
    )


def _breaker_requests(due: Due) -> list[BreakerRequest]:
    plan, failure_id = due.diagnosed.heal, due.diagnosed.failure.id
    return [BreakerRequest(failure_id=failure_id, key=key, window=plan.intent.window) for key in plan.dependencies]


def _gate(due: Due, claimed: Mapping[FailureId, bool], probes: Probes) -> str | None:
    """Return the gate that a failure waits for; None when it is healed now."""
    failure_id, plan = due.diagnosed.failure.id, due.diagnosed.heal
    if due.waits_on is not None:
        return due.waits_on
    if failure_id in probes.waiting:
        return probes.waiting[failure_id]
    return None if claimed[failure_id] else plan.intent.scope


def _state_columns(due: Due, gate: str | None, put_off: timedelta | None, waiter_in: timedelta) -> tuple[object, ...]:
    diagnosed = due.diagnosed
    due_in = put_off or (CLAIMED_LOOK if gate is None else waiter_in)
    fault_digest = diagnosed.heal.intent.fault_digest if gate is not None else None
    kind = diagnosed.diagnosis
    return diagnosed.failure.id, gate, fault_digest, kind.failure_type, kind.disposition, due_in.total_seconds()
