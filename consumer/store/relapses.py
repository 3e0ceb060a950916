"""Proven heals that are watched, and relapses: found as the first attempt of the new failure is settled."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from consumer.model import AttemptId, FailureId, Message, OwnerId, Settlement
from consumer.model.relapse import RelapseFound
from consumer.store.definition_watches import note_definition_relapses
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, translated
from schemas.names import StrategyName

FORGOTTEN_AT_ONCE: Final = 2000
"""Heals whose watch is over that one round forgets."""

# Of a failure that came in after that heal: one that had waited for its scope meanwhile is no relapse.
_RELAPSED = """
WITH found AS (
  SELECT x.failure_id, s.org_id, s.strategy, s.failure_id AS of_failure, s.attempt_id AS of_attempt, s.healed_at
    FROM unnest($1::uuid[], $2::text[]) AS x (failure_id, key)
    JOIN heal_success s ON s.key = x.key
    JOIN workflow_failures f ON f.id = x.failure_id
   WHERE s.failure_id <> x.failure_id AND f.received_at > s.healed_at AND f.received_at <= s.watch_until
)
INSERT INTO heal_relapse AS r (failure_id, org_id, strategy, of_failure, of_attempt, healed_at)
SELECT failure_id, org_id, strategy, of_failure, of_attempt, healed_at FROM found ORDER BY failure_id
ON CONFLICT (failure_id) DO NOTHING
RETURNING r.failure_id, r.strategy, r.of_failure, r.of_attempt, r.healed_at, r.noted_at
"""

_HEALED = """
INSERT INTO heal_success (key, org_id, failure_id, attempt_id, strategy, watch_until)
SELECT DISTINCT ON (x.key) x.key, x.org_id, x.failure_id, x.attempt_id, x.strategy,
       clock_timestamp() + x.seconds * interval '1 second'
  FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::float8[])
    AS x (key, org_id, failure_id, attempt_id, strategy, seconds)
 ORDER BY x.key
ON CONFLICT (key) DO UPDATE
   SET failure_id = excluded.failure_id, attempt_id = excluded.attempt_id, healed_at = clock_timestamp(),
       watch_until = excluded.watch_until
"""

_FORGET = """
DELETE FROM heal_success WHERE key IN (
  SELECT s.key FROM heal_success s WHERE s.watch_until < statement_timestamp()
   ORDER BY s.watch_until LIMIT $1 FOR UPDATE SKIP LOCKED)
"""


async def note_relapses(
    connection: Connection, owner: OwnerId, ended: Sequence[Settlement]
) -> Mapping[FailureId, tuple[RelapseFound, Message]]:
    """Note which of these failures are relapses, and which heals are watched from now on; in the caller's transaction.

    The event of each relapse enters the outbox.
    """
    watched = [(s, s.watched) for s in ended if s.watched is not None]
    first = {s.failure.id: one for s, one in watched if one.is_first}
    found: dict[FailureId, tuple[RelapseFound, Message]] = {}
    if first:
        for row in await connection.fetch(_RELAPSED, list(first), [one.key for one in first.values()]):
            relapse = _read(row)
            found[relapse.failure_id] = relapse, first[relapse.failure_id].tell(relapse)
        await put(connection, owner, [message for _, message in found.values()])
        rewritten = {name: one.rewritten for name, one in first.items() if one.rewritten is not None}
        await note_definition_relapses(connection, rewritten)
    healed = [
        (one.key, s.failure.org_id, s.failure.id, s.attempt.id, s.attempt.strategy, one.within / timedelta(seconds=1))
        for s, one in watched
        if one.is_healed
    ]
    if healed:
        await connection.execute(_HEALED, *zip(*healed, strict=True))
    return found


async def forget_unwatched(pool: Pool) -> None:
    """Forget heals whose watch is over, a bounded number."""
    with translated():
        await pool.execute(_FORGET, FORGOTTEN_AT_ONCE)


def _read(row: Any) -> RelapseFound:  # noqa: ANN401 - asyncpg's record
    return RelapseFound(
        failure_id=FailureId(row["failure_id"]),
        of_failure=FailureId(row["of_failure"]),
        of_attempt=AttemptId(row["of_attempt"]),
        strategy=StrategyName(row["strategy"]),
        healed_at=row["healed_at"],
        at=row["noted_at"],
    )
