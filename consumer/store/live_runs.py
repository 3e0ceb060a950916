"""Live runs: one row each, kept by batches of heartbeats; what steps have learnt, and how far partitions were read."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from consumer.model import FailureId, Message, OrgId, OwnerId
from consumer.model.decision import Decision, DecisionRequest, DecisionResult
from consumer.model.live_run import Beat, BeatBatch, LiveRun, PartitionRead, RunName, StepName
from consumer.store.decisions import TellChange, decide
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, transaction, translated
from schemas.names import RunStatus

REMEMBERED_GAPS: Final = 100

# A row that was told keeps that until its sign of life is dealt with. A beat that was heard before the row's is of a
# reader that has lost the partition. Times come as seconds of the epoch: an array of them is cheap to send.
_KEEP = """
INSERT INTO heal_live_run AS r (org_id, workflow_name, run_id, source, run_epoch, step, status, progress, beat_at,
  stamped_at, heard_at, allowed_seconds, learnt, partition, read_offset)
SELECT b.org_id, b.workflow_name, b.run_id, b.source, b.epoch, b.step, b.status, b.progress, to_timestamp(b.beat_at),
       to_timestamp(b.stamped), to_timestamp(b.heard), b.allowed, b.learnt, b.partition, b.read_offset
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
              $9::float8[], $10::float8[], $11::float8[], $12::float8[], $13::bool[], $14::int[], $15::bigint[])
    AS b (org_id, workflow_name, run_id, source, epoch, step, status, progress, beat_at, stamped, heard, allowed,
          learnt, partition, read_offset)
ON CONFLICT (org_id, workflow_name, run_id) DO UPDATE
   SET source = excluded.source, run_epoch = excluded.run_epoch, step = excluded.step, status = excluded.status,
       progress = excluded.progress, beat_at = excluded.beat_at, stamped_at = excluded.stamped_at,
       heard_at = excluded.heard_at, allowed_seconds = excluded.allowed_seconds, learnt = excluded.learnt,
       partition = excluded.partition, read_offset = excluded.read_offset,
       spread = r.spread OR r.partition <> excluded.partition,
       beats_again = r.beats_again OR r.told_id IS NOT NULL AND excluded.heard_at > r.heard_at
 WHERE excluded.heard_at >= r.heard_at
"""

_OVER = """
DELETE FROM heal_live_run r USING unnest($1::uuid[], $2::text[], $3::text[], $4::float8[])
         AS o (org_id, workflow_name, run_id, heard)
 WHERE (r.org_id, r.workflow_name, r.run_id) = (o.org_id, o.workflow_name, o.run_id)
   AND r.heard_at <= to_timestamp(o.heard)
"""

_LEARN = """
INSERT INTO heal_beat_gap AS g (org_id, workflow_name, step, gaps) VALUES ($1, $2, $3, $4::real[])
ON CONFLICT (org_id, workflow_name, step) DO UPDATE
   SET gaps = (g.gaps || excluded.gaps)[greatest(1, cardinality(g.gaps) + cardinality(excluded.gaps) - 99):],
       learnt_at = clock_timestamp()
RETURNING gaps
"""

_LEARNT = """
SELECT g.org_id, g.workflow_name, g.step, g.gaps
  FROM heal_beat_gap g JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS s (org_id, workflow_name, step)
    ON (g.org_id, g.workflow_name, g.step) = (s.org_id, s.workflow_name, s.step)
"""

_READ = """
INSERT INTO heal_beat_partition AS p (partition, read_offset, read_up_to)
SELECT r.partition, r.read_offset, to_timestamp(r.up_to)
  FROM unnest($1::int[], $2::bigint[], $3::float8[]) AS r (partition, read_offset, up_to)
ON CONFLICT (partition) DO UPDATE SET read_offset = excluded.read_offset, read_up_to = excluded.read_up_to
 WHERE excluded.read_up_to > p.read_up_to
"""

_READ_BEFORE = """
SELECT p.partition, p.read_offset, extract(epoch FROM p.read_up_to)::float8 AS up_to
  FROM heal_beat_partition p WHERE p.partition = ANY($1::int[])
"""

_LOAD = """
SELECT r.org_id, r.workflow_name, r.run_id, r.source, r.run_epoch, r.step, r.status, r.progress,
       extract(epoch FROM r.beat_at)::float8 AS beat_at, extract(epoch FROM r.stamped_at)::float8 AS stamped,
       extract(epoch FROM r.heard_at)::float8 AS heard, r.allowed_seconds, r.learnt, r.partition, r.read_offset,
       r.told_id, r.beats_again
  FROM heal_live_run r WHERE r.partition = ANY($1::int[]) ORDER BY r.heard_at DESC LIMIT $2
