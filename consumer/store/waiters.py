"""Waiters that no settlement wakes: of a scope that was freed in between, and of a dependency whose heals only wait."""

from collections.abc import Mapping, Sequence

from consumer.model import FailureId, Health
from consumer.settings import BreakerSettings
from consumer.store.breakers import apply_health
from consumer.store.pool import Pool, transaction, translated
from consumer.store.settle import wake

# A settle wakes the waiters that it sees, and not those whose own transaction commits a moment later. These check once
# more after their commit. A claim that they can lock is not being settled, and when it is, they will be seen; a claim
# that is gone, or locked, is free or about to be.
_WAKE_IF_FREE = """
WITH held AS (
  SELECT c.scope FROM heal_claim c
   WHERE c.scope IN (SELECT w.waits_on FROM workflow_failures w WHERE w.id = ANY($1::uuid[]))
   ORDER BY c.scope FOR KEY SHARE SKIP LOCKED
)
UPDATE workflow_failures f SET due_at = clock_timestamp(), waits_on = NULL
 WHERE f.id IN (SELECT w.id FROM workflow_failures w
                 WHERE w.id = ANY($1::uuid[]) AND w.waits_on IS NOT NULL AND NOT starts_with(w.waits_on, 'dependency:')
                   AND w.waits_on NOT IN (SELECT scope FROM held)
                 ORDER BY w.id FOR NO KEY UPDATE OF w SKIP LOCKED)
RETURNING f.id
"""


async def wake_missed(pool: Pool, failures: Sequence[FailureId]) -> int:
    """Make due the failures whose scope was freed while they were made to wait for it; returns how many.

    To be called after the transaction that made them wait has ended.
    """
    if not failures:
        return 0
    with translated():
        return len(await pool.fetch(_WAKE_IF_FREE, failures))


async def wake_for_room(pool: Pool, rooms: Mapping[str, int]) -> int:
    """Wake as many as each dependency has room for, whoever made that room; returns how many."""
    async with transaction(pool) as connection:
        return len(await wake(connection, rooms))


async def leave_probes(pool: Pool, left: Sequence[Health], settings: BreakerSettings) -> int:
    """Wake those for whom heals that only wait have left the probe; returns how many."""
    async with transaction(pool) as connection:
        verdicts = await apply_health(connection, left, settings)
        return len(await wake(connection, verdicts.wake))
