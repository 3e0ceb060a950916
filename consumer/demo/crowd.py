"""A thousand simultaneous failures of one dead service: their events, their state, and the calls the service got."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from consumer.demo.catalog import SOURCE
from consumer.demo.world import World
from consumer.model import JsonObject
from schemas.envelope import Envelope
from schemas.failure import FAILURE_TYPE

SERVICE: Final = "labels"
NAME: Final = "labels.print"
"""Workflow name of all of them."""
COUNT: Final = 1000
HANDFUL: Final = 60
"""Upper bound of the calls to a dead service, however many failures wait for it: 10 concurrent heals in each of two
replicas, those that begin before the first strikes are known, and the probes."""
WATCHED_PROBES: Final = 3
"""Number of probes that the service gets before it comes back."""

_REFERENCES: Final = tuple(f"label-{number:04}" for number in range(COUNT))
EFFECTS: Final = tuple(f"{SERVICE}:{reference}" for reference in _REFERENCES)
"""Effects that the world must have seen exactly once at the end."""

# `waits_on` is set for a failure that waits for its dependency, not for one that waits for its own back-off.
_STATE = """
SELECT count(*) AS failures, count(*) FILTER (WHERE status = 'resolved') AS resolved,
       count(*) FILTER (WHERE waits_on LIKE 'dependency:%') AS waiting, coalesce(max(attempts), 0) AS attempts,
       coalesce(max(failure_type), '') AS failure_type, coalesce(max(disposition), '') AS disposition,
       (SELECT count(*) FROM heal_claim WHERE owner <> 'parked' AND failure_id IN
          (SELECT id FROM workflow_failures WHERE workflow_name = $1)) AS healing,
       (SELECT max(failed_probes) FROM heal_breaker WHERE dependency = $2 AND opened_at IS NOT NULL) AS failed_probes
  FROM workflow_failures WHERE workflow_name = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdStanding:
    """Aggregate state of the thousand failures."""

    failures: int = 0
    resolved: int = 0
    waiting: int = 0
    healing: int = 0
    attempts: int = 0
    """Maximum over the failures."""
    failure_type: str = ""
    disposition: str = ""
    failed_probes: int | None = None
    """Failed probes since the breaker opened; None while it is closed."""

    @property
    def is_open(self) -> bool:
        """Whether the circuit breaker is open: then one failure at a time probes the service."""
        return self.failed_probes is not None

    @property
    def healed(self) -> bool:
        """Whether all of them are resolved."""
        return self.failures == self.resolved == COUNT


NOBODY: Final = CrowdStanding()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What the dead service saw, by the world's own count."""

    opened: bool
    """Whether the breaker opened."""
    calls: int
    """Number of all calls until it was back."""
    watched: int
    """Number of calls from the first failed probe on."""
    at_once: int
    """Maximum concurrency of the watched calls."""
    found: bool
    """Whether a probe found that it was back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The failures of all labels that could not be printed: keyed calls, so that each is printed exactly once."""

    world: World
    org_id: UUID

    def events(self) -> tuple[Envelope, ...]:
        """Return one event for each failure."""
        return tuple(self._event(reference) for reference in _REFERENCES)

    def _event(self, reference: str) -> Envelope:
        request: JsonObject = {
            "method": "POST",
            "url": self.world.url(SERVICE, "/labels"),
            "body": {"reference": reference},
            "idempotency_key": f"demo-{reference}",
            "expect": {"json": [{"path": "/reference", "equals": reference}]},
        }
        data: JsonObject = {
            "org_id": str(self.org_id),
            "workflow_name": NAME,
            "failure_reason": "Gateway timeout: POST /labels",
            "context": {"request": request},
        }
        return Envelope(id=f"evt-{reference}", source=SOURCE, type=FAILURE_TYPE, subject=reference, data=data)


def dependency_of(world: World) -> str:
    """Return the dependency that all of them share, named as the healer does."""
    return world.url(SERVICE, "")


async def read_crowd(connection: asyncpg.Connection, dependency: str) -> CrowdStanding:
    """Read their aggregate state, and the breaker of their dependency (`http://host:port`)."""
    row = await connection.fetchrow(_STATE, NAME, dependency)
    return NOBODY if row is None else CrowdStanding(**dict(row))
