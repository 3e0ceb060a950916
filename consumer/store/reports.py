"""Queries of failures and attempts for people: as a signed-in user under row-level security, and as the service."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from consumer.model import Failure, FailureId, OrgId
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import AGENT_DIAGNOSIS, READABLE_BYTES, read_failure
from schemas.names import Status

ACQUIRE_WITHIN: Final = timedelta(seconds=5)
"""Acquire timeout on the pool that intake and settle use too; a reader waits no longer, and tries again."""

_AS_USER = "SELECT set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)"
_AS_SERVICE = "SELECT set_config('role', 'none', true)"
_AS_USER_AGAIN = "SELECT set_config('role', 'authenticated', true)"

# Times as text: a member may insert one that no datetime holds ('infinity', 4000 BC), which must not hide the others.
_UNRESOLVED = """
SELECT f.id FROM workflow_failures f
 WHERE NOT f.resolved AND ($1::uuid IS NULL OR f.org_id = $1)
   AND ($3::uuid IS NULL OR CASE WHEN $2::text IS NULL THEN f.detected_at IS NOT NULL OR f.id < $3
                                 ELSE (f.detected_at, f.id) < ($2::text::timestamptz, $3) END)
 ORDER BY f.detected_at DESC, f.id DESC
 LIMIT $4
"""

# A page ends before its bytes exceed the limit, and a context above its own limit is left out: both before anything is
# read or printed. The size of a row is counted when it comes in; of one from before that, it is now.
_PAGE = """
WITH sized AS (
  SELECT w.place, f.id, f.org_id, f.workflow_name, left(f.failure_reason, $4) AS failure_reason, f.context, f.resolved,
         to_json(f.detected_at) #>> '{}' AS detected_at,
         CASE WHEN f.size > 0 THEN f.size ELSE shw_json_bytes(f.context, $3) END AS bytes
    FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place) JOIN workflow_failures f ON f.id = w.id
), summed AS (
  SELECT sized.*, sum(CASE WHEN bytes > $3 THEN 0 ELSE bytes END) OVER (ORDER BY place) AS so_far FROM sized
)
SELECT id, org_id, workflow_name, failure_reason, CASE WHEN bytes <= $3 THEN context END AS context, resolved,
       detected_at, CASE WHEN bytes > $3 THEN bytes END AS omitted
  FROM summed WHERE so_far <= $2 OR place = 1 ORDER BY place
"""

_ONE = """
SELECT s.id, s.org_id, s.workflow_name, s.failure_reason, CASE WHEN s.bytes <= $2 THEN s.context END AS context,
       s.resolved, to_json(s.detected_at) #>> '{}' AS detected_at, CASE WHEN s.bytes > $2 THEN s.bytes END AS omitted
  FROM (SELECT f.*, CASE WHEN f.size > 0 THEN f.size ELSE shw_json_bytes(f.context, $2) END AS bytes
          FROM workflow_failures f WHERE f.id = $1) AS s
"""

_IS_VISIBLE = "SELECT f.org_id FROM workflow_failures f WHERE f.id = $1"

_FAILURE_STATE = """
SELECT f.status, f.step, f.attempts, f.failure_type, f.disposition, f.waits_on,
       to_json(f.due_at) #>> '{}' AS due_at, to_json(f.received_at) #>> '{}' AS received_at,
       c.strategy AS suspended_by, to_json(c.suspended_at) #>> '{}' AS suspended_since,
       to_json(c.look_at) #>> '{}' AS suspended_until, c.waits_for,
       (SELECT r.of_attempt FROM heal_relapse r WHERE r.failure_id = f.id) AS relapse_of
  FROM workflow_failures f LEFT JOIN heal_claim c ON c.failure_id = f.id AND c.owner = 'suspended' WHERE f.id = $1
"""

_COUNTS = """
SELECT count(*) AS total, count(*) FILTER (WHERE f.resolved) AS resolved
  FROM workflow_failures f WHERE $1::uuid IS NULL OR f.org_id = $1
"""

# As the policies on failures have it.
_OWN_ORGANISATIONS = """
SELECT m.org_id FROM user_organizations m
 WHERE m.role IN ('owner', 'admin') AND ($1::uuid IS NULL OR m.org_id = $1)
"""

_COUNT_PAUSED = "SELECT count(*) FROM workflow_failures f WHERE f.paused_at IS NOT NULL AND f.org_id = ANY($1::uuid[])"

_COUNT_SUSPENDED = """
SELECT c.strategy, count(*) AS heals FROM heal_claim c
 WHERE c.owner = 'suspended' AND c.org_id = ANY($1::uuid[]) GROUP BY c.strategy ORDER BY c.strategy
