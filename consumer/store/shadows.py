"""Shadow heals: what strategies in shadow mode would have done, and what became of those failures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumer.model import OrgId, Settlement
from consumer.store.pool import Connection, Pool, translated
from consumer.store.rows import as_json

GRADED_AT_MOST: Final = 100_000
"""Shadow heals that one report reads: the newest of its span."""

_RECORD = """
INSERT INTO heal_shadow (failure_id, strategy, org_id, workflow_name, failure_type, scope, cost, plan)
SELECT s.failure_id, s.strategy, s.org_id, s.workflow_name, s.failure_type, s.scope, s.cost, s.plan::jsonb
  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[])
    AS s (failure_id, strategy, org_id, workflow_name, failure_type, scope, cost, plan)
 ORDER BY s.failure_id, s.strategy
ON CONFLICT (failure_id, strategy) DO NOTHING
"""

# Graded by what stands now. Healed before anything was sent: it had recovered. Resolved without a heal of ours: a
# person or the platform did it.
_GRADE = """
SELECT g.workflow_name, g.strategy, count(*) AS would_heal, sum(g.cost)::bigint AS cost,
       count(*) FILTER (WHERE g.is_resolved AND g.code = 'recovered') AS recovered,
       count(*) FILTER (WHERE g.is_resolved AND g.result = 'success' AND g.code IS DISTINCT FROM 'recovered') AS healed,
       count(*) FILTER (WHERE g.is_resolved AND g.result IS NULL) AS mended_by_person,
       count(*) FILTER (WHERE NOT g.is_resolved AND g.is_open) AS open,
       count(*) FILTER (WHERE NOT g.is_resolved AND NOT g.is_open) AS given_up
  FROM (SELECT s.workflow_name, s.strategy, s.cost, f.status = 'resolved' AS is_resolved,
               f.due_at IS NOT NULL AS is_open, a.result, a.details ->> 'code' AS code
          FROM (SELECT * FROM heal_shadow h WHERE h.noted_at >= $1 AND ($2::uuid IS NULL OR h.org_id = $2)
                 ORDER BY h.noted_at DESC LIMIT $3) AS s
          JOIN workflow_failures f ON f.id = s.failure_id
          LEFT JOIN LATERAL (
            SELECT w.result, w.details FROM workflow_heal_attempts w
             WHERE w.failure_id = s.failure_id AND w.step IS NOT NULL AND w.result = 'success'
             ORDER BY w.step DESC LIMIT 1) AS a ON true) AS g
 GROUP BY g.workflow_name, g.strategy ORDER BY count(*) DESC, g.workflow_name, g.strategy
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowGrade:
    """What one strategy in shadow mode would have healed of one workflow, and what became of those failures."""

    workflow_name: str
    strategy: str
    would_heal: int
    cost: int
    """What that would have held, in millionths of an AUD."""
    recovered: int
    """They had recovered by themselves before anything was sent."""
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
            one.strategy,
            s.failure.org_id,
            s.failure.workflow_name,
            s.diagnosis.failure_type,
            one.intent.scope,
            one.hold,
            as_json(one.described),
        )
        for s in settlements
        for one in s.would_heal
    ]
    if rows:
        await connection.execute(_RECORD, *zip(*rows, strict=True))


async def grade(pool: Pool, *, since: datetime, org_id: OrgId | None) -> list[ShadowGrade]:
    """Return for each workflow and strategy what shadow heals since a time came to."""
    with translated():
        rows = await pool.fetch(_GRADE, since, org_id, GRADED_AT_MOST)
    return [ShadowGrade(**dict(row)) for row in rows]
