"""Queries of attempts for people: the healer's own and the members', each for itself; as the service."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from consumer.model import FailureId
from consumer.store.pool import Connection, Pool, translated
from consumer.store.reports import ACQUIRE_WITHIN

# The healer's own and the members' each for itself: whatever a member inserts, with whatever time, hides none of ours.
# The size of details is counted without printing them: of a number, six bytes as stored may be 131,072 as text.
_OWN_ATTEMPTS = """
SELECT a.id, a.step, a.strategy, a.result,
       CASE WHEN pg_column_size(a.details) <= $4 AND shw_json_bytes(a.details, $4) <= $4 THEN a.details END AS details,
       to_json(a.attempted_at) #>> '{}' AS attempted_at, to_json(a.finished_at) #>> '{}' AS finished_at
  FROM workflow_heal_attempts a
 WHERE a.failure_id = $1 AND a.step IS NOT NULL AND ($2::integer IS NULL OR a.step < $2)
 ORDER BY a.step DESC LIMIT $3
"""

_MEMBERS_ATTEMPTS = """
SELECT a.id, a.step, left(a.strategy, 200) AS strategy, left(a.result, 200) AS result,
       CASE WHEN pg_column_size(a.details) <= $3 AND shw_json_bytes(a.details, $3) <= $3 THEN a.details END AS details,
       to_json(a.attempted_at) #>> '{}' AS attempted_at, to_json(a.finished_at) #>> '{}' AS finished_at
  FROM workflow_heal_attempts a WHERE a.failure_id = $1 AND a.step IS NULL
 ORDER BY a.attempted_at DESC, a.id LIMIT $2
"""

_ATTEMPT_SINCE = """
SELECT a.id, a.step, a.strategy, a.result,
       CASE WHEN pg_column_size(a.details) <= $3 AND shw_json_bytes(a.details, $3) <= $3 THEN a.details END AS details,
       to_json(a.attempted_at) #>> '{}' AS attempted_at, to_json(a.finished_at) #>> '{}' AS finished_at
  FROM workflow_heal_attempts a WHERE a.failure_id = $1 AND a.step >= $2 ORDER BY a.step LIMIT 1
"""

DETAILS_BYTES: Final = 1024 * 1024
MEMBERS_ATTEMPTS: Final = 50
MEMBERS_BYTES: Final = 4096
"""Size limit of the details of an attempt that a member has inserted: of so many, and counting for nothing."""
OPERATORS_ATTEMPTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedAttempt:
    """An attempt with the fields that only the service sees. One that a member inserted has no step."""

    id: UUID
    step: int | None
    strategy: str
    result: str
    details: str | None
    attempted_at: str | None
    finished_at: str | None


async def own_attempts(
    connection: Connection, failure_id: FailureId, *, before: int | None, limit: int
) -> list[ReportedAttempt]:
    """Return the healer's attempts on a failure, the newest first, from below a step on; as the service."""
    rows = await connection.fetch(_OWN_ATTEMPTS, failure_id, before, limit, DETAILS_BYTES)
    return [ReportedAttempt(**dict(row)) for row in rows]


async def members_attempts(connection: Connection, failure_id: FailureId) -> list[ReportedAttempt]:
    """Return the newest attempts that members have inserted, within a limit; as the service."""
    rows = await connection.fetch(_MEMBERS_ATTEMPTS, failure_id, MEMBERS_ATTEMPTS, MEMBERS_BYTES)
    return [ReportedAttempt(**dict(row)) for row in rows]


async def attempts_of(connection: Connection, failure_id: FailureId) -> list[ReportedAttempt]:
    """Return the attempts on a failure for an operator, the healer's newest first, then the members'."""
    own = await own_attempts(connection, failure_id, before=None, limit=OPERATORS_ATTEMPTS)
    return [*own, *await members_attempts(connection, failure_id)]


async def attempt_since(pool: Pool, failure_id: FailureId, step: int) -> ReportedAttempt | None:
    """Return the first of the healer's attempts from a step on, or None when there is none yet; as the service."""
    with translated():
        async with pool.acquire(timeout=ACQUIRE_WITHIN.total_seconds()) as connection:
            row = await connection.fetchrow(_ATTEMPT_SINCE, failure_id, step, DETAILS_BYTES)
    return ReportedAttempt(**dict(row)) if row is not None else None
