"""Pauses of healing: made, ended, listed; and failures that one held are due again once it is over.

The processes read what is in force with their leases (`leases.py`), so a pause is answered as a decision is:
`NOTHING_STARTS_AFTER` its commit. A planned one is read a little before its start, and so holds from its start on.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from pydantic_core import from_json

from consumer.model import Message, OrgId
from consumer.model.pause import PAUSE_GATE, HealingPause, PauseReach, PauseRequest, PauseResult
from consumer.redact.words import redact_words
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Connection, Pool, transaction
from consumer.store.rows import storable_text
from schemas.names import FailureType, StrategyName

TellPause: TypeAlias = Callable[[HealingPause, datetime], Message]
"""Returns the event of a pause as it stands at a time."""

MOST_OF_AN_ORGANISATION: Final = 20
MOST_OF_THE_FLEET: Final = 200
"""Pauses that may stand at once, planned ones included: every process reads them twice a second."""
RELEASED_AT_ONCE: Final = 2000
"""Failures that one round makes due again of each pause that is over."""
_OVER_AT_ONCE: Final = 20
ITS_END: Final = "its end"
HELD_COUNT: Final = 10_000
"""Failures that wait for one pause are counted up to this number."""

_COLUMNS: Final = """p.id, p.org_id, p.workflow_name, p.failure_type, p.strategy, p.dependency, p.reason, p.paused_by,
       p.starts_at, p.ends_at, p.ended_at, p.ended_by, p.end_reason"""

# Two seconds before its start: from then on no reading that does not know of it is fresh enough at its start.
PAUSES_IN_FORCE: Final = """(
  SELECT json_agg(json_build_object(
           'id', p.id, 'org_id', p.org_id, 'workflow_name', p.workflow_name, 'failure_type', p.failure_type,
           'strategy', p.strategy, 'dependency', p.dependency, 'reason', p.reason, 'paused_by', p.paused_by,
           'starts_at', p.starts_at, 'ends_at', p.ends_at))
    FROM heal_pause p
   WHERE NOT p.released AND p.ended_at IS NULL AND p.starts_at <= clock_timestamp() + interval '2 seconds'
     AND (p.ends_at IS NULL OR p.ends_at > clock_timestamp()))"""
"""What a reading of leases has of pauses; NULL: none."""

_STANDING = """
SELECT count(*) FILTER (WHERE p.org_id IS NOT DISTINCT FROM $1) AS standing,
       $1::uuid IS NULL OR EXISTS (SELECT FROM organizations o WHERE o.id = $1) AS is_there
  FROM heal_pause p WHERE NOT p.released AND p.ended_at IS NULL
