"""Settle transaction: ends a batch of heals. Fencing: only a claim of this owner and of its epoch is deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import asyncpg

from consumer.model import AttemptId, FailureId, Message, OwnerId, Settlement
from consumer.model.relapse import RelapseFound
from consumer.model.settlement import AskedStep
from consumer.settings import BreakerSettings
from consumer.store.approvals import ask_plans, carry_on
from consumer.store.breakers import Verdicts, apply_health
from consumer.store.credits import EndedHold, Unpaid, read_hold, settle_holds
from consumer.store.drift import RepairCount, count
from consumer.store.outbox import columns, put
from consumer.store.pool import Connection, Pool, transaction
from consumer.store.relapses import note_relapses
from consumer.store.rows import as_json, progress_json
from consumer.store.shadows import record_shadows

_SETTLE = """
WITH x AS (
  SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
                       $8::text[], $9::float8[], $10::bool[], $11::bool[], $12::bool[], $13::text[], $14::int[],
                       $15::uuid[], $16::int[], $27::text[], $28::bigint[])
    AS x (attempt_id, strategy, result, attempted_at, finished_at, details, status, due_in, counts, unsure, parks,
          rungs, epoch, of_failure, at_step, pause, spent)
), m AS (
  SELECT * FROM unnest($17::uuid[], $18::uuid[], $19::uuid[], $20::int[], $21::smallint[], $22::text[], $23::bytea[],
                       $24::bytea[], $25::bytea[])
    AS m (attempt_id, id, failure_id, step, rank, topic, key, headers, body)
), forgotten AS (
  DELETE FROM heal_outbox WHERE id = ANY($26::uuid[])
), locked AS MATERIALIZED (
  -- Failures before claims, as a decision does: it is seen here, or it waits for this end.
  SELECT f.id, f.step AS now_at, f.status AS stands FROM workflow_failures f
   WHERE f.id IN (SELECT x.of_failure FROM x) ORDER BY f.id FOR NO KEY UPDATE OF f SKIP LOCKED
), busy AS MATERIALIZED (
  -- Another transaction holds the row, for a moment or for hours: its heal is settled later, and holds up no other.
  SELECT x.attempt_id FROM x JOIN workflow_failures f ON f.id = x.of_failure
   WHERE NOT EXISTS (SELECT FROM locked l WHERE l.id = x.of_failure)
), e AS (
  -- Where the step moved meanwhile, a person decided. Their decision stands, and what was learnt is written all the
  -- same. One that opened the failure again asked for what this heal did: its proof, or its doubt, is the answer.
  SELECT x.*, l.now_at,
         l.now_at = x.at_step OR (
           l.stands IN ('pending', 'deferred')
           AND (x.status IN ('resolved', 'needs_person') OR coalesce(x.unsure, false))) AS applies,
         -- The end of an effect that is in doubt frees no scope, whatever was decided before it was known.
         CASE WHEN l.now_at <> x.at_step AND l.stands IN ('resolved', 'given_up') THEN coalesce(x.unsure, false)
              ELSE x.parks AND l.id IS NOT NULL END AS keeps
    FROM x LEFT JOIN locked l ON l.id = x.of_failure
   WHERE NOT EXISTS (SELECT FROM busy b WHERE b.attempt_id = x.attempt_id)
), gone AS (
  DELETE FROM heal_claim c USING e
   WHERE c.attempt_id = e.attempt_id AND c.owner = $1 AND c.epoch = e.epoch AND NOT e.keeps
  RETURNING c.failure_id, c.step, c.scope, c.org_id, c.held, c.pays_from,
            c.effect = 'unsafe' AND c.begun AS made, e.*
), parked AS (
  -- Its end is not known: scope and credits stay held until a person decides, who knows of it then.
  UPDATE heal_claim c SET owner = 'parked', parked_step = e.now_at + e.applies::int, charged = e.spent FROM e
   WHERE c.attempt_id = e.attempt_id AND c.owner = $1 AND c.epoch = e.epoch AND e.keeps
  RETURNING c.failure_id, c.step, c.scope, c.org_id, c.held, c.pays_from, false, e.*
), d AS (
  SELECT * FROM gone UNION ALL SELECT * FROM parked
), a AS (
  INSERT INTO workflow_heal_attempts (id, failure_id, attempted_at, finished_at, strategy, result, details, step)
  SELECT d.attempt_id, d.failure_id, d.attempted_at, d.finished_at, d.strategy, d.result, d.details::jsonb, d.step
    FROM d JOIN workflow_failures w ON w.id = d.failure_id
), f AS (
  UPDATE workflow_failures f
     SET status = CASE WHEN d.applies THEN d.status ELSE f.status END,
         resolved = CASE WHEN d.applies THEN d.status = 'resolved' ELSE f.resolved END,
         step = f.step + d.applies::int,
         waits_on = CASE WHEN d.applies THEN d.pause ELSE f.waits_on END,
         -- Its place and its age are those of when the heal began that a pause ended.
         paused_at = CASE WHEN d.applies AND d.pause IS NOT NULL THEN d.attempted_at ELSE f.paused_at END,
         damage = CASE WHEN d.applies THEN NULL ELSE f.damage END,
         due_at = CASE WHEN d.applies THEN clock_timestamp() + d.due_in * interval '1 second' ELSE f.due_at END,
         attempts = f.attempts + d.counts::int, lifetime_attempts = f.lifetime_attempts + d.counts::int,
         effect_made = f.effect_made OR (d.made AND d.result = 'success'),
         unsure = coalesce(d.unsure, f.unsure), rungs = coalesce(d.rungs::jsonb, f.rungs)
    FROM d WHERE f.id = d.failure_id
), told AS (
  INSERT INTO heal_status_change (failure_id, step, status, reason)
  SELECT d.failure_id, d.now_at + 1, d.status, 'the heal that was under way has ended'
    FROM d WHERE d.applies AND d.now_at <> d.at_step
  ON CONFLICT DO NOTHING
), o AS (
  INSERT INTO heal_outbox (id, failure_id, step, rank, owner, topic, key, headers, body)
  SELECT m.id, m.failure_id, m.step, m.rank, $1, m.topic, m.key, m.headers, m.body FROM m JOIN d USING (attempt_id)
   ORDER BY m.rank
  ON CONFLICT (id) DO NOTHING
)
SELECT attempt_id, scope, org_id, held, pays_from, keeps, false AS busy FROM d
UNION ALL SELECT b.attempt_id, NULL, NULL, NULL, NULL, NULL, true FROM busy b
"""

_INSERT_ATTEMPTS = """
INSERT INTO workflow_heal_attempts (id, failure_id, attempted_at, finished_at, strategy, result, details, step)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
                     $7::jsonb[], $8::int[])
