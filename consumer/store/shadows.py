"""Shadow heals: what strategies in shadow mode would have done, and what became of those failures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumer.model import Failure, OrgId, Settlement
from consumer.model.plan import Rehearsal
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import FAILURE_COLUMNS, as_json, read_failure
from schemas.names import RehearsalOutcome

GRADED_AT_MOST: Final = 100_000
"""Shadow heals that one report reads: the newest of its span."""

_RECORD = """
INSERT INTO heal_shadow (failure_id, strategy, org_id, workflow_name, failure_type, scope, cost, plan, outcome,
                         rehearsal, look_at)
SELECT s.failure_id, s.strategy, s.org_id, s.workflow_name, s.failure_type, s.scope, s.cost, s.plan::jsonb, s.outcome,
       s.rehearsal::jsonb, clock_timestamp() + s.look_in * interval '1 second'
  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
              $9::text[], $10::text[], $11::float8[])
    AS s (failure_id, strategy, org_id, workflow_name, failure_type, scope, cost, plan, outcome, rehearsal, look_in)
 ORDER BY s.failure_id, s.strategy
ON CONFLICT (failure_id, strategy) DO NOTHING
"""

# Graded by what stands now, each in one way. An oracle found it well before anything was sent, in its rehearsal, in a
# look after it, or in the heal of another rung: it has recovered by itself. Resolved without a heal of ours: a person
# or the platform did it.
_GRADE = """
SELECT g.workflow_name, g.strategy, count(*) AS would_heal, sum(g.cost)::bigint AS cost,
       count(*) FILTER (WHERE g.outcome = 'would_act') AS would_act,
       count(*) FILTER (WHERE g.outcome IN ('refused', 'not_healed', 'broken')) AS would_not_act,
       count(*) FILTER (WHERE g.has_recovered) AS recovered,
       count(*) FILTER (WHERE NOT g.has_recovered AND g.is_resolved AND g.result = 'success') AS healed,
       count(*) FILTER (WHERE NOT g.has_recovered AND g.is_resolved AND g.result IS NULL) AS mended_by_person,
       count(*) FILTER (WHERE NOT g.has_recovered AND NOT g.is_resolved AND g.is_open) AS open,
       count(*) FILTER (WHERE NOT g.has_recovered AND NOT g.is_resolved AND NOT g.is_open) AS given_up
  FROM (SELECT s.workflow_name, s.strategy, s.cost, s.outcome, f.status = 'resolved' AS is_resolved,
               f.due_at IS NOT NULL AS is_open, a.result,
               s.recovered_at IS NOT NULL OR coalesce(s.outcome = 'recovered', false)
                 OR (f.status = 'resolved' AND coalesce(a.details ->> 'code' = 'recovered', false)) AS has_recovered
          FROM (SELECT * FROM heal_shadow h WHERE h.noted_at >= $1 AND ($2::uuid IS NULL OR h.org_id = $2)
                 ORDER BY h.noted_at DESC LIMIT $3) AS s
          JOIN workflow_failures f ON f.id = s.failure_id
          LEFT JOIN LATERAL (
            SELECT w.result, w.details FROM workflow_heal_attempts w
             WHERE w.failure_id = s.failure_id AND w.step IS NOT NULL AND w.result = 'success'
             ORDER BY w.step DESC LIMIT 1) AS a ON true) AS g
 GROUP BY g.workflow_name, g.strategy ORDER BY count(*) DESC, g.workflow_name, g.strategy
"""


# Another rung that acted since has changed what a look would see.
_TAKE_LOOKS = """
UPDATE heal_shadow s
   SET looks = s.looks + 1, look_at = clock_timestamp() + ($2::float8[])[s.looks + 2] * interval '1 second'
 WHERE (s.failure_id, s.strategy) IN (
   SELECT h.failure_id, h.strategy FROM heal_shadow h WHERE h.look_at <= statement_timestamp()
    ORDER BY h.look_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING s.failure_id, s.strategy
"""
_STANDING = f"""
SELECT {FAILURE_COLUMNS} FROM workflow_failures f
 WHERE f.id = ANY($1::uuid[]) AND f.status = 'needs_person' AND f.attempts = 0
"""  # noqa: S608 - a constant list of columns
_NOTE_RECOVERED = """
UPDATE heal_shadow SET recovered_at = clock_timestamp(), look_at = NULL WHERE failure_id = $1 AND strategy = $2
"""
LOOKS_AFTER: Final = (600.0, 3600.0, 86400.0)
"""Seconds until each look whether a failure has recovered by itself; after the last one nobody looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowLook:
    """A failure to be looked at again, and the strategy in shadow mode whose looks tell how it stands."""

    failure: Failure
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowGrade:
    """What one strategy in shadow mode would have healed of one workflow, and what became of those failures."""

    workflow_name: str
    strategy: str
    would_heal: int
    cost: int
    """What that would have held, in millionths of an AUD."""
    would_act: int
    """Rehearsed, they came to the effect."""
    would_not_act: int
    """Rehearsed, they ended without one, and healed nothing."""
    recovered: int
    """They have recovered by themselves: an oracle found them well, and nothing was sent."""
    healed: int
    """Another rung healed them."""
    mended_by_person: int
    """A person, or the platform, resolved them."""
    open: int
    given_up: int


async def record_shadows(connection: Connection, settlements: Sequence[Settlement]) -> None:
    """Record what these settlements' strategies in shadow mode would have done, in the caller's transaction."""
    rows = [
        (
            s.failure.id,
            one.rung,
            s.failure.org_id,
            s.failure.workflow_name,
            s.diagnosis.failure_type,
            one.intent.scope,
            one.hold,
            as_json(one.described),
            *_rehearsal_columns(one.rehearsal),
        )
        for s in settlements
        for one in s.would_heal
    ]
    if rows:
        await connection.execute(_RECORD, *zip(*rows, strict=True))


def _rehearsal_columns(rehearsal: Rehearsal | None) -> tuple[str | None, str | None, float | None]:
    if rehearsal is None:
        return None, None, None
    told = as_json({"reason": rehearsal.reason, "would_send": list(rehearsal.would_send)})
    acts = rehearsal.outcome in {RehearsalOutcome.WOULD_ACT, RehearsalOutcome.PUT_OFF}
    return rehearsal.outcome, told, LOOKS_AFTER[0] if acts else None


async def shadows_to_look_at(pool: Pool, limit: int) -> list[ShadowLook]:
    """Take shadow heals whose failure is to be looked at once more, and still stands as they left it."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(_TAKE_LOOKS, limit, list(LOOKS_AFTER))
        failures = await connection.fetch(_STANDING, [row["failure_id"] for row in rows]) if rows else []
    found = {row["id"]: read_failure(dict(row)) for row in failures if not row["too_large"]}
    return [
        ShadowLook(failure=found[row["failure_id"]], strategy=row["strategy"])
        for row in rows
        if row["failure_id"] in found
    ]


async def note_recovered(pool: Pool, look: ShadowLook) -> None:
    """Note that a failure has recovered by itself: it is not looked at any more."""
    with translated():
        await pool.execute(_NOTE_RECOVERED, look.failure.id, look.strategy)


async def grade(pool: Pool, *, since: datetime, org_id: OrgId | None) -> list[ShadowGrade]:
    """Return for each workflow and strategy what shadow heals since a time came to."""
    with translated():
        rows = await pool.fetch(_GRADE, since, org_id, GRADED_AT_MOST)
    return [ShadowGrade(**dict(row)) for row in rows]
