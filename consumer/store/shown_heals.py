"""Query of the heal under way on a failure, for an operator: where it stands, what it has kept, and how it goes on."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from consumer.model import FailureId
from consumer.store.pool import Connection

# Beside it, whether a message of the failure has yet to reach Kafka: until then a suspended heal does not go on.
_HEAL_UNDER_WAY: Final = """
SELECT c.attempt_id, c.strategy, c.scope, c.effect, c.step, c.held, c.begun, c.begun_since, c.revoked, c.suspensions,
       CASE WHEN c.owner IN ('suspended', 'parked') THEN c.owner ELSE 'running' END AS stands,
       to_json(c.claimed_at) #>> '{}' AS claimed_at, c.waits_for,
       to_json(c.suspended_at) #>> '{}' AS suspended_since,
       to_json(c.look_at) #>> '{}' AS suspended_until,
       extract(epoch FROM clock_timestamp() - c.look_at)::float8 AS overdue,
       EXISTS (SELECT FROM heal_outbox b WHERE b.failure_id = c.failure_id AND b.step <= c.step) AS untold,
       c.state_version, c.state #>> '{}' AS state
  FROM heal_claim c WHERE c.failure_id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealUnderWay:
    """The claim of a failure, as an operator sees it; times are RFC 3339, `state` is JSON text."""

    attempt_id: UUID
    strategy: str
    scope: str
    effect: str
    step: int
    held: int
    """Millionths of an AUD."""
    begun: bool
    begun_since: bool
    """An effect without a key may have begun since the state was kept."""
    revoked: bool
    """A person has decided: nothing new begins, and what was ordered is taken back where that can be done."""
    suspensions: int
    stands: str
    """`running` in a process, `suspended` for another system, or `parked` for a person."""
    claimed_at: str
    waits_for: str | None
    suspended_since: str | None
    suspended_until: str | None
    overdue: float | None
    """Seconds since a suspended one was due; below 0 before."""
    untold: bool
    """A message of it has yet to reach Kafka."""
    state_version: int | None
    state: str | None


async def heal_under_way(connection: Connection, failure_id: FailureId) -> HealUnderWay | None:
    """Return the heal that is under way on a failure; None: there is none."""
    row = await connection.fetchrow(_HEAL_UNDER_WAY, failure_id)
    return HealUnderWay(**dict(row)) if row is not None else None
