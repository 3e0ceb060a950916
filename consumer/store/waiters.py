"""Who waits for a scope, and was told to wait just while it came free."""

from collections.abc import Sequence

from consumer.model import FailureId
from consumer.store.pool import Pool, translated

# Whoever frees a scope wakes those whom it sees waiting: not those whose own transaction ends a moment later. These
# look once more when it has ended. A claim that they can lock is not being settled, and when it is, they will be seen;
# one that is gone, or locked, is free or about to be.
_LOOK = """
WITH held AS (
  SELECT c.scope FROM heal_claim c
   WHERE c.scope IN (SELECT w.waits_on FROM workflow_failures w WHERE w.id = ANY($1::uuid[]))
   ORDER BY c.scope FOR KEY SHARE SKIP LOCKED
)
UPDATE workflow_failures f SET due_at = clock_timestamp(), waits_on = NULL
 WHERE f.id = ANY($1::uuid[]) AND f.waits_on IS NOT NULL AND NOT starts_with(f.waits_on, 'dependency:')
   AND f.waits_on NOT IN (SELECT scope FROM held)
RETURNING f.id
"""


async def look_again(pool: Pool, failures: Sequence[FailureId]) -> int:
    """Make due those whose scope came free while they were told to wait for it; gives how many.

    To be called after their transaction has ended.
    """
    if not failures:
        return 0
    with translated():
        return len(await pool.fetch(_LOOK, failures))
