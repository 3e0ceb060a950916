"""Failures as an operator lists them, newest first, and the ids that begin with what was typed; as the service."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from consumer.model import FailureId, OrgId
from consumer.store.pool import Connection
from schemas.names import Status

_LIST = """
SELECT f.id, f.org_id, f.workflow_name, f.failure_reason, f.status, f.step, f.attempts, f.failure_type, f.source,
       f.disposition, f.waits_on, to_json(f.detected_at) #>> '{}' AS detected_at, to_json(f.due_at) #>> '{}' AS due_at,
       to_json(c.look_at) #>> '{}' AS suspended_until
  FROM workflow_failures f LEFT JOIN heal_claim c ON c.failure_id = f.id AND c.owner = 'suspended'
 WHERE ($1::uuid IS NULL OR f.org_id = $1)
   AND CASE WHEN $2::text[] IS NULL THEN NOT f.resolved ELSE f.status = ANY($2) END
   AND ($3::text IS NULL OR f.workflow_name = $3) AND ($4::text IS NULL OR f.source = $4)
   AND ($5::timestamptz IS NULL OR f.detected_at >= $5)
 ORDER BY f.detected_at DESC, f.id DESC
 LIMIT $6
"""

_BEGINNING_WITH = "SELECT f.id FROM workflow_failures f WHERE f.id BETWEEN $1 AND $2 ORDER BY f.id LIMIT $3"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFilter:
    """Which failures an operator lists; what is None excludes nothing."""

    org_id: OrgId | None = None
    statuses: tuple[Status, ...] = ()
    """Standing so; empty: all that are not resolved."""
    workflow_name: str | None = None
    source: str | None = None
    since: datetime | None = None
    """Detected then or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFailure:
    """A failure in an operator's list."""

    id: FailureId
    org_id: OrgId
    workflow_name: str
    failure_reason: str
    status: Status
    step: int
    attempts: int
    failure_type: str | None
    source: str | None
    """None where it was inserted in the database."""
    disposition: str | None
    waits_on: str | None
    detected_at: str | None
    due_at: str | None
    suspended_until: str | None
    """When its heal is gone on with, where that waits for another system now."""


async def list_failures(connection: Connection, wanted: FailureFilter, limit: int) -> list[ListedFailure]:
    """Return failures for an operator, newest first; without a status all that are not resolved."""
    statuses = list(wanted.statuses) if wanted.statuses else None
    chosen = (wanted.org_id, statuses, wanted.workflow_name, wanted.source, wanted.since)
    rows = await connection.fetch(_LIST, *chosen, limit)
    return [ListedFailure(**(dict(row) | {"status": Status(row["status"])})) for row in rows]


async def failures_beginning_with(connection: Connection, beginning: str, *, limit: int) -> list[UUID]:
    """Return the ids that begin with these hexadecimal digits, within a limit."""
    digits = beginning.replace("-", "")
    least, most = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return [row["id"] for row in await connection.fetch(_BEGINNING_WITH, least, most, limit)]
