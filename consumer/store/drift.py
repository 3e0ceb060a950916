"""Producer drift: repairs counted by producer and kind when they are settled, and the findings that they add up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from pydantic_core import from_json

from consumer.model import ID_SPACE, AttemptId, Drift, Failure, FailureId, Json, OrgId, Settlement
from consumer.model.identity import uuid5_from_bytes
from consumer.store.pool import Connection
from consumer.store.rows import as_json, storable_text
from schemas.names import Result
from schemas.value import value

FORGET_AFTER: Final = timedelta(days=30)
"""Retention: a count that has not become a finding by then is deleted, so that old repairs do not lead to one."""
MOST_OF_AN_ORGANISATION: Final = 2000
"""Cap on rows of an organisation: producers choose the names of their keys, and could make any number of them."""

_FORGET = """
DELETE FROM producer_drift
 WHERE org_id = ANY($1::uuid[]) AND raised_at IS NULL AND last_at < clock_timestamp() - $2::interval
"""

# The attempt that raised it is stored beside it, so that only the heal that reached the number publishes it.
_COUNT = """
INSERT INTO producer_drift AS d (id, org_id, source, workflow_name, schema_digest, path, kind, fix, patch, repairs,
                                 raise_at, example_path, example_failure, raised_at, raised_by)
SELECT x.id, x.org_id, x.source, x.workflow_name, x.schema_digest, x.path, x.kind, x.fix, x.patch::jsonb, x.repairs,
       x.raise_at, x.example_path, x.failure_id, CASE WHEN x.repairs >= x.raise_at THEN clock_timestamp() END,
       CASE WHEN x.repairs >= x.raise_at THEN x.attempt_id END
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
              $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::uuid[], $14::uuid[])
    AS x (id, org_id, source, workflow_name, schema_digest, path, kind, fix, patch, repairs, raise_at, example_path,
          failure_id, attempt_id)
 WHERE EXISTS (SELECT FROM producer_drift k WHERE k.id = x.id)
    OR (SELECT count(*) FROM producer_drift o WHERE o.org_id = x.org_id) < $15
 ORDER BY x.id
ON CONFLICT (id) DO UPDATE
   SET repairs = d.repairs + EXCLUDED.repairs, raise_at = EXCLUDED.raise_at, last_at = clock_timestamp(),
       fix = EXCLUDED.fix, patch = EXCLUDED.patch, example_path = EXCLUDED.example_path,
       example_failure = EXCLUDED.example_failure,
       raised_at = CASE WHEN d.raised_at IS NOT NULL THEN d.raised_at
                        WHEN d.repairs + EXCLUDED.repairs >= EXCLUDED.raise_at THEN clock_timestamp() END,
       raised_by = CASE WHEN d.raised_at IS NOT NULL THEN d.raised_by
                        WHEN d.repairs + EXCLUDED.repairs >= EXCLUDED.raise_at THEN $14[array_position($1, d.id)] END
RETURNING id, repairs, raised_by
"""

_FINDINGS = """
SELECT d.id, d.org_id, d.source, d.workflow_name, d.schema_digest, d.path, d.kind, d.fix, d.patch, d.repairs,
       d.example_path, d.example_failure, to_json(d.first_at) #>> '{}' AS first_at,
       to_json(d.last_at) #>> '{}' AS last_at, to_json(d.raised_at) #>> '{}' AS raised_at
  FROM producer_drift d
 WHERE ($1::uuid IS NULL OR d.org_id = $1) AND (d.raised_at IS NOT NULL OR $2)
 ORDER BY d.last_at DESC, d.id
 LIMIT $3
"""

_FORGET_ONE = "DELETE FROM producer_drift WHERE id = $1 RETURNING id"


@value(frozen=True, slots=True, kw_only=True)
class RepairCount:
    """Equal repairs of one producer's payloads in one batch of settled heals."""

    id: UUID
    org_id: OrgId
    source: str | None
    workflow_name: str
    drift: Drift
    failure_id: FailureId
    attempt_id: AttemptId
    """The first attempt that was counted."""
    repairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One way in which a producer's payloads keep missing their schema; below its threshold without `raised_at`."""

    id: UUID
    org_id: UUID
    source: str | None
    workflow_name: str
    schema_digest: str
    path: str
    kind: str
    fix: str
    patch: list[Json]
    repairs: int
    example_path: str
    example_failure: UUID
    first_at: str
    last_at: str
    raised_at: str | None


async def count(connection: Connection, settlements: Sequence[Settlement]) -> list[RepairCount]:
    """Count the repairs of settled heals, in the caller's transaction; returns those that became a finding with it."""
    found = counted(settlements)
    if not found:
        return []
    await connection.execute(_FORGET, sorted({one.org_id for one in found}), FORGET_AFTER)
    columns = zip(*map(_row, found), strict=True)
    rows = await connection.fetch(_COUNT, *columns, MOST_OF_AN_ORGANISATION)
    raised = {row["id"]: row["raised_by"] for row in rows}
    return [one for one in found if raised.get(one.id) == one.attempt_id]


async def findings(connection: Connection, org_id: OrgId | None, *, counting: bool, limit: int) -> list[Finding]:
    """Return findings, the latest seen first, and with `counting` those still below their threshold; as the service."""
    rows = await connection.fetch(_FINDINGS, org_id, counting, limit)
    return [Finding(**(dict(row) | {"patch": from_json(row["patch"])})) for row in rows]


async def forget(connection: Connection, finding: UUID) -> bool:
    """Delete a finding once its producer is mended, so that counting starts anew; returns whether there was one."""
    return await connection.fetchval(_FORGET_ONE, finding) is not None


def _row(one: RepairCount) -> tuple[object, ...]:
    drift = one.drift
    texts = (one.source, one.workflow_name, drift.schema_digest, drift.path, drift.kind, drift.fix)
    return (
        one.id,
        one.org_id,
        *(storable_text(text) if text is not None else None for text in texts),
        as_json(list(drift.patch)),
        one.repairs,
        drift.raise_at,
        storable_text(drift.example),
        one.failure_id,
        one.attempt_id,
    )


def counted(settlements: Iterable[Settlement]) -> list[RepairCount]:
    """Sum up verified repairs, sorted, so that two batches never wait for one another."""
    found: dict[UUID, RepairCount] = {}
    for settlement in settlements:
        failure, attempt = settlement.failure, settlement.attempt
        for drift in attempt.drift if attempt.result is Result.SUCCESS else ():
            key = _key(failure, drift)
            known = found.get(key)
            found[key] = (
                replace(known, repairs=known.repairs + 1)
                if known is not None
                else RepairCount(
                    id=key,
                    org_id=failure.org_id,
                    source=failure.source,
                    workflow_name=failure.workflow_name,
                    drift=drift,
                    failure_id=failure.id,
                    attempt_id=attempt.id,
                    repairs=1,
                )
            )
    return [found[key] for key in sorted(found)]


def _key(failure: Failure, drift: Drift) -> UUID:
    parts = (failure.org_id, failure.source, failure.workflow_name, drift.schema_digest, drift.kind, drift.path)
    text = "\0".join(("drift", *map(str, parts)))
    # A key of a payload may hold half a surrogate pair, which has no byte form.
    return uuid5_from_bytes(ID_SPACE.bytes, text.encode(errors="backslashreplace").decode())
