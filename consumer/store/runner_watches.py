"""Watched runners: the lead of a watch, its cursors, the runs that were looked at, and runs that stand still.

One replica has the lead of a runner, under an epoch that each takeover raises: what it writes counts only while both
are still its own. What a look has found goes into the outbox in the transaction that moves the cursor.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from pydantic_core import from_json

from consumer.errors import LostClaim
from consumer.model import JsonObject, Message, OwnerId
from consumer.model.runner_watch import Lead, SeenRun, WatchCursor, WatchPlace
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import as_json, storable_text

KEPT: Final = timedelta(days=8)
"""How long a run that was looked at is remembered: longer than any look goes back."""

_LEAD = """
SELECT w.owner, w.epoch, extract(epoch FROM clock_timestamp() - w.looked_at)::float8 AS behind,
       w.owner <> $2 AND (w.owner = ANY($3::text[]) OR NOT EXISTS (SELECT FROM heal_owner o WHERE o.owner = w.owner))
         AS free
  FROM heal_runner_watch w WHERE w.runner = $1
"""

_FIRST = """
INSERT INTO heal_runner_watch (runner, owner) VALUES ($1, $2) ON CONFLICT (runner) DO NOTHING RETURNING epoch
"""

_TAKE = """
UPDATE heal_runner_watch SET owner = $2, epoch = epoch + 1 WHERE runner = $1 AND epoch = $3 RETURNING epoch
"""

_FENCE = "SELECT FROM heal_runner_watch WHERE runner = $1 AND owner = $2 AND epoch = $3 FOR SHARE"

_LOOKED = """
UPDATE heal_runner_watch SET looked_at = clock_timestamp() WHERE runner = $1 AND owner = $2 AND epoch = $3
"""

_CURSOR = """
WITH ours AS (
  INSERT INTO heal_watch_cursor (runner, org_id, workflow_name, since)
  VALUES ($1, $2, $3, clock_timestamp() - $4 * interval '1 second')
  ON CONFLICT (runner, org_id, workflow_name) DO NOTHING RETURNING since, newest, page)
SELECT since, newest, page FROM ours UNION ALL
SELECT c.since, c.newest, c.page FROM heal_watch_cursor c
 WHERE c.runner = $1 AND c.org_id = $2 AND c.workflow_name = $3
"""

_MOVE = """
UPDATE heal_watch_cursor SET since = $4, newest = $5, page = $6
 WHERE runner = $1 AND org_id = $2 AND workflow_name = $3
"""

_KNOWN = "SELECT s.seen FROM heal_watch_seen s WHERE s.runner = $1 AND s.seen = ANY($2::bytea[])"

# Of a run whose failure was told before, and is not healed: it is that one's to heal, or a person's.
_STILL_OPEN = """
SELECT DISTINCT s.run FROM heal_watch_seen s JOIN workflow_failures f ON f.id = s.failure_id
 WHERE s.runner = $1 AND s.run = ANY($2::bytea[]) AND f.status <> 'resolved'
"""

_OPEN_TRIES = "SELECT f.run_key FROM workflow_failures f WHERE f.run_key = ANY($1::bytea[]) AND f.status <> 'resolved'"

_SEE = """
INSERT INTO heal_watch_seen (runner, seen, run, org_id, failure_id)
SELECT $1, x.seen, x.run, $2, x.failure_id
  FROM unnest($3::bytea[], $4::bytea[], $5::uuid[]) AS x (seen, run, failure_id)
 ORDER BY x.seen
ON CONFLICT (runner, seen) DO NOTHING RETURNING seen
"""

_FORGET = """
DELETE FROM heal_watch_seen WHERE ctid = ANY(ARRAY(
  SELECT s.ctid FROM heal_watch_seen s WHERE s.seen_at < clock_timestamp() - $1 * interval '1 second' LIMIT $2))
"""

_FORGET_SUSPECTS = """
DELETE FROM heal_watch_suspect WHERE runner = $1 AND looked_at < clock_timestamp() - $2 * interval '1 second'
"""

_SUSPECT = """
SELECT s.suspicion, extract(epoch FROM clock_timestamp() - s.looked_at)::float8 AS age
  FROM heal_watch_suspect s WHERE s.runner = $1 AND s.run = $2
