"""Bindings of dependencies: read, changed one at a time over all replicas, and picked for a probe of the first.

A change locks the organisation's bindings by an advisory lock, for a row that is not there yet cannot be locked and a
share of a workflow's dependencies is counted over several. It stands before all rows in the lock order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from pydantic_core import from_json

from consumer.model import Message, OrgId, OwnerId
from consumer.model.binding import Binding, BindingKey, Bindings
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import as_json, storable_text
from consumer.store.settle import wake
from schemas.dependency_binding import BindingState

Decide: TypeAlias = Callable[[Binding | None, int, datetime], Binding | None]
"""Returns the binding after something has happened; of the one before, how many siblings are replaced, and now."""
Follow: TypeAlias = Callable[[Binding | None, Binding, datetime], tuple[Sequence[Message], Mapping[str, int]]]
"""Returns what a change is told by, and the gates whose waiters it wakes."""

_COLUMNS: Final = """b.org_id, b.dependency, b.workflow_name, b.state, b.candidate, b.changed_at, b.lease_until,
       b.ejected_until, b.ejections, b.answered, b.failed, b.well_since, b.idle_until, b.shunned, b.version, b.reason,
       b.evidence"""

_LOCK_ORGANISATION = "SELECT pg_advisory_xact_lock(hashtextextended('heal_binding:' || $1::text, 0))"

_FIND = f"""
SELECT {_COLUMNS}, clock_timestamp() AS now
  FROM (SELECT) AS one LEFT JOIN heal_binding b ON b.org_id = $1 AND b.dependency = $2
"""  # noqa: S608 - a constant list of columns

_COUNT_HELD = """
SELECT count(*) FROM heal_binding b
 WHERE b.org_id = $1 AND b.dependency = ANY($2::text[]) AND b.dependency <> $3 AND b.state <> 'first'
   AND b.lease_until > clock_timestamp()
"""

_WRITE = """
INSERT INTO heal_binding AS b (org_id, dependency, workflow_name, state, candidate, changed_at, lease_until,
       ejected_until, ejections, answered, failed, well_since, idle_until, shunned, version, reason, evidence,
       probe_due)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
        CASE WHEN $4 <> 'first' THEN clock_timestamp() + $18 * interval '1 second' END)
ON CONFLICT (org_id, dependency) DO UPDATE
   SET workflow_name = excluded.workflow_name, state = excluded.state, candidate = excluded.candidate,
       changed_at = excluded.changed_at, lease_until = excluded.lease_until, ejected_until = excluded.ejected_until,
       ejections = excluded.ejections, answered = excluded.answered, failed = excluded.failed,
       well_since = excluded.well_since, idle_until = excluded.idle_until, shunned = excluded.shunned,
       version = excluded.version, reason = excluded.reason, evidence = excluded.evidence,
       probe_due = CASE WHEN excluded.state = 'first' THEN NULL ELSE coalesce(b.probe_due, excluded.probe_due) END
"""

_LOAD = f"""
SELECT {_COLUMNS} FROM heal_binding b
 WHERE b.state <> 'first' OR b.idle_until > clock_timestamp() - interval '1 minute'
 ORDER BY b.org_id, b.dependency LIMIT 10000
"""  # noqa: S608 - a constant list of columns

_LIST = f"""
SELECT {_COLUMNS} FROM heal_binding b
 WHERE ($1::uuid[] IS NULL OR b.org_id = ANY($1)) ORDER BY b.changed_at DESC, b.org_id, b.dependency LIMIT $2
