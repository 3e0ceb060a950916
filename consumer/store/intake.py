"""Intake transaction: makes a batch durable, as failures and dead letters, and claims the heals that start at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from consumer.errors import TransientError
from consumer.model import AttemptId, Diagnosed, FailureId, Heal, Message, OrgId, OwnerId, Record, Settlement
from consumer.model.batch import HeldBack
from consumer.model.settlement import AskedStep
from consumer.store.admission import PUT_OFF, admit
from consumer.store.aside import AsideLimits, ToSetAside, set_aside
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, transaction
from consumer.store.rows import CLAIMED_LOOK, QUEUE_ENDS, WAITER_DUE, as_json
from consumer.store.run_parents import keep_parents, known_roll_ups
from consumer.store.same_run import link_same_run
from consumer.store.settle import insert_unclaimed
from schemas.names import Status
from schemas.value import value

_KNOWN_ORGANISATIONS = "SELECT id FROM organizations WHERE id = ANY($1::uuid[])"

_TAKE_IN = """
WITH e AS (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                       $8::bytea[], $9::int[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
                       $15::text[], $16::int[], $17::float8[], $18::text[], $19::uuid[], $20::text[], $21::text[],
                       $22::text[], $23::float8[], $24::bigint[], $25::text[], $26::text[], $27::bytea[])
    WITH ORDINALITY AS e (id, org_id, workflow_name, failure_reason, context, detected_at, source,
          digest, size, extra, failure_type, disposition, traceparent, tracestate,
          status, step, due_in, scope, attempt_id, strategy, effect,
          idem_key, effect_window, held, pays_from, redactions, run_key, place)
), here AS MATERIALIZED (
  -- Nobody else's lock is waited for; and what came first of an organisation is taken in first.
  SELECT o.id FROM organizations o
   WHERE o.id IN (SELECT org_id FROM e) AND ($29 OR NOT EXISTS (SELECT FROM intake_aside a WHERE a.org_id = o.id))
   ORDER BY o.id FOR KEY SHARE OF o SKIP LOCKED
), ins AS (
  INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, detected_at, source, digest, size,
                                 extra, failure_type, disposition, traceparent, tracestate, redactions,
                                 run_key, status, step, due_at)
  SELECT e.id, e.org_id, e.workflow_name, e.failure_reason, e.context::jsonb, e.detected_at, e.source, e.digest, e.size,
         e.extra::jsonb, e.failure_type, e.disposition, e.traceparent, e.tracestate, e.redactions::jsonb,
         e.run_key, e.status, e.step, clock_timestamp() + e.due_in * interval '1 second'
    FROM e WHERE e.org_id IN (SELECT id FROM here)
   ORDER BY e.run_key, CASE WHEN e.run_key IS NULL THEN e.id END, e.place
  -- Of the id, or of the run's key. Who comes at the same moment waits for the first to commit.
  ON CONFLICT DO NOTHING
  RETURNING id
), claimed AS (
  INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, idem_key, owner,
                          effect_deadline, held, pays_from)
  SELECT e.scope, e.id, e.attempt_id, 0, e.org_id, e.strategy, e.effect, e.idem_key, $28,
         clock_timestamp() + e.effect_window * interval '1 second', e.held, e.pays_from
    FROM e JOIN ins USING (id) WHERE e.scope IS NOT NULL ORDER BY e.scope
  ON CONFLICT DO NOTHING
  RETURNING failure_id
)
SELECT ins.id, claimed.failure_id IS NOT NULL AS claimed, NULL AS aside
  FROM ins LEFT JOIN claimed ON claimed.failure_id = ins.id
UNION ALL
-- Whose organisation somebody else holds, or does not exist.
SELECT e.id, NULL, EXISTS (SELECT FROM organizations o WHERE o.id = e.org_id)
  FROM e WHERE e.org_id NOT IN (SELECT id FROM here)
