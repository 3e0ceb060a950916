"""Intake circuit breaker: voices accepted and refused, and whether the fleet reads; by the database's clock.

A voice is a pair of source and organisation, as an event names them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from consumer.model import ID_SPACE
from consumer.model.voice import HeardInterval, ReportingSource, SilentSources
from consumer.redact import redact_text
from consumer.store.pool import Connection, Pool, translated
from consumer.store.rows import storable_text

KEPT: Final = timedelta(days=7)
"""Retention: a voice that was not accepted for this long is a stranger again."""
_SOURCE_LENGTH: Final = 200
"""Characters of a source that are kept for display; the id tells two sources apart."""

# A voice that is new in this beat is counted in the beat's pulse, once in the whole fleet: the row decides.
_RECORD_ACCEPTED = """
WITH now AS MATERIALIZED (
  SELECT date_bin($1 * interval '1 second', clock_timestamp(), 'epoch') AS beat
), heard AS (
  INSERT INTO intake_voice (id, kind, source, org_id, beat)
  SELECT v.id, v.kind, v.source, v.org_id, now.beat
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[]) AS v (id, kind, source, org_id), now ORDER BY v.id
  ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, refused = 0, refused_at = NULL
   WHERE intake_voice.beat < excluded.beat
  RETURNING kind
)
INSERT INTO intake_pulse (beat, organisations, sources)
SELECT now.beat, (SELECT count(*) FROM heard WHERE kind = 'organisation'),
       (SELECT count(*) FROM heard WHERE kind = 'source') FROM now
ON CONFLICT (beat) DO UPDATE SET organisations = intake_pulse.organisations + excluded.organisations,
                                 sources = intake_pulse.sources + excluded.sources
"""

# Only a voice that had been accepted before has a row: made-up names change nothing here.
_COUNT_REFUSED = """
WITH r AS (
  SELECT v.id, r.letters FROM unnest($1::uuid[], $2::bigint[]) AS r (id, letters) JOIN intake_voice v ON v.id = r.id
   ORDER BY v.id FOR NO KEY UPDATE OF v
)
UPDATE intake_voice v SET refused = v.refused + r.letters, refused_at = clock_timestamp() FROM r WHERE v.id = r.id
RETURNING v.id
"""

_PULSE = """
SELECT p.organisations, p.sources, p.beat >= l.resumed_at AS counts
  FROM intake_pulse p CROSS JOIN intake_limit l
 WHERE p.beat < date_bin($1 * interval '1 second', clock_timestamp(), 'epoch')
 ORDER BY p.beat DESC LIMIT $2
"""

_COUNT_SILENT = """
WITH since AS MATERIALIZED (
  SELECT min(beat) AS at FROM (
    SELECT p.beat FROM intake_pulse p WHERE p.beat < date_bin($1 * interval '1 second', clock_timestamp(), 'epoch')
     ORDER BY p.beat DESC LIMIT $2) AS newest
)
SELECT count(DISTINCT v.source) AS sources, count(DISTINCT v.org_id) AS organisations,
       coalesce(sum(v.refused), 0)::bigint AS letters
  FROM intake_voice v CROSS JOIN since WHERE v.kind = 'pair' AND v.refused_at >= since.at AND v.beat < since.at
"""

_FORGET = """
WITH old AS (
  DELETE FROM intake_pulse WHERE beat < (SELECT beat FROM intake_pulse ORDER BY beat DESC OFFSET $1 LIMIT 1)
)
DELETE FROM intake_voice WHERE beat < (SELECT max(beat) FROM intake_pulse) - $2 * interval '1 second'
"""

_SELECT_STATE = """
SELECT paused_at, why, probe_due, resumed_at, paused_at IS NOT NULL AND probe_due <= clock_timestamp() AS probe,
       resumed_at > clock_timestamp() AS off
  FROM intake_limit
"""

_PAUSE = """
UPDATE intake_limit SET paused_at = clock_timestamp(), why = $1, blank_probes = 0,
       probe_due = clock_timestamp() + $2 * interval '1 second'
 WHERE paused_at IS NULL AND resumed_at <= clock_timestamp() RETURNING paused_at
"""

_TAKE_PROBE = """
UPDATE intake_limit SET probe_due = clock_timestamp() + $1 * interval '1 second'
 WHERE paused_at IS NOT NULL AND probe_due <= clock_timestamp() RETURNING blank_probes
"""

_BLANK_PROBE = """
UPDATE intake_limit SET probe_due = clock_timestamp(), blank_probes = blank_probes + $1 WHERE paused_at IS NOT NULL
"""

_RESUME = """
UPDATE intake_limit SET paused_at = NULL, why = NULL, probe_due = NULL, blank_probes = 0,
       resumed_at = clock_timestamp() + $1 * interval '1 second'
 WHERE paused_at IS NOT NULL OR $1 > 0 RETURNING resumed_at
