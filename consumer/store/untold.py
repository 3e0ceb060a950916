"""Failures that are due while something of them has yet to be told: put aside, so that no pick steps over them.

A failure is not healed again before its last message has left the outbox. When Kafka takes none for long, they may be
hundreds of thousands, and would stand before every pick. So they wait for the outbox as others wait for a scope, and
each round looks at a few of them: it writes nothing of those that go on waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumer.model import OrgId
from consumer.store.pool import Pool, transaction, translated

LOOKED_AT: Final = 500
"""Failures of one organisation that are looked at to be put aside: as many as a pick steps over at most."""
UNTOLD_FOR: Final = 5.0
"""Seconds that a message may take before its failure is put aside: in an ordinary hour none takes so long."""
RELEASED_FROM: Final = 2000
"""Failures that wait for the outbox of which one round sees whether they may go on."""

# Rows are looked up one by one, by their key, whatever the planner thinks of how many there are. Those put aside come
# due by themselves after ten minutes, should their release fail.
_PUT_ASIDE = """
WITH near AS MATERIALIZED (
  SELECT p.id FROM unnest($1::uuid[]) AS orgs (org_id) CROSS JOIN LATERAL (
    SELECT w.id FROM workflow_failures w
     WHERE w.org_id = orgs.org_id AND w.due_at <= statement_timestamp() AND w.status IN ('pending', 'deferred')
     ORDER BY w.due_at LIMIT $2) AS p
), untold AS MATERIALIZED (
  SELECT m.id FROM near n CROSS JOIN LATERAL (
    SELECT l.id FROM workflow_failures l
     WHERE l.id = n.id AND l.due_at <= statement_timestamp()
       AND ((SELECT b.step FROM heal_outbox b
              WHERE b.failure_id = l.id AND b.created_at < statement_timestamp() - $3 * interval '1 second' LIMIT 1)
              IS NOT NULL
            OR (SELECT s.step FROM heal_status_change s
                 WHERE s.failure_id = l.id AND s.changed_at < statement_timestamp() - $3 * interval '1 second' LIMIT 1)
               IS NOT NULL)
     LIMIT 1 FOR NO KEY UPDATE OF l SKIP LOCKED) AS m
)
UPDATE workflow_failures f
   SET waits_on = 'outbox', due_at = clock_timestamp() + (0.5 + random()) * interval '10 minutes'
 WHERE f.id = ANY (ARRAY(SELECT u.id FROM untold u))
RETURNING f.id
"""

_RELEASE = """
WITH near AS MATERIALIZED (
  SELECT w.id, w.due_at FROM workflow_failures w
   WHERE w.waits_on = 'outbox' AND w.due_at > coalesce($1::timestamptz, '-infinity') ORDER BY w.due_at LIMIT $2
), told AS MATERIALIZED (
  SELECT m.id FROM near n CROSS JOIN LATERAL (
    SELECT l.id FROM workflow_failures l
     WHERE l.id = n.id AND l.waits_on IS NOT DISTINCT FROM 'outbox'
       AND (SELECT b.step FROM heal_outbox b WHERE b.failure_id = l.id LIMIT 1) IS NULL
       AND (SELECT s.step FROM heal_status_change s WHERE s.failure_id = l.id LIMIT 1) IS NULL
     LIMIT 1 FOR NO KEY UPDATE OF l SKIP LOCKED) AS m
), released AS (
  UPDATE workflow_failures f SET waits_on = NULL, due_at = clock_timestamp()
   WHERE f.id = ANY (ARRAY(SELECT t.id FROM told t))
  RETURNING f.id
)
SELECT (SELECT count(*) FROM near) AS looked_at, (SELECT max(due_at) FROM near) AS last,
       (SELECT count(*) FROM released) AS released
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Failures whose messages have been sent, and the cursor of the next look; None: from the first again."""

    count: int
    after: datetime | None


async def put_aside(pool: Pool, organisations: Sequence[OrgId]) -> int:
    """Put aside due failures of these organisations of which something has yet to be told; returns how many."""
    async with transaction(pool) as connection:
        return len(await connection.fetch(_PUT_ASIDE, organisations, LOOKED_AT, UNTOLD_FOR))


async def release_told(pool: Pool, after: datetime | None) -> Released:
    """Make due those of the next few that were put aside of which all is told."""
    with translated():
        row = await pool.fetchrow(_RELEASE, after, RELEASED_FROM)
    if row is None:
        raise RuntimeError("a SELECT without FROM gives one row")
    return Released(count=row["released"], after=row["last"] if row["looked_at"] == RELEASED_FROM else None)
