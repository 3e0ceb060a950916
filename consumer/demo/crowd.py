"""A thousand failures at once because one service is down: what comes in, where they stand, what the service saw."""

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
"""The workflow of all of them."""
COUNT: Final = 1000
HANDFUL: Final = 60
"""What a dead service may be called at most, whoever waits for it: 10 heals at once in each of two replicas, those
that begin before the strikes of the first are known, and the probes."""
WATCHED_PROBES: Final = 3
"""How many the service sees before it comes back."""

_REFERENCES: Final = tuple(f"label-{number:04}" for number in range(COUNT))
EFFECTS: Final = tuple(f"{SERVICE}:{reference}" for reference in _REFERENCES)
"""What the world must have done exactly once when all is over."""

# A failure that waits for its dependency has its key; who waits for its own backoff has none.
_STANDS = """
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
    """Where the thousand stand, together."""

    failures: int = 0
    resolved: int = 0
    waiting: int = 0
    healing: int = 0
    attempts: int = 0
    """The most that one of them has cost."""
    failure_type: str = ""
    disposition: str = ""
    failed_probes: int | None = None
    """Since the breaker opened; None while it is closed."""

    @property
    def is_open(self) -> bool:
        """Whether the breaker is: then one of them at a time tries the service."""
        return self.failed_probes is not None

    @property
    def healed(self) -> bool:
        """Whether all of them are."""
        return self.failures == self.resolved == COUNT


NOBODY: Final = CrowdStanding()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What the dead service saw, by the world's own count."""

    opened: bool
    """Whether the breaker did."""
    calls: int
    """All, until it was back."""
    watched: int
    """Those of them from the first failed probe on."""
    at_once: int
    """The most of the watched that were open at the same time."""
    found: bool
    """Whether a probe found that it was back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The failures of all whose labels could not be printed: keyed, so that each is printed exactly once."""

    world: World
    org_id: UUID

    def events(self) -> tuple[Envelope, ...]:
        """Give one for each."""
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
    """Name what all of them need, as the healer does."""
    return world.url(SERVICE, "")


async def read_crowd(connection: asyncpg.Connection, dependency: str) -> CrowdStanding:
    """Read where they stand now, and the breaker of their dependency (`http://host:port`)."""
    row = await connection.fetchrow(_STANDS, NAME, dependency)
    return NOBODY if row is None else CrowdStanding(**dict(row))
