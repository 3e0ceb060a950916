"""Circuit breakers: a row for each dependency with strikes against it; while one is open, one probe at a time tries it.

A breaker is no mutex: heals under way when it opens end as they may. In the lock order it stands between claims and
wallets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from consumer.model import FailureId, Health
from consumer.settings import BreakerSettings
from consumer.store.pool import Connection, Pool, transaction

FORGET_OPEN_AFTER: Final = timedelta(days=1)
"""An open breaker on which no failure has waited for this long is deleted: its dependency is not known to be ill."""

_FORGET = """
DELETE FROM heal_breaker WHERE key IN (
  SELECT b.key FROM heal_breaker b
   WHERE (b.opened_at IS NULL AND b.struck_at < clock_timestamp() - $1 * interval '1 second')
      OR b.probe_due < clock_timestamp() - $2 * interval '1 second'
   ORDER BY b.key FOR UPDATE SKIP LOCKED)
"""

_ALL = "SELECT key, opened_at IS NOT NULL AS open FROM heal_breaker ORDER BY key LIMIT 10000"

_LOCK_OPEN = """
SELECT b.key, CASE WHEN coalesce(b.probe_until, '-infinity') < clock_timestamp()
                   THEN extract(epoch FROM b.probe_due - clock_timestamp())::float8 END AS probe_in
  FROM heal_breaker b WHERE b.key = ANY($1::text[]) AND b.opened_at IS NOT NULL ORDER BY b.key FOR UPDATE
"""

_PROBE = """
UPDATE heal_breaker b SET probe = p.failure_id, probe_until = clock_timestamp() + p.within * interval '1 second'
  FROM unnest($1::text[], $2::uuid[], $3::float8[]) AS p (key, failure_id, within) WHERE b.key = p.key
"""

_CLOSE = "DELETE FROM heal_breaker WHERE key = ANY($1::text[]) RETURNING key, opened_at IS NOT NULL AS open"

# A strike long after the one before starts a new count.
_STRIKE = """
INSERT INTO heal_breaker AS b (key, org_id, dependency, strikes)
SELECT x.* FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[]) AS x (key, org_id, dependency, strikes)
 ORDER BY x.key
ON CONFLICT (key) DO UPDATE SET struck_at = clock_timestamp(), strikes = excluded.strikes
   + CASE WHEN b.struck_at < clock_timestamp() - $5 * interval '1 second' THEN 0 ELSE b.strikes END
"""

_OPEN = """
UPDATE heal_breaker SET opened_at = clock_timestamp(), probe_due = clock_timestamp() + $3 * interval '1 second'
 WHERE key = ANY($1::text[]) AND opened_at IS NULL AND strikes >= $2 RETURNING key
"""

_PROBE_FAILED = """
UPDATE heal_breaker SET probe = NULL, probe_until = NULL, failed_probes = failed_probes + 1,
       probe_due = clock_timestamp() + least($3, $2 * power(2, least(failed_probes + 1, 20))) * interval '1 second'
 WHERE key = ANY($1::text[]) AND opened_at IS NOT NULL
"""

_CLEAR_PROBE = "UPDATE heal_breaker SET probe = NULL, probe_until = NULL WHERE key = ANY($1::text[])"

_STILL_OPEN = "SELECT key FROM heal_breaker WHERE key = ANY($1::text[]) AND opened_at IS NOT NULL"

# One waiter becomes due when the next probe is; the others when a probe has succeeded, or late by themselves.
_NEXT_PROBE = """
UPDATE workflow_failures f SET due_at = n.probe_due
  FROM (SELECT w.id, b.probe_due FROM heal_breaker b CROSS JOIN LATERAL (
          SELECT f.id FROM workflow_failures f WHERE f.waits_on = b.key ORDER BY f.due_at LIMIT 1
             FOR UPDATE SKIP LOCKED) AS w
         WHERE b.key = ANY($1::text[]) AND b.opened_at IS NOT NULL) AS n
 WHERE f.id = n.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRequest:
    """A claimed heal that needs its dependency's breaker closed, or to be its probe."""

    failure_id: FailureId
    key: str
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The heals that probe open breakers, by which; and those that wait for one. The others found no open breaker."""

    probing: Mapping[FailureId, tuple[str, ...]] = field(default_factory=dict)
    waiting: Mapping[FailureId, str] = field(default_factory=dict)
    due_in: Mapping[FailureId, timedelta] = field(default_factory=dict)
    """When one waiter of each breaker asks again: as its next probe is due. Without it nobody might."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStates:
    """Every dependency with strikes against it, and those whose breaker is open."""

    struck: frozenset[str]
    unhealthy: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The effect of a batch of settled heals on the breakers."""

    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    struck: tuple[str, ...] = ()
    wake: dict[str, int] = field(default_factory=dict)
    """Slow start: how many waiters of each dependency may try now."""


async def load_breakers(pool: Pool, settings: BreakerSettings) -> BreakerStates:
    """Read all breakers, after deleting those that are too old to mean anything."""
    async with transaction(pool) as connection:
        forget = settings.forget.total_seconds(), FORGET_OPEN_AFTER.total_seconds()
        await connection.execute(_FORGET, *forget)
        rows = await connection.fetch(_ALL)
    return BreakerStates(
        struck=frozenset(r["key"] for r in rows), unhealthy=frozenset(r["key"] for r in rows if r["open"])
    )


async def open_breakers(connection: Connection, keys: Sequence[str]) -> frozenset[str]:
    """Return which of these dependencies' breakers are open."""
    return frozenset(row["key"] for row in await connection.fetch(_STILL_OPEN, sorted(keys)))