"""  # noqa: S608 - a constant list of columns

# One probe at a time over all replicas: whoever has it does it within its time, or another one may.
_PICK_PROBES = f"""
UPDATE heal_binding b SET prober = $1, probe_until = clock_timestamp() + $2 * interval '1 second'
 WHERE (b.org_id, b.dependency) IN (
   SELECT w.org_id, w.dependency FROM heal_binding w
    WHERE w.probe_due <= clock_timestamp() AND coalesce(w.probe_until, '-infinity') < clock_timestamp()
    ORDER BY w.probe_due LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns

_PROBED = """
UPDATE heal_binding b
   SET prober = NULL, probe_until = NULL,
       probe_due = CASE WHEN b.probe_due IS NOT NULL THEN clock_timestamp() + $4 * interval '1 second' END
 WHERE b.org_id = $1 AND b.dependency = $2 AND b.prober = $3
"""

# Whoever proves the first ill asks it as well: a probe that is under way since it was replaced has to be over.
_TAKE_PROBE = """
WITH taken AS (
  UPDATE heal_binding b SET prober = $3, probe_until = clock_timestamp() + $4 * interval '1 second'
   WHERE b.org_id = $1 AND b.dependency = $2 AND coalesce(b.probe_until, '-infinity') < clock_timestamp()
  RETURNING b.org_id
)
SELECT EXISTS (SELECT FROM taken)
    OR NOT EXISTS (SELECT FROM heal_binding b WHERE b.org_id = $1 AND b.dependency = $2)
"""

_STRIKES = """
SELECT b.dependency, coalesce(sum(b.strikes) FILTER (WHERE b.org_id = $1), 0)::int AS own,
       coalesce(bool_or(b.opened_at IS NOT NULL) FILTER (WHERE b.org_id = $1), false) AS is_open,
       count(DISTINCT b.org_id) FILTER (WHERE b.org_id <> $1)::int AS others
  FROM heal_breaker b WHERE b.dependency = ANY($2::text[]) GROUP BY b.dependency
"""

_TRIALS_OVER = """
SELECT b.org_id, b.dependency FROM heal_binding b
 WHERE b.state IN ('whole', 'returning') AND b.lease_until > clock_timestamp()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceStrikes:
    """Strikes at one place: of one organisation, whether its breaker is open, and of how many others."""

    own: int
    is_open: bool
    others: int


async def find_binding(pool: Pool, org_id: OrgId, dependency: str) -> tuple[Binding | None, datetime]:
    """Return a binding as it stands, and the database's time."""
    with translated():
        (row,) = await pool.fetch(_FIND, org_id, dependency)
    return _found(row)


async def change_binding(
    pool: Pool,
    key: tuple[OrgId, str],
    siblings: Sequence[str],
    decide: Decide,
    follow: Follow,
    probe_every: timedelta,
) -> tuple[Binding | None, Binding | None, int]:
    """Change a binding by a rule, in one transaction with what tells it; returns before, after, and those it woke.

    The rule is asked under a lock of the organisation's bindings, so that no two replicas change one at a time.
    """
    org_id, dependency = key
    async with transaction(pool) as connection:
        await connection.execute(_LOCK_ORGANISATION, str(org_id))
        (row,) = await connection.fetch(_FIND, org_id, dependency)
        before, now = _found(row)
        held = await connection.fetchval(_COUNT_HELD, org_id, list(siblings), dependency) if siblings else 0
        after = decide(before, held, now)
        if after is None or after == before:
            return before, after, 0
        await connection.execute(_WRITE, *_columns(after), probe_every.total_seconds())
        messages, gates = follow(before, after, now)
        await put_for_sweeper(connection, messages)
        woken = await wake(connection, gates) if gates else ()
    return before, after, len(woken)


async def trials_over(pool: Pool) -> list[BindingKey]:
    """Return the bindings that hold, and whose candidate is on trial no more."""
    with translated():
        return [_key(row) for row in await pool.fetch(_TRIALS_OVER)]


async def load_bindings(pool: Pool) -> Bindings:
    """Read what plans have to know of bindings."""
    with translated():
        rows = await pool.fetch(_LOAD)
    return {_key(row): _read(row) for row in rows}


async def list_bindings(connection: Connection, *, within: Sequence[UUID] | None, limit: int) -> list[Binding]:
    """Return bindings, the last changed first; `within` these organisations, None: of all."""
    rows = await connection.fetch(_LIST, None if within is None else sorted(within), limit)
    return [_read(row) for row in rows]


async def pick_probes(pool: Pool, prober: OwnerId, within: timedelta, limit: int) -> list[Binding]:
    """Take the probes that are due: nobody else makes them within that time."""
    with translated():
        rows = await pool.fetch(_PICK_PROBES, prober, within.total_seconds(), limit)
    return [_read(row) for row in rows]


async def take_probe(pool: Pool, key: tuple[OrgId, str], prober: str, within: timedelta) -> bool:
    """Take the right to ask the first, unless somebody asks it just now; a dependency without a row is free."""
    with translated():
        return bool(await pool.fetchval(_TAKE_PROBE, *key, prober, within.total_seconds()))


async def end_probe(pool: Pool, key: tuple[OrgId, str], prober: str, again_in: timedelta) -> None:
    """Give a probe back: the next one is due after a time."""
    with translated():
        await pool.execute(_PROBED, *key, prober, again_in.total_seconds())


async def place_strikes(pool: Pool, org_id: OrgId, origins: Sequence[str]) -> Mapping[str, PlaceStrikes]:
    """Return the strikes at some places; one without any is not in it."""
    with translated():
        rows = await pool.fetch(_STRIKES, org_id, list(origins))
    return {
        row["dependency"]: PlaceStrikes(own=row["own"], is_open=row["is_open"], others=row["others"]) for row in rows
    }


def _found(row: Any) -> tuple[Binding | None, datetime]:  # noqa: ANN401 - asyncpg's record
    return (_read(row) if row["org_id"] is not None else None), row["now"]


def _key(row: Any) -> BindingKey:  # noqa: ANN401 - asyncpg's record
    return UUID(str(row["org_id"])), row["dependency"]


def _columns(binding: Binding) -> tuple[object, ...]:
    return (
        binding.org_id,
        binding.dependency,
        binding.workflow_name,
        binding.state,
        binding.candidate,
        binding.changed_at,
        binding.lease_until,
        binding.ejected_until,
        binding.ejections,
        binding.answered,
        binding.failed,
        binding.well_since,
        binding.idle_until,
        as_json({name: until.isoformat() for name, until in binding.shunned.items()}),
        binding.version,
        storable_text(binding.reason),
        as_json([dict(one) for one in binding.evidence]),
    )


def _read(row: Any) -> Binding:  # noqa: ANN401 - asyncpg's record
    shunned = {name: datetime.fromisoformat(until) for name, until in from_json(row["shunned"]).items()}
    plain = {name: row[name] for name in _PLAIN}
    return Binding(
        org_id=OrgId(UUID(str(row["org_id"]))),
        state=BindingState(row["state"]),
        shunned=shunned,
        evidence=tuple(from_json(row["evidence"])),
        **plain,
    )


_PLAIN: Final = (
    "dependency", "workflow_name", "candidate", "changed_at", "lease_until", "ejected_until", "ejections", "answered",
    "failed", "well_since", "idle_until", "version", "reason",
)  # fmt: skip