ON CONFLICT (id) DO NOTHING
"""

# Only the first waiters of each gate: the others have their own due time, and each one that settles wakes the next. One
# with the damage that was just mended is told so here: a row that is written twice in one transaction has its foreign
# key checked, which would wait for an organisation that somebody else holds locked.
_WAKE = """
UPDATE workflow_failures
   SET due_at = clock_timestamp(), waits_on = NULL,
       twin = coalesce((SELECT m.attempt_id FROM unnest($3::text[], $4::uuid[]) AS m (damage, attempt_id)
                         WHERE m.damage = workflow_failures.damage LIMIT 1), twin)
 WHERE id IN (
  SELECT w.id FROM unnest($1::text[]) AS s (gate) CROSS JOIN LATERAL (
    SELECT f.id FROM workflow_failures f WHERE f.waits_on = s.gate ORDER BY f.due_at LIMIT $2 FOR UPDATE SKIP LOCKED
  ) AS w)
RETURNING id
"""

# A failure that waits for the same scope with the same damage is mended too, and need not act.
_SHARE = """
UPDATE workflow_failures SET due_at = clock_timestamp(), waits_on = NULL, twin = s.attempt_id FROM (
  SELECT f.id, m.attempt_id FROM unnest($1::text[], $2::text[], $3::uuid[]) AS m (scope, damage, attempt_id)
    JOIN workflow_failures f ON f.waits_on = m.scope AND f.damage = m.damage
   ORDER BY f.id FOR UPDATE OF f SKIP LOCKED) AS s
 WHERE workflow_failures.id = s.id
