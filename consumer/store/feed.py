"""The feed of failures that people read: a page by filters, and how many stand where.

A signed-in user may not select the healer's columns, so the service searches, within the organisations that the user
leads. What it finds is shown only where row-level security lets the user see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from consumer.model import FailureId, OrgId
from consumer.store.pool import Connection
from consumer.store.reports import PageEnd, become_service, become_user, own_organisations
from schemas.names import FailureType, Status

# One ordered scan of the index for each organisation and status: a page costs the same however many failures there are.
# Times as text: a member may insert one that no datetime holds.
_FIND = """
SELECT p.id FROM unnest($1::uuid[]) AS o (org_id), unnest($2::text[]) AS s (status), LATERAL (
    SELECT f.id, f.detected_at FROM workflow_failures f
     WHERE f.org_id = o.org_id AND f.status = s.status
       AND ($3::text IS NULL OR f.failure_type = $3) AND ($4::text IS NULL OR f.workflow_name = $4)
       AND ($5::timestamptz IS NULL OR f.detected_at >= $5) AND ($6::timestamptz IS NULL OR f.detected_at < $6)
       AND ($8::uuid IS NULL OR CASE WHEN $7::text IS NULL THEN f.detected_at IS NOT NULL OR f.id < $8
                                     ELSE (f.detected_at, f.id) < ($7::text::timestamptz, $8) END)
     ORDER BY f.detected_at DESC, f.id DESC LIMIT $9
  ) AS p
 ORDER BY p.detected_at DESC, p.id DESC LIMIT $9
"""

# Where one organisation has nearly all failures the index by time alone looks as good as the feed's: it has the order
# but for the id. It reads every failure for a status that few or none are in.
_BY_INDEX_OF_FEED = "SELECT set_config('enable_incremental_sort', 'off', true)"

_VISIBLE = "SELECT f.id FROM workflow_failures f WHERE f.id = ANY($1::uuid[])"

_LINES = """
SELECT f.id, f.org_id, left(f.workflow_name, 200) AS workflow_name, left(f.failure_reason, 300) AS failure_reason,
       f.status, f.failure_type, f.disposition, f.attempts, to_json(f.detected_at) #>> '{}' AS detected_at,
       to_json(f.due_at) #>> '{}' AS due_at, f.waits_on, c.owner AS claimed_by, a.strategy, a.result, a.code
  FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place) JOIN workflow_failures f ON f.id = w.id
  LEFT JOIN heal_claim c ON c.failure_id = f.id
  LEFT JOIN LATERAL (
    SELECT h.strategy, h.result, CASE WHEN pg_column_size(h.details) <= 8192 THEN h.details ->> 'code' END AS code
      FROM workflow_heal_attempts h WHERE h.failure_id = f.id AND h.step IS NOT NULL ORDER BY h.step DESC LIMIT 1
  ) AS a ON true
 ORDER BY w.place
"""

# As far as a person reads a number: beyond it is told that there are more.
_COUNT = """
SELECT s.status, (
    SELECT count(*) FROM (
      SELECT FROM unnest($1::uuid[]) AS o (org_id), LATERAL (
          SELECT FROM workflow_failures f
           WHERE f.org_id = o.org_id AND f.status = s.status AND ($3::timestamptz IS NULL OR f.detected_at >= $3)
           LIMIT $4
        ) AS found LIMIT $4) AS counted) AS failures
  FROM unnest($2::text[]) AS s (status)
"""

_COUNT_HEALING = """
SELECT count(*) FROM (
  SELECT FROM heal_claim c
   WHERE c.org_id = ANY($1::uuid[]) AND c.owner NOT IN ('parked', 'suspended') LIMIT $2) AS counted
"""

COUNTED: Final = 1000
"""Failures of one status that are counted; of more it is told that there are more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which failures of the feed are wanted; None: any."""

    statuses: tuple[Status, ...] = tuple(Status)
    org_id: OrgId | None = None
    failure_type: FailureType | None = None
    workflow_name: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLine:
    """One failure in the feed, with its last attempt; texts are cut."""

    id: FailureId
    org_id: OrgId
    workflow_name: str
    failure_reason: str
    status: Status
    failure_type: str | None
    disposition: str | None
    attempts: int
    detected_at: str | None
    due_at: str | None
    waits_on: str | None
    claimed_by: str | None
    """The process that heals it, `suspended` or `parked`; None where no heal of it is under way."""
    strategy: str | None
    result: str | None
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCounts:
    """How many failures stand where, each up to `COUNTED` and one more."""

    by_status: Mapping[Status, int]
    healed_since: int
    """Resolved ones that were detected since the time that was asked for."""
    healing: int
    """Failures that a process heals at this moment."""


async def feed_page(
    connection: Connection, wanted: FeedFilter, after: PageEnd | None, limit: int
) -> tuple[list[FeedLine], PageEnd | None]:
    """Return a page of the feed of a user, newest first, and where the next one begins.

    The connection is in a transaction as the user; it goes on as the service.
    """
    own = await own_organisations(connection, wanted.org_id)
    await become_service(connection)
    since = (after.detected_at, after.id) if after is not None else (None, None)
    await connection.execute(_BY_INDEX_OF_FEED)
    found = [
        row["id"]
        for row in await connection.fetch(
            _FIND,
            own,
            list(wanted.statuses),
            wanted.failure_type,
            wanted.workflow_name,
            wanted.since,
            wanted.before,
            *since,
            limit + 1,
        )
    ]
    lines = await _lines_of(connection, found)
    page = lines[:limit]
    follows = len(found) > limit and bool(page)
    return page, PageEnd(detected_at=page[-1].detected_at, id=page[-1].id) if follows else None


async def _lines_of(connection: Connection, ids: Sequence[UUID]) -> list[FeedLine]:
    await become_user(connection)
    visible = {row["id"] for row in await connection.fetch(_VISIBLE, ids)}
    await become_service(connection)
    rows = await connection.fetch(_LINES, [one for one in ids if one in visible])
    return [FeedLine(**(dict(row) | {"status": Status(row["status"])})) for row in rows]


async def feed_counts(connection: Connection, org_id: OrgId | None, healed_since: datetime) -> FeedCounts:
    """Count a user's failures by where they stand; the transaction as the user goes on as the service."""
    own = await own_organisations(connection, org_id)
    await become_service(connection)
    rows = await connection.fetch(_COUNT, own, list(Status), None, COUNTED + 1)
    healed = await connection.fetch(_COUNT, own, [Status.RESOLVED], healed_since, COUNTED + 1)
    healing = await connection.fetchval(_COUNT_HEALING, own, COUNTED + 1)
    by_status = {Status(row["status"]): row["failures"] for row in rows}
    return FeedCounts(by_status=by_status, healed_since=healed[0]["failures"], healing=healing)