async def admit_probes(connection: Connection, asking: Sequence[BreakerRequest]) -> Probes:
    """Choose the probes of open breakers; in the transaction that claims, so that no two heals probe at once."""
    if not asking:
        return Probes()
    rows = await connection.fetch(_LOCK_OPEN, sorted({one.key for one in asking}))
    if not rows:
        return Probes()
    probes, chosen = choose_probes(asking, {row["key"]: row["probe_in"] for row in rows})
    if chosen:
        columns = zip(*((p.key, p.failure_id, p.window.total_seconds()) for p in chosen), strict=True)
        await connection.execute(_PROBE, *columns)
    return probes


def choose_probes(
    asking: Sequence[BreakerRequest], probe_in: Mapping[str, float | None]
) -> tuple[Probes, tuple[BreakerRequest, ...]]:
    """Choose the probes; `probe_in` holds the open breakers, and in how many seconds a probe of each is due.

    None is one that is probed just now. The first heal that asks for it probes a breaker whose probe is due; one that
    would have to wait for another breaker probes none.
    """
    due = {key for key, seconds in probe_in.items() if seconds is not None and seconds <= 0}
    waiting = {one.failure_id: one.key for one in asking if one.key in probe_in and one.key not in due}
    first: dict[str, BreakerRequest] = {}
    for one in asking:
        if one.key in due and one.failure_id not in waiting:
            first.setdefault(one.key, one)
    for one in asking:
        if one.key in probe_in and (one.key not in first or first[one.key].failure_id != one.failure_id):
            waiting.setdefault(one.failure_id, one.key)
    chosen = tuple(one for one in first.values() if one.failure_id not in waiting)
    probing: dict[FailureId, tuple[str, ...]] = {}
    for one in chosen:
        probing[one.failure_id] = (*probing.get(one.failure_id, ()), one.key)
    next_one = {key: failure_id for failure_id, key in waiting.items()}
    due_in = {
        failure_id: timedelta(seconds=seconds)
        for key, failure_id in next_one.items()
        if (seconds := probe_in[key]) is not None and seconds > 0
    }
    return Probes(probing=probing, waiting=waiting, due_in=due_in), chosen


async def release_probes(connection: Connection, keys: Sequence[str]) -> None:
    """Let others probe dependencies whose probe does not start after all; in the transaction that chose it."""
    if keys:
        await connection.execute(_CLEAR_PROBE, sorted(set(keys)))


async def apply_health(connection: Connection, said: Sequence[Health], settings: BreakerSettings) -> Verdicts:
    """Apply ended heals to their dependencies' breakers, in the transaction that settles them; in order of their end.

    A success clears every strike; enough strikes without one open the breaker.
    """
    if not said:
        return Verdicts()
    well = {one.key for one in said if one.healthy}
    closed = await connection.fetch(_CLOSE, sorted(well)) if well else ()
    struck = _trailing_strikes(said)
    opened = await _strike(connection, struck, settings)
    failed = {one.key for one in said if one.probe and one.healthy is False}
    if failed:
        every, cap = settings.probe_every.total_seconds(), settings.probe_cap.total_seconds()
        await connection.execute(_PROBE_FAILED, sorted(failed), every, cap)
    silent = {one.key for one in said if one.probe and one.healthy is None}
    if silent:
        await connection.execute(_CLEAR_PROBE, sorted(silent))
    still = await connection.fetch(_STILL_OPEN, sorted(struck.keys() | silent)) if struck or silent else ()
    is_open = {row["key"] for row in still}
    if is_open:
        await connection.execute(_NEXT_PROBE, sorted(is_open))
    closed_now = tuple(row["key"] for row in closed if row["open"])
    return Verdicts(
        opened=opened,
        closed=closed_now,
        struck=tuple(struck),
        wake=_to_wake(said, is_open, dict.fromkeys(closed_now, settings.first)),
    )


async def _strike(
    connection: Connection, struck: dict[str, tuple[Health, int]], settings: BreakerSettings
) -> tuple[str, ...]:
    if not struck:
        return ()
    rows = [(one.key, one.org_id, one.dependency, count) for one, count in struck.values()]
    await connection.execute(_STRIKE, *zip(*rows, strict=True), settings.forget.total_seconds())
    every = settings.probe_every.total_seconds()
    opened = await connection.fetch(_OPEN, sorted(struck), settings.strikes, every)
    return tuple(row["key"] for row in opened)


def _trailing_strikes(said: Iterable[Health]) -> dict[str, tuple[Health, int]]:
    struck: dict[str, tuple[Health, int]] = {}
    for one in said:
        if one.healthy:
            struck.pop(one.key, None)
        elif one.healthy is False:
            struck[one.key] = (one, struck.get(one.key, (one, 0))[1] + 1)
    return struck


def _to_wake(said: Iterable[Health], is_open: set[str], closed: dict[str, int]) -> dict[str, int]:
    """Slow start: two waiters for each success (its place and one more); one for another end; none while it is ill."""
    wake = dict(closed)
    for one in said:
        if one.key not in is_open:
            wake[one.key] = wake.get(one.key, 0) + (2 if one.healthy else 1)
    return wake