"""

# A row that another transaction holds is picked again later: its plan is made anew then.
_SETTLE_UNCLAIMED = """
WITH x AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::float8[], $5::text[], $6::text[])
    AS x (id, step, status, due_in, failure_type, disposition)
), l AS MATERIALIZED (
  SELECT w.id FROM workflow_failures w WHERE w.id IN (SELECT x.id FROM x) AND w.due_at IS NOT NULL
   ORDER BY w.id FOR NO KEY UPDATE OF w SKIP LOCKED
)
UPDATE workflow_failures f
   SET status = x.status, resolved = (x.status = 'resolved'), step = f.step + 1, waits_on = NULL, twin = NULL,
       failure_type = x.failure_type, disposition = x.disposition,
       due_at = clock_timestamp() + x.due_in * interval '1 second'
  FROM x JOIN l USING (id)
 WHERE f.id = x.id AND f.step = x.step AND f.due_at IS NOT NULL
RETURNING f.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The result of settling a batch of ended heals."""

    mine: frozenset[AttemptId]
    busy: frozenset[AttemptId] = frozenset()
    """Nothing was written of these: another transaction holds the row of their failure. Settle them again later."""
    verdicts: Verdicts
    woken: int
    """Failures that waited for one of them and are due now."""
    drifted: Sequence[RepairCount] = ()
    """Repairs that became a finding with this batch: the producer keeps sending payloads that have to be repaired."""
    relapses: Mapping[FailureId, tuple[RelapseFound, Message]] = field(default_factory=dict)
    """Failures that came again after a proven heal, each with its event, which is in the outbox."""


async def settle(
    pool: Pool, owner: OwnerId, settlements: Sequence[Settlement], acked: Sequence[UUID], breaker: BreakerSettings
) -> Settled:
    """End heals: delete their claims, write their attempts, statuses, credits and messages; all or nothing.

    Returns the attempts that this process still owned; of the others nothing was written: they have another owner, or
    an earlier call whose commit was not known did it. A failure's row that another transaction holds is not waited for.
    `acked` messages leave the outbox in the same transaction. Of each settlement's `health` the caller leaves in only
    what the database has to know.
    """
    async with transaction(pool) as connection:
        ends = zip(*map(_row, settlements), strict=True)
        told = [(s.attempt.id, message) for s in settlements for message in s.messages]
        messages = columns([message for _, message in told])
        pauses = [s.next.waits_on for s in settlements]
        spent = [s.attempt.spent for s in settlements]
        rows = await connection.fetch(
            _SETTLE, owner, *ends, [attempt for attempt, _ in told], *messages, acked, pauses, spent
        )
        mine = {AttemptId(row["attempt_id"]): row for row in rows if not row["busy"]}
        busy = frozenset(AttemptId(row["attempt_id"]) for row in rows if row["busy"])
        ended = [s for s in settlements if s.attempt.id in mine]
        verdicts = await apply_health(connection, [health for s in ended for health in s.healths], breaker)
        freed = {row["scope"]: 1 for row in mine.values() if not row["keeps"]}
        mended = [(mine[s.attempt.id]["scope"], s.mended, s.attempt.id) for s in ended if s.mended is not None]
        woken = await wake(connection, freed | verdicts.wake, [(damage, attempt) for _, damage, attempt in mended])
        if woken and mended:
            await connection.execute(_SHARE, *zip(*mended, strict=True))
        await record_shadows(connection, ended)
        relapses = await note_relapses(connection, owner, ended)
        done = [s for s in ended if not mine[s.attempt.id]["keeps"]]
        await ask_plans(connection, [s.asked for s in ended if s.asked is not None])
        await carry_on(connection, [(s.failure.id, s.attempt.step) for s in ended if s.approval_unused])
        drifted = tuple(await count(connection, ended))
        unpaid = [
            Unpaid(org_id=s.failure.org_id, amount=s.unpaid, pays_from=s.pays_from)
            for s in done
            if s.unpaid is not None
        ]
        await settle_holds(connection, [_ended_hold(mine[s.attempt.id], s) for s in done], unpaid)
    return Settled(
        mine=frozenset(mine), busy=busy, verdicts=verdicts, woken=len(woken), drifted=drifted, relapses=relapses
    )


async def wake(
    connection: Connection, gates: Mapping[str, int], mended: Sequence[tuple[str, AttemptId]] = ()
) -> list[UUID]:
    """Make due the failures that wait for these gates, at most so many each; in the caller's transaction.

    Those with a damage that was mended learn by which attempt.
    """
    by_number: dict[int, list[str]] = {}
    for gate, number in gates.items():
        # Rounded up to a power of two: as few statements as there are orders of magnitude.
        by_number.setdefault(1 << max(0, number - 1).bit_length(), []).append(gate)
    damages = tuple(zip(*mended, strict=True)) or ((), ())
    woken: list[UUID] = []
    for number, some in by_number.items():
        woken += [row["id"] for row in await connection.fetch(_WAKE, sorted(some), number, *damages)]
    return woken


async def end_unclaimed(pool: Pool, owner: OwnerId, steps: Sequence[Settlement | AskedStep]) -> frozenset[UUID]:
    """Settle steps whose plan did not act, without a claim; returns the failures that were still at that step."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(_SETTLE_UNCLAIMED, *zip(*map(_unclaimed_row, steps), strict=True))
        moved = frozenset(row["id"] for row in rows)
        ended = [one for one in steps if one.failure.id in moved]
        await insert_unclaimed(connection, ended)
        await put(connection, owner, [message for one in ended for message in one.messages])
    return moved