"""

# Keyset pagination, each page in a transaction of its own: one over millions of rows would outlast its timeout, and
# keep vacuum from the claims for as long. A failure without a readable time is in no span of time either.
_REASONS = """
SELECT f.id, f.org_id, f.workflow_name, left(f.failure_reason, $6::int) AS failure_reason, f.failure_type, f.detected_at
  FROM workflow_failures f
 WHERE f.detected_at >= $1 AND (f.detected_at, f.id) < ($2, $3)
   AND ($4::text IS NULL OR f.failure_type = $4) AND ($5::uuid IS NULL OR f.org_id = $5)
 ORDER BY f.detected_at DESC, f.id DESC
 LIMIT $7
"""

_DIAGNOSED = f"""
SELECT f.id, f.org_id, f.workflow_name, f.failure_reason, f.detected_at, f.source,
       CASE WHEN f.size BETWEEN 1 AND $5 OR shw_json_bytes(f.context, $5) <= $5 THEN f.context END AS context, f.digest,
       f.size, f.redactions, f.traceparent, f.tracestate, 0 AS step, 0 AS attempts, 0 AS lifetime_attempts,
       false AS unsure, NULL::uuid AS twin, NULL::jsonb AS rungs, f.received_at, f.inserted_as, f.vouched,
       f.unredacted_since, NULL::jsonb AS approval, {AGENT_DIAGNOSIS} AS agent_diagnosis,
       f.failure_type, f.disposition, 0.0::float8 AS paused_seconds,
       f.lifetime_attempts > 0 AS acted, (
         SELECT a.strategy FROM workflow_heal_attempts a
          WHERE a.failure_id = f.id AND a.step IS NOT NULL ORDER BY a.step DESC LIMIT 1) AS strategy
  FROM workflow_failures f
 WHERE f.detected_at >= $1 AND (f.detected_at, f.id) < ($2, $3) AND f.failure_type IS NOT NULL
 ORDER BY f.detected_at DESC, f.id DESC
 LIMIT $4
"""  # noqa: S608 - constants

_FIRST_CURSOR: Final = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""Cursor of the first page: a place after every failure."""
PAGE_BYTES: Final = 256 * 1024
"""Size limit of the contexts in one page of a list."""
LISTED_BYTES: Final = 64 * 1024
"""Size limit of one context in a list; a larger one is shown with its failure alone."""
LISTED_REASON: Final = 8192
REASONS_PAGE: Final = 2000
DIAGNOSED_PAGE: Final = 100
"""Failures in one page: each may have a context of a megabyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFailure:
    """A failure in the original service's form; `context` is JSON text, `detected_at` RFC 3339 (or `infinity`)."""

    id: FailureId
    org_id: OrgId
    workflow_name: str
    failure_reason: str
    context: str | None
    detected_at: str | None
    resolved: bool
    omitted: int | None = None
    """Bytes of a context that is too large, and left out; counted only as far as the limit that they exceed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureState:
    """State of a failure: the healer's columns, which no signed-in user may select."""

    status: Status
    step: int
    attempts: int
    failure_type: str | None
    disposition: str | None
    waits_on: str | None
    due_at: str | None
    received_at: str
    suspended_by: str | None = None
    """The strategy of the heal under way, where it waits for another system now."""
    suspended_since: str | None = None
    """When the heal under way was first suspended, where it waits for another system now."""
    suspended_until: str | None = None
    """When it is gone on with."""
    waits_for: str | None = None
    """What it waits for, in its strategy's words."""
    relapse_of: UUID | None = None
    """The attempt that had healed the same, where it came again within the watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReason:
    """The reason text of a failure, cut to a length, and whose it is."""

    id: FailureId
    org_id: OrgId
    workflow_name: str
    failure_reason: str
    failure_type: str | None
    detected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDiagnosis:
    """A failure as it was received, with its diagnosis and its last strategy."""

    failure: Failure
    received_at: datetime
    failure_type: str
    disposition: str
    strategy: str | None
    """Strategy of the last attempt; None before the first."""
    acted: bool
    """An attempt of it acted, and was not a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEnd:
    """Pagination cursor, where a page ended: the time as text (None where the row has none) and the id."""

    detected_at: str | None
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Failures that the user may see, and how many of them are resolved."""

    total: int
    resolved: int
    suspended: Mapping[str, int] = field(default_factory=dict)
    """Failures whose heal waits for another system, by its strategy."""
    paused: int = 0
    """Failures that a pause holds."""


@asynccontextmanager
async def as_user(pool: Pool, claims: Mapping[str, Any], *, readonly: bool = True) -> AsyncIterator[Connection]:
    """Open a transaction in which row-level security sees the signed-in user, and nothing else is granted."""
    with translated():
        async with (
            pool.acquire(timeout=ACQUIRE_WITHIN.total_seconds()) as connection,
            connection.transaction(readonly=readonly),
        ):
            await connection.execute(_AS_USER, to_json(dict(claims)).decode())
            yield connection


async def become_service(connection: Connection) -> None:
    """Switch to the service's role within the same transaction, after the user was found to see the row."""
    await connection.execute(_AS_SERVICE)