"""

_LIST = f"""{_LOAD.split("WHERE", maxsplit=1)[0]}
 WHERE ($1::uuid IS NULL OR r.org_id = $1) AND (NOT $2 OR r.told_id IS NOT NULL)
 ORDER BY r.heard_at + r.allowed_seconds * interval '1 second' NULLS LAST, r.run_id LIMIT $3
"""

# Only the one who finds the row as it was looked at tells it: another replica, or a beat in between, has changed it.
_TELL = """
UPDATE heal_live_run r SET told_id = $5, told_at = clock_timestamp()
 WHERE (r.org_id, r.workflow_name, r.run_id) = ($1, $2, $3) AND r.told_id IS NULL AND r.heard_at = to_timestamp($4)
   AND (NOT r.spread OR r.heard_at + r.allowed_seconds * interval '1 second'
        <= (SELECT min(p.read_up_to) FROM heal_beat_partition p))
RETURNING true
"""

_AS_LOOKED_AT = """
SELECT true FROM heal_live_run r
 WHERE (r.org_id, r.workflow_name, r.run_id) = ($1, $2, $3) AND r.told_id IS NULL AND r.heard_at = to_timestamp($4)
"""

_STANDS = """
SELECT f.status NOT IN ('resolved', 'given_up') AND NOT f.unsure AND NOT f.effect_made
       AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.failure_id = f.id) AS untouched
  FROM workflow_failures f WHERE f.id = $1 FOR NO KEY UPDATE
"""

# Whatever fails of this run later is a failure of its own: this one was none.
_FREE_RUN = "UPDATE workflow_failures SET run_key = NULL WHERE id = $1 AND run_key IS NOT NULL"

_UNTELL = """
UPDATE heal_live_run r SET told_id = NULL, told_at = NULL, beats_again = false
 WHERE (r.org_id, r.workflow_name, r.run_id) = ($1, $2, $3) AND r.told_id = $4
"""

_TOLD_LATELY = """
SELECT r.told_at > clock_timestamp() - $5 * interval '1 second' FROM heal_live_run r
 WHERE (r.org_id, r.workflow_name, r.run_id) = ($1, $2, $3) AND r.told_id = $4
"""

_FORGET = """
WITH runs AS (
  DELETE FROM heal_live_run WHERE (org_id, workflow_name, run_id) IN (
    SELECT o.org_id, o.workflow_name, o.run_id FROM heal_live_run o
     WHERE o.heard_at < clock_timestamp() - ($1 + coalesce(o.allowed_seconds, 0)) * interval '1 second'
     LIMIT 1000 FOR UPDATE SKIP LOCKED)
), gaps AS (
  DELETE FROM heal_beat_gap WHERE (org_id, workflow_name, step) IN (
    SELECT o.org_id, o.workflow_name, o.step FROM heal_beat_gap o
     WHERE o.learnt_at < clock_timestamp() - 30 * $1 * interval '1 second' LIMIT 1000 FOR UPDATE SKIP LOCKED)
)
DELETE FROM heal_beat_partition WHERE read_up_to < clock_timestamp() - $1 * interval '1 second'
"""


async def load_runs(pool: Pool, partitions: Iterable[int], most: int) -> tuple[list[LiveRun], list[PartitionRead]]:
    """Return the runs that are kept of partitions, those heard last first, and how far these were read."""
    numbers = sorted(partitions)
    with translated():
        read = await pool.fetch(_READ_BEFORE, numbers)
        rows = await pool.fetch(_LOAD, numbers, most)
    marks = [PartitionRead(partition=one["partition"], offset=one["read_offset"], up_to=one["up_to"]) for one in read]
    return [_run(row) for row in rows], marks


async def keep_beats(pool: Pool, batch: BeatBatch) -> dict[StepName, list[float]]:
    """Keep a part of what an interval's beats have changed, in one transaction; returns the gaps of its steps."""
    runs, over, read = _columns(batch.runs), _names(batch.over), batch.read
    async with transaction(pool) as connection:
        if batch.runs:
            await connection.execute(_KEEP, *runs)
        if batch.over:
            await connection.execute(_OVER, *over, [run.heard for run in batch.over])
        learnt: dict[StepName, list[float]] = {
            step: await connection.fetchval(_LEARN, *step, list(gaps)[-REMEMBERED_GAPS:]) for step, gaps in batch.gaps
        }
        if read:
            offsets = [one.offset for one in read]
            await connection.execute(_READ, [one.partition for one in read], offsets, [one.up_to for one in read])
    return learnt


async def learnt_gaps(pool: Pool, steps: Sequence[StepName]) -> dict[StepName, list[float]]:
    """Return what is learnt of steps, in seconds, the newest last."""
    with translated():
        rows = await pool.fetch(_LEARNT, *map(list, zip(*steps, strict=True)))
    return {StepName(OrgId(row["org_id"]), row["workflow_name"], row["step"]): row["gaps"] for row in rows}


