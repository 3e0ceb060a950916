"""Records set aside: those of organisations whose row another application holds locked, until it can be had."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from consumer.model import FailureId, OrgId, Record
from consumer.store.pool import Connection, Pool, translated
from schemas.json_text import to_json
from schemas.value import value

_SHARES = """
SELECT a.org_id, count(*) AS rows, sum(a.size)::bigint AS bytes FROM intake_aside a GROUP BY a.org_id
"""

_THERE = "SELECT failure_id FROM intake_aside WHERE failure_id = ANY($1::uuid[])"

_SET_ASIDE = """
INSERT INTO intake_aside (failure_id, org_id, topic, partition, record_offset, timestamp_ms, key, value, headers, size)
SELECT r.failure_id, r.org_id, r.topic, r.partition, r.record_offset, r.timestamp_ms, r.key, r.value, r.headers, r.size
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[],
              $9::bytea[], $10::int[]) WITH ORDINALITY
    AS r (failure_id, org_id, topic, partition, record_offset, timestamp_ms, key, value, headers, size, nth)
 ORDER BY r.nth
ON CONFLICT (failure_id) DO NOTHING
"""

# Another record may be there under the same id: an event that came first, or one that another replica set aside.
_KEPT = """
SELECT a.failure_id FROM intake_aside a JOIN unnest($1::uuid[], $2::bytea[]) AS r (failure_id, value) USING (failure_id)
 WHERE a.value IS NOT DISTINCT FROM r.value
"""

# Of organisations that can be had now, or are gone: these become dead letters.
_READ = """
WITH free AS MATERIALIZED (
  SELECT o.id FROM organizations o WHERE o.id IN (SELECT a.org_id FROM intake_aside a)
   ORDER BY o.id FOR KEY SHARE OF o SKIP LOCKED
)
SELECT s.failure_id, s.topic, s.partition, s.record_offset, s.timestamp_ms, s.key, s.value, s.headers FROM (
  SELECT a.*, sum(a.size) OVER (ORDER BY a.place) - a.size AS before FROM intake_aside a
   WHERE a.org_id IN (SELECT id FROM free) OR a.org_id NOT IN (SELECT o.id FROM organizations o)
   ORDER BY a.place LIMIT $1) AS s
 WHERE s.before < $2 ORDER BY s.place
"""

_FORGET = "DELETE FROM intake_aside WHERE failure_id = ANY($1::uuid[])"

_COUNT = "SELECT count(*) FROM intake_aside"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideLimits:
    """How much may be set aside: of one organisation as much as is left over for the others."""

    rows: int
    bytes: int


@value(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A record that was set aside, and the failure that it would have been."""

    failure_id: FailureId
    record: Record


@value(frozen=True, slots=True, kw_only=True)
class ToSetAside:
    """A record of an organisation whose row is locked."""

    failure_id: FailureId
    org_id: OrgId
    record: Record

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        record = self.record
        return len(record.value or b"") + len(record.key or b"") + sum(len(n) + len(v) for n, v in record.headers)


async def set_aside(connection: Connection, records: Sequence[ToSetAside], limits: AsideLimits) -> frozenset[FailureId]:
    """Set records aside in the caller's transaction; returns those that are aside now.

    For the others there is no room, or another record is aside under their id.
    """
    ids = [one.failure_id for one in records]
    there = {FailureId(row["failure_id"]) for row in await connection.fetch(_THERE, ids)}
    shares = {OrgId(row["org_id"]): (row["rows"], row["bytes"]) for row in await connection.fetch(_SHARES)}
    chosen = fitting([one for one in records if one.failure_id not in there], shares, limits)
    if chosen:
        await connection.execute(_SET_ASIDE, *zip(*map(_row, chosen), strict=True))
    kept = await connection.fetch(_KEPT, ids, [one.record.value for one in records])
    return frozenset(FailureId(row["failure_id"]) for row in kept)


def fitting(
    records: Sequence[ToSetAside], shares: Mapping[OrgId, tuple[int, int]], limits: AsideLimits
) -> list[ToSetAside]:
    """Choose those for which there is room: an organisation may have as much as it leaves to others. Pure."""
    left_rows = limits.rows - sum(rows for rows, _ in shares.values())
    left_bytes = limits.bytes - sum(size for _, size in shares.values())
    own, chosen = dict(shares), []
    for one in records:
        rows, size = own.get(one.org_id, (0, 0))
        if rows + 1 > left_rows - 1 or size + one.size > left_bytes - one.size:
            continue
        own[one.org_id] = rows + 1, size + one.size
        left_rows, left_bytes = left_rows - 1, left_bytes - one.size
        chosen.append(one)
    return chosen


async def read_aside(pool: Pool, limit: int, max_bytes: int) -> list[SetAside]:
    """Read the first records that were set aside and whose organisation can be had now; in their order."""
    with translated():
        rows = await pool.fetch(_READ, limit, max_bytes)
    return [_set_aside_of(row) for row in rows]


async def forget_aside(pool: Pool, failures: Collection[FailureId]) -> None:
    """Delete records that have been taken in."""
    if failures:
        with translated():
            await pool.execute(_FORGET, sorted(failures))


async def count_aside(pool: Pool) -> int:
    """Count the records that are aside."""
    with translated():
        return int(await pool.fetchval(_COUNT))


def _row(one: ToSetAside) -> tuple[object, ...]:
    record = one.record
    headers = to_json([[name, content.decode("latin-1")] for name, content in record.headers])
    return (
        one.failure_id,
        one.org_id,
        record.topic,
        record.partition,
        record.offset,
        record.timestamp_ms,
        record.key,
        record.value,
        headers,
        one.size,
    )


def _set_aside_of(row: Any) -> SetAside:  # noqa: ANN401 - asyncpg's record
    record = Record(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        timestamp_ms=row["timestamp_ms"],
        key=row["key"],
        value=row["value"],
        headers=tuple((name, content.encode("latin-1")) for name, content in from_json(row["headers"])),
    )
    return SetAside(failure_id=FailureId(row["failure_id"]), record=record)