async def become_user(connection: Connection) -> None:
    """Switch back to the user, in a transaction that was opened as one: the claims stand until its end."""
    await connection.execute(_AS_USER_AGAIN)


async def unresolved(connection: Connection, *, org_id: OrgId | None, after: PageEnd | None, limit: int) -> list[UUID]:
    """Return the ids of the unresolved failures that the user may see, newest first."""
    since = (after.detected_at, after.id) if after is not None else (None, None)
    return [row["id"] for row in await connection.fetch(_UNRESOLVED, org_id, *since, limit)]


async def page_of(connection: Connection, ids: Sequence[UUID]) -> list[ReportedFailure]:
    """Return as many failures, from the first on, as fit into a page; as the service, for ids that the user may see."""
    rows = await connection.fetch(_PAGE, ids, PAGE_BYTES, LISTED_BYTES, LISTED_REASON)
    return [ReportedFailure(**dict(row)) for row in rows]


async def one_failure(connection: Connection, failure_id: FailureId) -> ReportedFailure | None:
    """Return a failure, or None when it does not exist; as the service, for an id that the user may see."""
    row = await connection.fetchrow(_ONE, failure_id, READABLE_BYTES)
    return ReportedFailure(**dict(row)) if row is not None else None


async def visible_organisation(connection: Connection, failure_id: FailureId) -> OrgId | None:
    """Return the organisation of a failure, or None when it does not exist or the user may not see it."""
    found: UUID | None = await connection.fetchval(_IS_VISIBLE, failure_id)
    return OrgId(found) if found is not None else None


async def failure_state(connection: Connection, failure_id: FailureId) -> FailureState | None:
    """Return the state of a failure; as the service."""
    row = await connection.fetchrow(_FAILURE_STATE, failure_id)
    return FailureState(**(dict(row) | {"status": Status(row["status"])})) if row is not None else None


async def own_organisations(connection: Connection, org_id: OrgId | None) -> list[OrgId]:
    """Return the organisations that the user owns or administers; or the one that is named, if it is among them."""
    return [OrgId(own["org_id"]) for own in await connection.fetch(_OWN_ORGANISATIONS, org_id)]


async def counts(connection: Connection, org_id: OrgId | None) -> Counts:
    """Count the failures that the user may see; the transaction goes on as the service."""
    row = await connection.fetchrow(_COUNTS, org_id)
    organisations = await own_organisations(connection, org_id)
    await become_service(connection)
    suspended = {row["strategy"]: row["heals"] for row in await connection.fetch(_COUNT_SUSPENDED, organisations)}
    paused = await connection.fetchval(_COUNT_PAUSED, organisations)
    return Counts(**dict(row), suspended=suspended, paused=paused) if row is not None else Counts(total=0, resolved=0)


async def stored_reasons(
    pool: Pool, *, since: datetime, failure_type: str | None, org_id: OrgId | None, length: int
) -> AsyncIterator[StoredReason]:
    """Yield the reasons of failures detected since a time, newest first, in pages."""
    after, more = _FIRST_CURSOR, True
    while more:
        async with transaction(pool) as connection:
            rows = await connection.fetch(_REASONS, since, *after, failure_type, org_id, length, REASONS_PAGE)
        for row in rows:
            yield StoredReason(**dict(row))
        more = len(rows) == REASONS_PAGE
        after = (rows[-1]["detected_at"], rows[-1]["id"]) if rows else after


async def stored_diagnoses(pool: Pool, *, since: datetime, limit: int) -> AsyncIterator[StoredDiagnosis]:
    """Yield the diagnosed failures detected since a time, newest first, in pages."""
    after, left = _FIRST_CURSOR, limit
    while left > 0:
        wanted = min(left, DIAGNOSED_PAGE)
        async with transaction(pool) as connection:
            rows = await connection.fetch(_DIAGNOSED, since, *after, wanted, READABLE_BYTES)
        for row in rows:
            yield StoredDiagnosis(
                failure=read_failure(dict(row)),
                received_at=row["received_at"],
                failure_type=row["failure_type"],
                disposition=row["disposition"] or "",
                strategy=row["strategy"],
                acted=row["acted"],
            )
        left = left - wanted if len(rows) == wanted else 0
        after = (rows[-1]["detected_at"], rows[-1]["id"]) if rows else after
