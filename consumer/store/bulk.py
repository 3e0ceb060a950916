"""Bulks: freezing what a filter finds, one slice after the other, and how far they are.

A slice is one transaction: what it does to its failures, their outcomes, the time of the next slice and the event that
tells of it. So a process that dies within one leaves nothing of it, and the next one begins where the last ended.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from consumer.diagnose.fingerprint import cause, masked
from consumer.model import FailureId, MicroAud, OrgId
from consumer.model.bulk import SLICE, BulkCounts, BulkStatus, FrozenFailure, ItemOutcome, RunningBulk
from consumer.redact import redact_json
from consumer.redact.words import redact_words
from consumer.store.pool import Connection
from consumer.store.rows import as_json, storable_text
from schemas.bulk import MOST_OF_A_BULK, Bulk, BulkFilter
from schemas.names import BulkAction, BulkState, CommandOutcome, Result

# Only a text is read as one: what else a member has put there may have more signs than PostgreSQL can print.
_FIND = """
SELECT f.id, f.org_id, f.workflow_name, CASE WHEN $10 THEN left(f.failure_reason, 4096) END AS failure_reason
  FROM workflow_failures f
 WHERE ($1::uuid IS NULL OR f.org_id = $1) AND f.status = ANY($2::text[])
   AND ($3::text IS NULL OR f.workflow_name = $3) AND ($4::text IS NULL OR f.failure_type = $4)
   AND ($5::timestamptz IS NULL OR f.detected_at >= $5) AND ($6::timestamptz IS NULL OR f.detected_at < $6)
   AND ($7::text IS NULL OR f.context #> '{dependency,name}' = to_jsonb($7)
        OR CASE WHEN jsonb_typeof(f.context #> '{request,url}') = 'string'
                THEN substring(f.context #>> '{request,url}' FROM '^[A-Za-z]+://(?:[^@/?#]*@)?([^/?#:]+)') = $7 END)
   AND ($8::text IS NULL OR $8 = (
     SELECT a.details ->> 'code' FROM workflow_heal_attempts a
      WHERE a.failure_id = f.id AND a.step IS NOT NULL ORDER BY a.step DESC LIMIT 1))
 ORDER BY f.id LIMIT $9
"""

_CREATE = """
INSERT INTO heal_bulk (id, org_id, action, filter, reason, issued_by, rate, failures, cost)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8, $9)
"""

# In the order of their ids: as settling locks them.
_FREEZE = """
INSERT INTO heal_bulk_item (bulk_id, place, failure_id, org_id)
SELECT $1, i.place, i.failure_id, i.org_id
  FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS i (failure_id, org_id, place)
"""

_STATE = "SELECT b.state, b.org_id FROM heal_bulk b WHERE b.id = $1 FOR NO KEY UPDATE"

_TURN = """
UPDATE heal_bulk SET state = $2, due_at = clock_timestamp(),
       started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, clock_timestamp()) ELSE started_at END
 WHERE id = $1
"""

_PICK = """
SELECT b.id, b.org_id, b.action, b.reason, b.issued_by, b.rate, b.told
  FROM heal_bulk b WHERE b.state = 'running' AND b.due_at <= clock_timestamp()
 ORDER BY b.due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""

_SLICE = """
SELECT i.place, i.failure_id, i.org_id FROM heal_bulk_item i
 WHERE i.bulk_id = $1 AND i.outcome IS NULL ORDER BY i.place LIMIT $2
"""

_RECORD_OUTCOMES = """
UPDATE heal_bulk_item i SET outcome = r.outcome, reason = r.reason, step = r.step
  FROM unnest($2::int[], $3::text[], $4::text[], $5::int[]) AS r (place, outcome, reason, step)
 WHERE i.bulk_id = $1 AND i.place = r.place
"""

# A failure that was closed by somebody else has no attempt: its heal has ended all the same.
_RECORD_ENDS = """
WITH ended AS (
  SELECT i.place, coalesce(a.result, 'failed') AS result
    FROM heal_bulk_item i
    LEFT JOIN LATERAL (
      SELECT t.result FROM workflow_heal_attempts t
       WHERE t.failure_id = i.failure_id AND t.step >= i.step ORDER BY t.step LIMIT 1) AS a ON true
    LEFT JOIN workflow_failures f ON f.id = i.failure_id
   WHERE i.bulk_id = $1 AND i.step IS NOT NULL AND i.result IS NULL
     AND (a.result IS NOT NULL OR f.id IS NULL OR f.status IN ('resolved', 'given_up', 'needs_person'))
   ORDER BY i.place LIMIT $2
)
UPDATE heal_bulk_item i SET result = ended.result FROM ended
 WHERE i.bulk_id = $1 AND i.place = ended.place
RETURNING i.place, i.failure_id, i.outcome, i.reason, i.step, i.result
"""

_COUNTS = """
SELECT count(*) AS failures, count(*) FILTER (WHERE i.outcome IS NULL) AS waiting,
       count(*) FILTER (WHERE i.outcome = 'accepted') AS accepted,
       count(*) FILTER (WHERE i.outcome = 'already') AS already,
       count(*) FILTER (WHERE i.outcome IN ('refused', 'not_found')) AS refused,
       count(*) FILTER (WHERE i.step IS NOT NULL AND i.result IS NULL) AS under_way,
       count(*) FILTER (WHERE i.result = 'success') AS healed
  FROM heal_bulk_item i WHERE i.bulk_id = $1
"""

# Counted from when this slice was due, so that what it took itself does not slow the bulk; what is late is not made up.
_MOVE_ON = """
UPDATE heal_bulk b SET state = $2, told = $3, due_at = greatest(b.due_at + $4 * interval '1 second', n.now),
       ended_at = CASE WHEN $2 = 'done' THEN n.now END
  FROM (SELECT clock_timestamp() AS now) AS n
 WHERE b.id = $1 RETURNING n.now AS at, b.due_at - n.now AS due_in
"""

_SHOW = """
SELECT b.id, b.org_id, b.action, b.state, b.issued_by, b.rate, b.cost, b.created_at
  FROM heal_bulk b WHERE $1::uuid IS NULL OR b.id = $1 ORDER BY b.created_at DESC LIMIT $2
"""

_ITEMS = """
SELECT i.place, i.failure_id, i.outcome, i.reason, i.step, i.result FROM heal_bulk_item i
 WHERE i.bulk_id = $1 AND i.place > $2 AND i.outcome IS NOT NULL ORDER BY i.place LIMIT $3
"""

_FORGET_BULKS = """
DELETE FROM heal_bulk b WHERE b.id IN (
  SELECT o.id FROM heal_bulk o
   WHERE o.state <> 'running'
     AND o.created_at < clock_timestamp() - CASE o.state WHEN 'previewed' THEN 86400 ELSE $1 END * interval '1 second'
   ORDER BY o.created_at LIMIT 10 FOR UPDATE SKIP LOCKED)
"""

_FETCHED: Final = 1000


class TooMany(Exception):
    """The filter finds more than one bulk may hold."""


async def find(connection: Connection, org_id: UUID | None, wanted: BulkFilter) -> tuple[list[Any], Counter[str]]:
    """Return the ids and organisations of what a filter finds, and how many there are of each workflow.

    Raises
    ------
    TooMany
        There are more than `MOST_OF_A_BULK`.

    """
    cause_wanted = wanted.fingerprint
    rows, workflows = [], Counter[str]()
    limit = MOST_OF_A_BULK + 1 if cause_wanted is None else 10 * MOST_OF_A_BULK
    cursor = connection.cursor(
        _FIND,
        org_id,
        list(wanted.statuses),
        wanted.workflow_name,
        wanted.failure_type,
        wanted.detected_since,
        wanted.detected_before,
        wanted.target,
        wanted.code,
        limit,
        cause_wanted is not None,
        prefetch=_FETCHED,
    )
    async for row in cursor:
        if cause_wanted is not None and cause(masked(row["failure_reason"])) != cause_wanted:
            continue
        rows.append((row["id"], row["org_id"]))
        workflows[row["workflow_name"]] += 1
        if len(rows) > MOST_OF_A_BULK:
            raise TooMany
    return rows, workflows


async def freeze(
    connection: Connection, bulk_id: UUID, command: Bulk, by: str, found: Sequence[Any], cost: MicroAud | None
) -> None:
    """Create a bulk with these ids, in the caller's transaction."""
    wanted, _ = redact_json(command.filter.model_dump(mode="json", exclude_unset=True))
    await connection.execute(
        _CREATE,
        bulk_id,
        command.org_id,
        command.action,
        as_json(wanted),
        storable_text(redact_words(command.reason)),
        storable_text(redact_words(by))[:1000],
        command.rate,
        len(found),
        cost,
    )
    await connection.execute(_FREEZE, bulk_id, [row[0] for row in found], [row[1] for row in found])


async def bulk_state(connection: Connection, bulk_id: UUID) -> tuple[BulkState, OrgId | None] | None:
    """Lock a bulk, and return where it stands, and its organisation; None where there is none."""
    row = await connection.fetchrow(_STATE, bulk_id)
    return None if row is None else (BulkState(row["state"]), OrgId(row["org_id"]) if row["org_id"] else None)


async def turn(connection: Connection, bulk_id: UUID, state: BulkState) -> None:
    """Start or stop a bulk, in the caller's transaction."""
    await connection.execute(_TURN, bulk_id, state)


async def pick_bulk(connection: Connection) -> RunningBulk | None:
    """Lock a bulk of which a slice is due."""
    row = await connection.fetchrow(_PICK)
    if row is None:
        return None
    org_id = OrgId(row["org_id"]) if row["org_id"] else None
    return RunningBulk(**(dict(row) | {"org_id": org_id, "action": BulkAction(row["action"])}))


async def next_slice(connection: Connection, bulk_id: UUID, limit: int = SLICE) -> list[FrozenFailure]:
    """Return the next failures of a bulk that are not done."""
    rows = await connection.fetch(_SLICE, bulk_id, limit)
    return [
        FrozenFailure(place=row["place"], failure_id=FailureId(row["failure_id"]), org_id=OrgId(row["org_id"]))
        for row in rows
    ]


async def record_outcomes(connection: Connection, bulk_id: UUID, done: Sequence[ItemOutcome]) -> None:
    """Record what became of a slice."""
    columns = zip(*((one.place, one.outcome, storable_text(one.reason), one.step) for one in done), strict=True)
    await connection.execute(_RECORD_OUTCOMES, bulk_id, *map(list, columns))


async def record_ends(connection: Connection, bulk_id: UUID, limit: int) -> list[ItemOutcome]:
    """Record and return which of the heals that were asked for have ended since."""
    return [_item(row) for row in await connection.fetch(_RECORD_ENDS, bulk_id, limit)]


async def bulk_counts(connection: Connection, bulk_id: UUID) -> BulkCounts:
    """Return how far a bulk is."""
    (row,) = await connection.fetch(_COUNTS, bulk_id)
    return BulkCounts(**dict(row))


async def move_on(
    connection: Connection, bulk_id: UUID, state: BulkState, told: int, after: float
) -> tuple[datetime, timedelta]:
    """Set where a bulk stands, and that its next slice is due `after` seconds after this one was.

    Returns the database's time, and how long it is from now until then.
    """
    (row,) = await connection.fetch(_MOVE_ON, bulk_id, state, told, after)
    return row["at"], row["due_in"]


async def bulks(connection: Connection, bulk_id: UUID | None, limit: int) -> list[BulkStatus]:
    """Return bulks, the newest first, or one."""
    found = []
    for row in await connection.fetch(_SHOW, bulk_id, limit):
        told = dict(row) | {
            "org_id": OrgId(row["org_id"]) if row["org_id"] else None,
            "action": BulkAction(row["action"]),
            "state": BulkState(row["state"]),
        }
        found.append(BulkStatus(**told, counts=await bulk_counts(connection, row["id"])))
    return found


async def bulk_items(connection: Connection, bulk_id: UUID, after: int, limit: int) -> list[ItemOutcome]:
    """Return the outcomes of a bulk, in the order in which they were done, a page at a time."""
    return [_item(row) for row in await connection.fetch(_ITEMS, bulk_id, after, limit)]


async def forget_bulks(connection: Connection, kept: float) -> None:
    """Forget previews after a day, and what was ended or stopped after `kept` seconds."""
    await connection.execute(_FORGET_BULKS, kept)


def _item(row: Any) -> ItemOutcome:  # noqa: ANN401 - asyncpg's record
    result = row["result"]
    return ItemOutcome(
        place=row["place"],
        failure_id=FailureId(row["failure_id"]),
        outcome=CommandOutcome(row["outcome"]),
        reason=row["reason"],
        step=row["step"],
        result=Result(result) if result is not None else None,
    )