"""

_LIST_REFUSED = """
SELECT v.source, v.org_id, v.refused, v.beat AS accepted_at, v.refused_at
  FROM intake_voice v WHERE v.kind = 'pair' AND v.refused_at IS NOT NULL ORDER BY v.refused_at DESC LIMIT $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeState:
    """State of the intake breaker: whether the fleet reads."""

    paused_at: datetime | None
    why: str | None
    probe_due: datetime | None
    probe: bool
    """A probe is due now."""
    off_until: datetime | None
    """Until when an operator has switched the limit off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedVoice:
    """A voice with dead letters since it was last accepted."""

    source: str
    org_id: UUID
    refused: int
    accepted_at: datetime
    refused_at: datetime


async def record_accepted(pool: Pool, beat: timedelta, voices: Iterable[ReportingSource]) -> None:
    """Record the accepted voices; without any it still records that this beat had a reader."""
    rows = sorted(_voice_rows(voices).items())
    columns = zip(*((row_id, *row) for row_id, row in rows), strict=True) if rows else ([], [], [], [])
    with translated():
        await pool.execute(_RECORD_ACCEPTED, beat.total_seconds(), *columns)


async def count_refused(pool: Pool, letters: Mapping[ReportingSource, int]) -> int:
    """Count dead letters by the voice that they name; returns how many of these voices had been accepted before."""
    if not letters:
        return 0
    with translated():
        return len(await pool.fetch(_COUNT_REFUSED, [voice.id for voice in letters], list(letters.values())))


async def pulse(pool: Pool, beat: timedelta, limit: int) -> tuple[list[HeardInterval], int]:
    """Return the beats that have ended, newest first, and how many of the newest count since the last resume."""
    with translated():
        rows = await pool.fetch(_PULSE, beat.total_seconds(), limit)
    heard = [HeardInterval(organisations=row["organisations"], sources=row["sources"]) for row in rows]
    return heard, sum(row["counts"] for row in rows)


async def count_silent(pool: Pool, beat: timedelta, beats: int) -> SilentSources:
    """Count the voices with dead letters and nothing accepted in the newest `beats` beats and since."""
    with translated():
        row = await pool.fetchrow(_COUNT_SILENT, beat.total_seconds(), beats)
    if row is None:
        raise RuntimeError("an aggregate gives one row")
    return SilentSources(**dict(row))


async def forget(pool: Pool, beats: int) -> None:
    """Delete beats beyond so many, and voices not accepted for long (`KEPT`). A pause or an outage ages no voice."""
    with translated():
        await pool.execute(_FORGET, beats, KEPT.total_seconds())


async def read_state(connection: Pool | Connection) -> IntakeState:
    """Return the state of the intake breaker."""
    with translated():
        row = await connection.fetchrow(_SELECT_STATE)
    if row is None:
        raise RuntimeError("the migration makes the row")
    return IntakeState(
        paused_at=row["paused_at"],
        why=row["why"],
        probe_due=row["probe_due"],
        probe=row["probe"],
        off_until=row["resumed_at"] if row["off"] else None,
    )


async def pause(pool: Pool, why: str, probe_in: timedelta) -> bool:
    """Pause intake of the whole fleet; returns False when it was paused already, or the limit is switched off."""
    with translated():
        return await pool.fetchval(_PAUSE, why, probe_in.total_seconds()) is not None


async def take_probe(pool: Pool, again_in: timedelta) -> int | None:
    """Claim the next probe, one process at a time; returns how many were blank so far, None when none is due."""
    with translated():
        blank: int | None = await pool.fetchval(_TAKE_PROBE, again_in.total_seconds())
    return blank


async def blank_probe(pool: Pool, *, read: bool) -> None:
    """Record that a probe was blank: the next is due at once, and reads more if this one did read something."""
    with translated():
        await pool.execute(_BLANK_PROBE, int(read))


async def resume(connection: Pool | Connection, off_for: timedelta = timedelta(0)) -> bool:
    """Resume intake of the fleet; returns False when it was not paused.

    Beats counted before count no more, and no new pause begins for `off_for`.
    """
    with translated():
        return await connection.fetchval(_RESUME, off_for.total_seconds()) is not None


async def refused_voices(connection: Connection, limit: int) -> Sequence[RefusedVoice]:
    """Return the voices with dead letters since they were last accepted, the latest first."""
    rows = await connection.fetch(_LIST_REFUSED, limit)
    return [RefusedVoice(**dict(row)) for row in rows]


def _voice_rows(voices: Iterable[ReportingSource]) -> dict[UUID, tuple[Any, ...]]:
    """Return the rows of the voices, of their sources and of their organisations, each once."""
    rows: dict[UUID, tuple[Any, ...]] = {}
    for voice in voices:
        source = storable_text(redact_text(voice.source))[:_SOURCE_LENGTH]
        rows[voice.id] = ("pair", source, voice.org_id)
        rows[uuid5(ID_SPACE, f"voice-of:{voice.source}")] = ("source", source, None)
        rows[uuid5(ID_SPACE, f"voice-for:{voice.org_id}")] = ("organisation", None, voice.org_id)
    return rows
