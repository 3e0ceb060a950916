"""Rewritten definitions under watch: opened before they are put in force, changed with their event, picked when due."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from pydantic_core import from_json

from consumer.model import AttemptId, FailureId, Message, OrgId
from consumer.model.definition_watch import DefinitionWatch, RewriteStage
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import as_json, storable_text

Tell: TypeAlias = Callable[[DefinitionWatch, datetime], Sequence[Message]]
"""Returns what a change is told by; of the row after it, and now."""

_COLUMNS: Final = """w.attempt_id, w.rewrite_id, w.failure_id, w.org_id, w.workflow_name, w.fingerprint, w.state,
       w.base_digest, w.digest, w.before, w.version, w.watch_until, w.relapse_id, w.reason"""

_OPEN = """
INSERT INTO heal_definition_watch (attempt_id, rewrite_id, failure_id, org_id, workflow_name, fingerprint, state,
       base_digest, digest, before, look_due)
VALUES ($1, $2, $3, $4, $5, $6, 'promoting', $7, $8, $9::jsonb, clock_timestamp() + $10 * interval '1 second')
ON CONFLICT (attempt_id) DO NOTHING
"""

_FIND = f"""
SELECT {_COLUMNS} FROM heal_definition_watch w WHERE w.attempt_id = $1
"""  # noqa: S608 - a constant list of columns

_CHANGE = f"""
UPDATE heal_definition_watch w
   SET state = $2, version = coalesce(nullif($3, ''), w.version), reason = $4, changed_at = clock_timestamp(),
       watch_until = CASE WHEN $2 = 'watching' THEN clock_timestamp() + $5 * interval '1 second' ELSE w.watch_until END,
       look_due = CASE $2 WHEN 'watching' THEN clock_timestamp() + $5 * interval '1 second'
                          WHEN 'rolling_back' THEN clock_timestamp() END
 WHERE w.attempt_id = $1 AND w.state = ANY($6::text[])
RETURNING {_COLUMNS}, w.changed_at
"""  # noqa: S608 - a constant list of columns

# What is being put in force belongs to its heal for as long as that has a claim. One process at a time looks at a row.
_PICK = f"""
WITH due AS MATERIALIZED (
  SELECT d.attempt_id FROM heal_definition_watch d
   WHERE d.look_due <= clock_timestamp()
     AND (d.state <> 'promoting' OR NOT EXISTS (SELECT FROM heal_claim c WHERE c.attempt_id = d.attempt_id))
   ORDER BY d.look_due LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
UPDATE heal_definition_watch w SET look_due = clock_timestamp() + $2 * interval '1 second'
  FROM due WHERE w.attempt_id = due.attempt_id
RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns

# Of a failure that came in after the definition was put in force, and is not the one that it mends.
_RELAPSED = """
WITH found AS MATERIALIZED (
  SELECT d.attempt_id, x.failure_id
    FROM unnest($1::uuid[], $2::text[]) AS x (failure_id, fingerprint)
    JOIN heal_definition_watch d ON d.fingerprint = x.fingerprint AND d.state = 'watching'
    JOIN workflow_failures f ON f.id = x.failure_id
   WHERE d.failure_id <> x.failure_id AND d.relapse_id IS NULL
     AND f.received_at > d.changed_at AND f.received_at <= d.watch_until
   ORDER BY d.attempt_id FOR NO KEY UPDATE OF d)
UPDATE heal_definition_watch w SET relapse_id = found.failure_id, look_due = clock_timestamp()
  FROM found WHERE w.attempt_id = found.attempt_id AND w.state = 'watching'
"""


async def open_watch(pool: Pool, watch: DefinitionWatch, look_after: timedelta) -> DefinitionWatch:
    """Make durable that a definition is being put in force; returns the row, which may be there already."""
    with translated():
        await pool.execute(
            _OPEN,
            watch.attempt_id,
            watch.rewrite_id,
            watch.failure_id,
            watch.org_id,
            watch.workflow_name,
            watch.fingerprint,
            watch.base_digest,
            watch.digest,
            as_json(watch.before),
            look_after / timedelta(seconds=1),
        )
        row = await pool.fetchrow(_FIND, watch.attempt_id)
    return _watch(row)


async def find_watch(pool: Pool, attempt_id: AttemptId) -> DefinitionWatch | None:
    """Return the row of an attempt, or None."""
    with translated():
        row = await pool.fetchrow(_FIND, attempt_id)
    return None if row is None else _watch(row)


async def change_watch(
    pool: Pool, after: DefinitionWatch, window: timedelta, before: Sequence[RewriteStage], tell: Tell
) -> DefinitionWatch | None:
    """Change a row from one of the states before, and put its event into the outbox; None where it is in no such one.

    With WATCHING its window begins now.
    """
    async with transaction(pool) as connection:
        row = await connection.fetchrow(
            _CHANGE,
            after.attempt_id,
            after.state,
            after.version,
            storable_text(after.reason)[:600],
            window / timedelta(seconds=1),
            list(before),
        )
        if row is None:
            return None
        changed = _watch(row)
        await put_for_sweeper(connection, tell(changed, row["changed_at"]))
    return changed


async def pick_watches(pool: Pool, most: int, look_again: timedelta) -> list[DefinitionWatch]:
    """Take the rows that are due, one process at a time: relapsed, over, or left in the middle of a step."""
    with translated():
        rows = await pool.fetch(_PICK, most, look_again / timedelta(seconds=1))
    return [_watch(row) for row in rows]


async def note_definition_relapses(connection: Connection, first: Mapping[FailureId, str]) -> None:
    """Mark watched definitions of which these failures are relapses, by fingerprint; in the caller's transaction."""
    if first:
        await connection.execute(_RELAPSED, list(first), list(first.values()))


def _watch(row: Any) -> DefinitionWatch:  # noqa: ANN401 - asyncpg's record
    return DefinitionWatch(
        attempt_id=AttemptId(row["attempt_id"]),
        rewrite_id=UUID(bytes=row["rewrite_id"].bytes),
        failure_id=FailureId(row["failure_id"]),
        org_id=OrgId(row["org_id"]),
        workflow_name=row["workflow_name"],
        fingerprint=row["fingerprint"],
        base_digest=row["base_digest"],
        digest=row["digest"],
        before=from_json(row["before"]),
        state=RewriteStage(row["state"]),
        version=row["version"],
        watch_until=row["watch_until"],
        relapse_id=None if row["relapse_id"] is None else FailureId(row["relapse_id"]),
        reason=row["reason"],
    )