async def insert_unclaimed(connection: Connection, steps: Sequence[Settlement | AskedStep]) -> None:
    """Insert what steps without a claim leave, in the caller's transaction: attempts, or plans that are asked for."""
    ended = [one for one in steps if isinstance(one, Settlement)]
    if ended:
        await record_shadows(connection, ended)
        await connection.execute(_INSERT_ATTEMPTS, *zip(*map(_attempt_row, ended), strict=True))
    await ask_plans(connection, [one.asked for one in steps if isinstance(one, AskedStep)])


def _row(settlement: Settlement) -> tuple[object, ...]:
    attempt, following = settlement.attempt, settlement.next
    return (
        attempt.id,
        attempt.strategy,
        attempt.result,
        attempt.attempted_at,
        attempt.finished_at,
        as_json(settlement.stored_details),
        following.status,
        _seconds(following.due_in),
        following.counts,
        settlement.effect_in_doubt,
        settlement.parks,
        progress_json(settlement.ladder_progress) if settlement.ladder_progress is not None else None,
        settlement.epoch,
        settlement.failure.id,
        attempt.step,
    )


def _unclaimed_row(settlement: Settlement | AskedStep) -> tuple[object, ...]:
    diagnosis, following = settlement.diagnosis, settlement.next
    return (
        settlement.failure.id,
        settlement.failure.step,
        following.status,
        _seconds(following.due_in),
        diagnosis.failure_type,
        diagnosis.disposition,
    )


def _attempt_row(settlement: Settlement) -> tuple[object, ...]:
    attempt = settlement.attempt
    return (
        attempt.id,
        settlement.failure.id,
        attempt.attempted_at,
        attempt.finished_at,
        attempt.strategy,
        attempt.result,
        as_json(settlement.stored_details),
        attempt.step,
    )


def _ended_hold(row: asyncpg.Record, settlement: Settlement) -> EndedHold:
    return EndedHold(hold=read_hold(row), strategy=settlement.attempt.strategy, spent=settlement.attempt.spent)


def _seconds(span: timedelta | None) -> float | None:
    return span.total_seconds() if span is not None else None