async def list_runs(pool: Pool, *, org_id: UUID | None, stalled: bool, limit: int) -> list[LiveRun]:
    """Return live runs, those first whose silence is a stall soonest; `stalled`: only those of which it is one."""
    with translated():
        rows = await pool.fetch(_LIST, org_id, stalled, limit)
    return [_run(row) for row in rows]


class Telling(StrEnum):
    """What became of a stall that was to be told."""

    TOLD = "told"
    """It is in the outbox, and its row says so."""
    NOT_YET = "not_yet"
    """Its beats come in several partitions, of which one is not read past the deadline."""
    CHANGED = "changed"
    """It has beaten, is over, or was told by another replica."""


async def tell_stall(pool: Pool, owner: OwnerId, run: LiveRun, failure_id: FailureId, message: Message) -> Telling:
    """Mark a run as told and put its failure's event into the outbox, where its row is as it was looked at."""
    async with transaction(pool) as connection:
        if await connection.fetchval(_TELL, *run.beat.name, run.heard, failure_id):
            await put(connection, owner, [message])
            return Telling.TOLD
        unchanged = await connection.fetchval(_AS_LOOKED_AT, *run.beat.name, run.heard)
    return Telling.NOT_YET if unchanged else Telling.CHANGED


class Recovery(StrEnum):
    """What became of a failure whose run beats again."""

    RECOVERED = "recovered"
    """No heal had begun: it is resolved."""
    UNDER_WAY = "under_way"
    """A heal has begun, or it was closed: it ends as it ends."""
    NOT_THERE = "not_there"
    """It is not in the inbox yet."""


async def recover(pool: Pool, run: LiveRun, reason: str, tell: TellChange, wait_for_inbox: timedelta) -> Recovery:
    """Resolve the failure of a run that beats again where no heal of it has begun; the run is then as any other.

    While the failure has not come into the inbox, nothing is done, for `wait_for_inbox` after it was told.
    """
    told = run.told
    if told is None:
        return Recovery.UNDER_WAY
    async with transaction(pool) as connection:
        untouched: bool | None = await connection.fetchval(_STANDS, told)
        if untouched is None and await _told_lately(connection, run, told, wait_for_inbox):
            return Recovery.NOT_THERE
        recovered = False
        if untouched:
            request = DecisionRequest(decision=Decision.RESOLVE, reason=reason, by="heartbeats")
            recovered = (await decide(connection, told, request, tell)).ruling is DecisionResult.DONE
            await connection.execute(_FREE_RUN, told)
        await connection.execute(_UNTELL, *run.beat.name, told)
    return Recovery.RECOVERED if recovered else Recovery.UNDER_WAY


async def _told_lately(connection: Connection, run: LiveRun, told: FailureId, within: timedelta) -> bool:
    return bool(await connection.fetchval(_TOLD_LATELY, *run.beat.name, told, within.total_seconds()))


async def forget_silent(pool: Pool, kept: timedelta) -> None:
    """Forget runs that have been silent for so long, a thousand at a time, and what nobody has learnt of for longer."""
    async with transaction(pool) as connection:
        await connection.execute(_FORGET, kept.total_seconds())


def _columns(runs: Sequence[LiveRun]) -> Sequence[Sequence[object]]:
    beats = [run.beat for run in runs]
    return (
        [beat.name.org_id for beat in beats],
        [beat.name.workflow_name for beat in beats],
        [beat.name.run_id for beat in beats],
        [beat.source for beat in beats],
        [beat.epoch for beat in beats],
        [beat.step for beat in beats],
        [beat.status.value for beat in beats],
        [beat.progress for beat in beats],
        [beat.beat_at for beat in beats],
        [beat.stamped for beat in beats],
        [run.heard for run in runs],
        [run.allowed for run in runs],
        [run.learnt for run in runs],
        [beat.partition for beat in beats],
        [beat.offset for beat in beats],
    )


def _names(runs: Sequence[LiveRun]) -> Sequence[Sequence[object]]:
    return tuple(zip(*(run.beat.name for run in runs), strict=True)) or ((),) * 3


def _run(row: Any) -> LiveRun:  # noqa: ANN401 - asyncpg's record
    beat = Beat(
        name=RunName(OrgId(row["org_id"]), row["workflow_name"], row["run_id"]),
        source=row["source"],
        epoch=row["run_epoch"],
        step=row["step"],
        status=RunStatus(row["status"]),
        progress=row["progress"],
        beat_at=row["beat_at"],
        stamped=row["stamped"],
        partition=row["partition"],
        offset=row["read_offset"],
    )
    return LiveRun(
        beat=beat,
        heard=row["heard"],
        allowed=row["allowed_seconds"],
        learnt=row["learnt"],
        told=FailureId(row["told_id"]) if row["told_id"] else None,
        beats_again=row["beats_again"],
    )