"""

_SET_WAITING = f"""
WITH w AS (
  SELECT x.*, row_number() OVER (PARTITION BY x.gate) AS place
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[]) AS x (id, gate, damage, due_in)
), queue AS MATERIALIZED {QUEUE_ENDS}
UPDATE workflow_failures f SET waits_on = w.gate, damage = w.damage, due_at = {WAITER_DUE}
  FROM w JOIN queue ON queue.gate = w.gate WHERE f.id = w.id
"""  # noqa: S608 - constants

_PUT_OFF = """
WITH gone AS (
  DELETE FROM heal_claim WHERE owner = $1 AND failure_id = ANY($2::uuid[]) RETURNING failure_id
)
UPDATE workflow_failures f SET due_at = clock_timestamp() + $3 * interval '1 second' * (0.75 + random() / 2)
  FROM gone WHERE f.id = gone.failure_id
"""

_STORED = "SELECT id, digest FROM workflow_failures WHERE id = ANY($1::uuid[])"

# The same content written otherwise is the same event.
_OTHER_CONTENT = """
SELECT f.id FROM workflow_failures f
  JOIN unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS e (id, name, reason, context) ON e.id = f.id
 WHERE (f.workflow_name, f.failure_reason, f.context) IS DISTINCT FROM (e.name, e.reason, e.context::jsonb)
"""


@value(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One accepted event of a batch: its failure with diagnosis and plan, and what was decided for its first step."""

    diagnosed: Diagnosed
    wants_slot: bool
    ended: Settlement | AskedStep | None
    """The finished first step of a plan that does not act: it is written with the failure itself."""
    waiter_in: timedelta
    """Delay until it is due again by itself, should another heal hold its scope or its dependency be ill."""
    waits_on: str | None = None
    """The dependency that it waits for, in place of a slot."""


@value(frozen=True, slots=True, kw_only=True)
class Taken:
    """The result of storing a batch."""

    claimed: tuple[Diagnosed, ...]
    """Failures that this process heals now."""
    new: frozenset[FailureId]
    conflicting: tuple[FailureId, ...]
    """Events whose id another content has taken: of the failure with that id the first delivery counts."""
    held_back: tuple[tuple[Diagnosed, HeldBack], ...]
    """Claimed, but the wallet or a rate limit refuses: the claim is still there, to be settled with that."""
    aside: frozenset[FailureId] = frozenset()
    """Events whose organisation somebody else holds locked: their records were set aside, and are taken in later."""
    same_run: frozenset[FailureId] = frozenset()
    """Events of a failure of a run that another event has reported: linked to it, and no failures of their own."""


@value(frozen=True, slots=True, kw_only=True)
class Aside:
    """What becomes of events whose organisation somebody else holds locked."""

    limits: AsideLimits
    record_of: Callable[[Arrival], Record]
    refuse: Callable[[Arrival], Sequence[Message]]
    """Returns the messages of the dead letter of an event for which there is no room."""
    retaking: bool = False
    """These records were set aside before, and are taken in before any later one of their organisations."""


PENDING_UNCLAIMED: Final = timedelta(0)


async def known_organisations(connection: Connection, org_ids: Sequence[OrgId]) -> frozenset[OrgId]:
    """Return the organisations that exist."""
    rows = await connection.fetch(_KNOWN_ORGANISATIONS, sorted(org_ids))
    return frozenset(OrgId(row["id"]) for row in rows)