"""

_PAUSE = f"""
INSERT INTO heal_pause AS p (id, org_id, workflow_name, failure_type, strategy, dependency, reason, paused_by,
                             starts_at, ends_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, n.starts_at, $10::timestamptz
  FROM (SELECT greatest($9::timestamptz, clock_timestamp()) AS starts_at) AS n
 WHERE $10::timestamptz IS NULL OR $10 > n.starts_at
ON CONFLICT (id) DO NOTHING
RETURNING {_COLUMNS}, clock_timestamp() AS now
"""  # noqa: S608 - a constant list of columns

_SELECT_PAUSE = f"SELECT {_COLUMNS} FROM heal_pause p WHERE p.id = $1"  # noqa: S608 - a constant list of columns

# Those of one id, or all that stand with exactly this reach; of an administrator only those of their organisations.
_END = f"""
UPDATE heal_pause p SET ended_at = clock_timestamp(), ended_by = $8, end_reason = $9
 WHERE NOT p.released AND p.ended_at IS NULL AND (p.ends_at IS NULL OR p.ends_at > clock_timestamp())
   AND CASE WHEN $1::uuid IS NOT NULL THEN p.id = $1
            ELSE (p.org_id, p.workflow_name, p.failure_type, p.strategy, p.dependency)
                 IS NOT DISTINCT FROM ($2::uuid, $3::text, $4::text, $5::text, $6::text) END
   AND ($7::uuid[] IS NULL OR p.org_id = ANY($7))
RETURNING {_COLUMNS}, clock_timestamp() AS now
"""  # noqa: S608 - a constant list of columns

_IS_KNOWN = "SELECT p.id FROM heal_pause p WHERE p.id = $1 AND ($2::uuid[] IS NULL OR p.org_id = ANY($2))"

_LIST = f"""
SELECT {_COLUMNS}, p.ended_at IS NULL AND (p.ends_at IS NULL OR p.ends_at > statement_timestamp()) AS stands,
       (SELECT count(*) FROM (SELECT FROM workflow_failures f WHERE f.waits_on = '{PAUSE_GATE}' || p.id
                               LIMIT {HELD_COUNT}) AS h) AS held
  FROM (SELECT * FROM heal_pause w
         WHERE ($1::uuid[] IS NULL OR w.org_id = ANY($1) OR w.org_id IS NULL) AND ($2 OR NOT w.released)
         ORDER BY w.created_at DESC, w.id LIMIT $3) AS p
 WHERE $2 OR p.ended_at IS NULL AND (p.ends_at IS NULL OR p.ends_at > statement_timestamp())
 ORDER BY p.starts_at DESC, p.id
"""  # noqa: S608 - constants

_COME_TO_THEIR_END = f"""
UPDATE heal_pause p SET ended_at = p.ends_at, ended_by = $1
 WHERE p.id IN (SELECT w.id FROM heal_pause w
                 WHERE NOT w.released AND w.ended_at IS NULL AND w.ends_at <= statement_timestamp()
                 ORDER BY w.ends_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}, clock_timestamp() AS now
"""  # noqa: S608 - a constant list of columns

_OVER = """
SELECT p.id, p.ended_at < statement_timestamp() - interval '1 minute' AS is_known FROM heal_pause p
 WHERE NOT p.released AND p.ended_at IS NOT NULL ORDER BY p.ended_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""

# In the order in which they came to it, each at the place that it had: what came in since stands behind it.
_RELEASE = """
UPDATE workflow_failures f SET waits_on = NULL, due_at = coalesce(f.paused_at, clock_timestamp())
 WHERE f.id IN (SELECT w.id FROM workflow_failures w WHERE w.waits_on = $1
                 ORDER BY w.due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING f.id
"""

_RELEASED = """
UPDATE heal_pause p SET released = true
 WHERE p.id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM workflow_failures f WHERE f.waits_on = 'pause:' || p.id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseMade:
    """The result of asking for a pause, or for the end of some; `pauses`: those that were made or ended."""

    result: PauseResult
    pauses: tuple[HealingPause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPause:
    """A pause in a list: whether it stands (in force, or planned), and how many failures wait for it."""

    pause: HealingPause
    stands: bool
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedPauses:
    """Pauses that came to their end in one round, and how many failures are due again."""

    ended: int
    released: int


async def pause(
    connection: Connection, request: PauseRequest, tell: TellPause, *, pause_id: UUID | None = None
) -> PauseMade:
    """Pause healing within a reach, in the caller's transaction; as the service.

    The caller answers `NOTHING_STARTS_AFTER` its commit: from then on no effect begins within the reach. With an id of
    the caller's own a second call changes nothing (`already`).
    """
    reach = request.reach.canonical()
    if reach.names_host:
        return PauseMade(result=PauseResult.NO_ORIGIN)
    standing = await connection.fetchrow(_STANDING, reach.org_id)
    if standing is None or not standing["is_there"]:
        return PauseMade(result=PauseResult.NOT_FOUND)
    made_as = pause_id or uuid4()
    if (before := await connection.fetchrow(_SELECT_PAUSE, made_as)) is not None:
        return PauseMade(result=PauseResult.ALREADY, pauses=(_read(before),))
    if standing["standing"] >= (MOST_OF_THE_FLEET if reach.org_id is None else MOST_OF_AN_ORGANISATION):
        return PauseMade(result=PauseResult.TOO_MANY)
    row = await connection.fetchrow(
        _PAUSE, made_as, *_reach_columns(reach), *_words(request.reason, request.by), request.starts_at, request.ends_at
    )
    if row is None:
        return PauseMade(result=PauseResult.OVER)
    made = _read(row)
    await put_for_sweeper(connection, [tell(made, row["now"])])
    return PauseMade(result=PauseResult.DONE, pauses=(made,))


async def resume(
    connection: Connection,
    which: UUID | PauseReach,
    *,
    by: str,
    reason: str,
    tell: TellPause,
    within: Collection[OrgId] | None = None,
) -> PauseMade:
    """End a pause, or all that stand with exactly this reach, in the caller's transaction; as the service.

    `within` are the organisations that whoever asks administers; None: an operator's command. A running consumer makes
    due again within seconds what they held.
    """
    by_id = which if isinstance(which, UUID) else None
    reach = which.canonical() if isinstance(which, PauseReach) else PauseReach()
    allowed = sorted(within) if within is not None else None
    said, name = _words(reason, by)
    rows = await connection.fetch(_END, by_id, *_reach_columns(reach), allowed, name, said)
    if not rows:
        known = by_id is not None and await connection.fetchval(_IS_KNOWN, by_id, allowed) is not None
        return PauseMade(result=PauseResult.ALREADY if known else PauseResult.NOT_FOUND)
    await put_for_sweeper(connection, [tell(_read(row), row["now"]) for row in rows])
    return PauseMade(result=PauseResult.DONE, pauses=tuple(map(_read, rows)))


async def listed(
    connection: Connection, *, within: Collection[OrgId] | None, is_whole: bool, limit: int
) -> list[ListedPause]:
    """Return the pauses that stand, or with `is_whole` all, the newest first; `within` as in `resume`, and the fleet's.

    Of an administrator only what reaches their organisations.
    """
    rows = await connection.fetch(_LIST, sorted(within) if within is not None else None, is_whole, limit)
    return [ListedPause(pause=_read(row), stands=row["stands"], held=row["held"]) for row in rows]


async def release_ended(pool: Pool, tell: TellPause) -> EndedPauses:
    """End the pauses whose time is over, and make due again what ended ones held; a bounded number of each."""
    released = 0
    async with transaction(pool) as connection:
        ended = await connection.fetch(_COME_TO_THEIR_END, ITS_END, _OVER_AT_ONCE)
        if ended:
            await put_for_sweeper(connection, [tell(_read(row), row["now"]) for row in ended])
        empty = []
        for over in await connection.fetch(_OVER, _OVER_AT_ONCE):
            gate = f"{PAUSE_GATE}{over['id']}"
            count = len(await connection.fetch(_RELEASE, gate, RELEASED_AT_ONCE))
            released += count
            # A process that had yet to hear of its end may have put a failure there just now.
            if not count and over["is_known"]:
                empty.append(over["id"])
        if empty:
            await connection.execute(_RELEASED, empty)
    return EndedPauses(ended=len(ended), released=released)


def read_pauses(text: str | None) -> tuple[HealingPause, ...]:
    """Parse `PAUSES_IN_FORCE`; what names a strategy or failure type of another release reaches nothing here."""
    return tuple(_known(from_json(text))) if text else ()


def _known(rows: Sequence[dict[str, Any]]) -> Iterator[HealingPause]:
    for row in rows:
        times = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in ("starts_at", "ends_at")}
        pause = _read_or_none({**row, **times, "ended_at": None, "ended_by": None, "end_reason": None})
        if pause is not None:
            yield pause


def _read_or_none(row: Any) -> HealingPause | None:  # noqa: ANN401 - asyncpg's record, or a mapping
    if row["strategy"] is not None and row["strategy"] not in frozenset(StrategyName):
        return None
    return None if row["failure_type"] not in (None, *FailureType) else _read(row)


def _read(row: Any) -> HealingPause:  # noqa: ANN401 - asyncpg's record, or a mapping
    org_id, failure_type, strategy = row["org_id"], row["failure_type"], row["strategy"]
    reach = PauseReach(
        org_id=OrgId(UUID(str(org_id))) if org_id is not None else None,
        workflow_name=row["workflow_name"],
        failure_type=FailureType(failure_type) if failure_type is not None else None,
        strategy=StrategyName(strategy) if strategy is not None else None,
        dependency=row["dependency"],
    )
    return HealingPause(
        id=UUID(str(row["id"])),
        reach=reach,
        reason=row["reason"],
        by=row["paused_by"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
        end_reason=row["end_reason"],
    )


def _reach_columns(reach: PauseReach) -> tuple[object, ...]:
    return reach.org_id, reach.workflow_name, reach.failure_type, reach.strategy, reach.dependency


def _words(reason: str, by: str) -> tuple[str, str]:
    return storable_text(redact_words(reason)), storable_text(redact_words(by))[:200]