"""

_KEEP_SUSPECT = """
INSERT INTO heal_watch_suspect AS s (runner, run, org_id, suspicion) VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (runner, run) DO UPDATE SET suspicion = excluded.suspicion, looked_at = clock_timestamp()
"""

_FORGOTTEN_AT_ONCE: Final = 5000
_LOST: Final = "another replica watches the runner now"


async def lead(pool: Pool, runner: str, me: OwnerId, dead: Sequence[OwnerId]) -> Lead:
    """Take the lead of a runner's watch where nobody who lives has it; returns who is to look, and how far behind."""
    async with transaction(pool) as connection:
        found = await connection.fetchrow(_LEAD, runner, me, list(dead))
        if found is None:
            return Lead(epoch=await connection.fetchval(_FIRST, runner, me), behind=0.0)
        epoch = found["epoch"] if found["owner"] == me else None
        if found["free"]:
            epoch = await connection.fetchval(_TAKE, runner, me, found["epoch"])
        return Lead(epoch=epoch, behind=max(0.0, found["behind"]))


async def read_cursor(pool: Pool, place: WatchPlace, look_back: timedelta) -> WatchCursor:
    """Return how far a workflow's failed runs were read; the first time from `look_back` before now on."""
    async with transaction(pool) as connection:
        await _hold(connection, place)
        where = (place.runner, place.org_id, place.workflow_name)
        row = await connection.fetchrow(_CURSOR, *where, look_back / timedelta(seconds=1))
    if row is None:  # deleted with its organisation in between
        raise LostClaim(_LOST)
    return WatchCursor(since=row["since"], newest=row["newest"], page=row["page"])


async def known_runs(pool: Pool, runner: str, seen: Sequence[bytes]) -> frozenset[bytes]:
    """Return which of these runs were looked at before."""
    with translated():
        return frozenset(row["seen"] for row in await pool.fetch(_KNOWN, runner, list(seen)))


async def move_cursor(
    pool: Pool, place: WatchPlace, cursor: WatchCursor, found: Sequence[SeenRun]
) -> tuple[list[Message], int]:
    """Move a cursor, and tell what was found, all or nothing; returns the messages, and how many were open already.

    Raises
    ------
    LostClaim
        Another replica has the lead: nothing is written.

    """
    async with transaction(pool) as connection:
        await _hold(connection, place)
        still_open = await _still_open(connection, place, [one for one in found if one.message is not None])
        told = {one.seen: one for one in found if one.message is not None and one.seen not in still_open}
        ids = [one.failure_id if one.seen in told else None for one in found]
        seen = ([one.seen for one in found], [one.run for one in found], ids)
        fresh = await connection.fetch(_SEE, place.runner, place.org_id, *seen) if found else []
        new = [told[row["seen"]] for row in fresh if row["seen"] in told]
        messages = [one.message for one in new if one.message is not None]
        await put(connection, OwnerId(place.owner), messages)
        where = (place.runner, place.org_id, place.workflow_name)
        await connection.execute(_MOVE, *where, cursor.since, cursor.newest, cursor.page)
    return messages, len(still_open)


async def _still_open(connection: Connection, place: WatchPlace, found: Sequence[SeenRun]) -> frozenset[bytes]:
    """Return which of these are runs of which an earlier failure is not healed yet, by the digests of what was seen."""
    if not found:
        return frozenset()
    rows = await connection.fetch(_STILL_OPEN, place.runner, [one.run for one in found])
    keys = await connection.fetch(_OPEN_TRIES, [key for one in found for key in one.earlier])
    runs, tries = {row["run"] for row in rows}, {row["run_key"] for row in keys}
    return frozenset(one.seen for one in found if one.run in runs or not tries.isdisjoint(one.earlier))


async def end_round(pool: Pool, runner: str, owner: str, epoch: int) -> None:
    """Note that a round of looks is complete, and forget what is too old to be listed again."""
    second = timedelta(seconds=1)
    async with transaction(pool) as connection:
        await connection.execute(_LOOKED, runner, owner, epoch)
        await connection.execute(_FORGET, KEPT / second, _FORGOTTEN_AT_ONCE)
        await connection.execute(_FORGET_SUSPECTS, runner, KEPT / second)


async def read_suspicion(pool: Pool, runner: str, run: bytes) -> tuple[JsonObject, timedelta] | None:
    """Return what the look before said of a run that stands still, and how long ago that was."""
    with translated():
        row = await pool.fetchrow(_SUSPECT, runner, run)
    return None if row is None else (from_json(row["suspicion"]), timedelta(seconds=row["age"]))


async def keep_suspicion(pool: Pool, place: WatchPlace, run: bytes, suspicion: JsonObject) -> None:
    """Keep what a look said of a run, for the next one."""
    async with transaction(pool) as connection:
        await _hold(connection, place)
        await connection.execute(_KEEP_SUSPECT, place.runner, run, place.org_id, storable_text(as_json(suspicion)))


async def _hold(connection: Connection, place: WatchPlace) -> None:
    held: Any = await connection.fetchrow(_FENCE, place.runner, place.owner, place.epoch)
    if held is None:
        raise LostClaim(_LOST)