async def take_in(
    pool: Pool,
    owner: OwnerId,
    arrivals: Sequence[Arrival],
    letters: Sequence[Message],
    refuse_stranger: Callable[[Arrival], Sequence[Message]],
    aside: Aside | None = None,
) -> Taken:
    """Make a batch durable in one transaction.

    `arrivals` hold each id once. `refuse_stranger` returns the messages of an event whose organisation does not exist,
    its dead letter among them; they are written in the same transaction. The call is idempotent, so repeating it after
    a commit whose result is unknown is safe: rows that are there already are not written again. Without `aside` an
    organisation that somebody else holds locked is a TransientError.

    Raises
    ------
    RefusedByDatabase
        Something in the batch cannot be stored; nothing was.
    TransientError
        The database did not answer; what was written is not known.

    """
    async with transaction(pool) as connection:
        said = await _insert_new(connection, owner, arrivals, retaking=aside is not None and aside.retaking)
        taken = said.claimed
        strange = [m for a in arrivals if a.diagnosed.failure.id in said.strangers for m in refuse_stranger(a)]
        kept, refused = await _set_aside(
            connection, [a for a in arrivals if a.diagnosed.failure.id in said.locked], aside
        )
        here = [a for a in arrivals if a.diagnosed.failure.id not in said.elsewhere]
        await _write_waiters(connection, here, taken)
        ended = [a.ended for a in here if a.ended is not None and a.diagnosed.failure.id in taken]
        await insert_unclaimed(connection, ended)
        await put(connection, owner, [m for e in ended for m in e.messages] + strange + refused + list(letters))
        claimed = [a.diagnosed for a in here if taken.get(a.diagnosed.failure.id)]
        admitted = await admit(connection, claimed)
        await _put_off(connection, owner, [one.failure.id for one in admitted.put_off])
        conflicting = await _find_conflicts(connection, [a for a in here if a.diagnosed.failure.id not in taken])
    return Taken(
        claimed=admitted.claimed,
        new=frozenset(taken),
        conflicting=conflicting,
        held_back=admitted.held_back,
        aside=kept,
        same_run=said.same_run,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inserted:
    """New failures, and whether each was claimed; events without an organisation, and those whose one is locked."""

    claimed: dict[FailureId, bool] = field(default_factory=dict)
    strangers: frozenset[FailureId] = frozenset()
    locked: frozenset[FailureId] = frozenset()
    same_run: frozenset[FailureId] = frozenset()

    @property
    def elsewhere(self) -> frozenset[FailureId]:
        """The events that are not taken in here."""
        return self.strangers | self.locked


async def _insert(connection: Connection, owner: OwnerId, arrivals: Sequence[Arrival], *, retaking: bool) -> _Inserted:
    rows = await connection.fetch(_TAKE_IN, *zip(*map(_row, arrivals), strict=True), owner, retaking)
    return _Inserted(
        claimed={FailureId(row["id"]): row["claimed"] for row in rows if row["aside"] is None},
        strangers=frozenset(FailureId(row["id"]) for row in rows if row["aside"] is False),
        locked=frozenset(FailureId(row["id"]) for row in rows if row["aside"]),
    )


async def _insert_new(
    connection: Connection, owner: OwnerId, arrivals: Sequence[Arrival], *, retaking: bool
) -> _Inserted:
    """Insert what is new, and link what tells of a failure of a run that is there already."""
    if not arrivals:
        return _Inserted()
    rolled_up = await known_roll_ups(connection, (a.diagnosed.failure for a in arrivals))
    arrivals = [a for a in arrivals if a.diagnosed.failure.id not in rolled_up] if rolled_up else arrivals
    said = await _insert(connection, owner, arrivals, retaking=retaking) if arrivals else _Inserted()
    left = [a for a in arrivals if a.diagnosed.failure.id not in said.claimed]
    same = await link_same_run(connection, [a.diagnosed.failure for a in left], said.elsewhere)
    if own := [_without_run_key(a) for a in left if a.diagnosed.failure.id in same.apart]:
        apart = await _insert(connection, owner, own, retaking=True)
        said = replace(said, claimed=said.claimed | apart.claimed)
    here = {*said.claimed, *same.linked}
    parts = [a.diagnosed.failure for a in arrivals if a.diagnosed.failure.id in here]
    await keep_parents(connection, [(one, same.linked.get(one.id, one.id)) for one in parts])
    return replace(said, same_run=frozenset(same.linked) - same.known | rolled_up)


def _without_run_key(arrival: Arrival) -> Arrival:
    failure = replace(arrival.diagnosed.failure, run_key=None)
    return replace(arrival, diagnosed=replace(arrival.diagnosed, failure=failure))


async def _set_aside(
    connection: Connection, locked: Sequence[Arrival], aside: Aside | None
) -> tuple[frozenset[FailureId], list[Message]]:
    """Set records aside; returns which are, and the dead letters of those for which there is no room."""
    if not locked:
        return frozenset(), []
    if aside is None:
        raise TransientError("another application holds the organisation's row locked")
    wanted = [
        ToSetAside(failure_id=a.diagnosed.failure.id, org_id=a.diagnosed.failure.org_id, record=aside.record_of(a))
        for a in locked
    ]
    kept = await set_aside(connection, wanted, aside.limits)
    return kept, [m for a in locked if a.diagnosed.failure.id not in kept for m in aside.refuse(a)]


def _row(arrival: Arrival) -> tuple[object, ...]:
    failure, diagnosis, plan = arrival.diagnosed.failure, arrival.diagnosed.diagnosis, arrival.diagnosed.plan
    trace = failure.trace
    return (
        failure.id,
        failure.org_id,
        failure.workflow_name,
        failure.failure_reason,
        as_json(failure.context),
        failure.detected_at,
        failure.source,
        failure.digest,
        failure.size,
        as_json(failure.extra) if failure.extra else None,
        diagnosis.failure_type,
        diagnosis.disposition,
        trace.traceparent if trace else None,
        trace.tracestate if trace else None,
        *_initial_state(arrival),
        *_claim_columns(plan if isinstance(plan, Heal) and arrival.wants_slot else None, arrival.diagnosed.attempt_id),
        as_json(failure.redactions) if failure.redactions else None,
        failure.run_key,
    )


def _initial_state(arrival: Arrival) -> tuple[str, int, float | None]:
    if arrival.ended is not None:
        due_in = arrival.ended.next.due_in
        return arrival.ended.next.status, 1, due_in.total_seconds() if due_in is not None else None
    due = CLAIMED_LOOK if arrival.wants_slot else PENDING_UNCLAIMED
    return Status.PENDING, 0, due.total_seconds()


def _claim_columns(plan: Heal | None, attempt_id: AttemptId) -> tuple[object, ...]:
    if plan is None:
        return (None,) * 8
    window = plan.intent.window.total_seconds()
    key = plan.intent.idempotency_key
    return (
        plan.intent.scope,
        attempt_id,
        plan.strategy,
        plan.intent.effect,
        key,
        window,
        plan.hold,
        plan.intent.pays_from,
    )


async def _write_waiters(connection: Connection, here: Sequence[Arrival], taken: dict[FailureId, bool]) -> None:
    waiting = [
        (
            a.diagnosed.failure.id,
            a.waits_on or a.diagnosed.plan.intent.scope,
            a.diagnosed.plan.intent.fault_digest,
            a.waiter_in.total_seconds(),
        )
        for a in here
        if (a.wants_slot or a.waits_on)
        and isinstance(a.diagnosed.plan, Heal)
        and taken.get(a.diagnosed.failure.id) is False
    ]
    if waiting:
        await connection.execute(_SET_WAITING, *zip(*waiting, strict=True))


async def _put_off(connection: Connection, owner: OwnerId, failures: Sequence[FailureId]) -> None:
    if failures:
        await connection.execute(_PUT_OFF, owner, failures, PUT_OFF.total_seconds())


async def _find_conflicts(connection: Connection, again: Sequence[Arrival]) -> tuple[FailureId, ...]:
    if not again:
        return ()
    failures = {a.diagnosed.failure.id: a.diagnosed.failure for a in again}
    rows = await connection.fetch(_STORED, list(failures))
    others = [failures[row["id"]] for row in rows if row["digest"] != failures[row["id"]].digest]
    if not others:
        return ()
    contents = zip(*((f.id, f.workflow_name, f.failure_reason, as_json(f.context)) for f in others), strict=True)
    return tuple(FailureId(row["id"]) for row in await connection.fetch(_OTHER_CONTENT, *contents))
