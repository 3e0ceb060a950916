"""Producer drift: payloads that all violate their schema in the same way, their state, and the resulting finding."""

import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from consumer.demo.catalog import SOURCE
from consumer.model import JsonObject
from schemas.envelope import Envelope
from schemas.failure import FAILURE_TYPE

NAME: Final = "invoices.daily"
"""Workflow name of all of them."""
COUNT: Final = 5
"""Number of equal repairs that raise a finding, by the catalog's default."""
FIX: Final = "send /amount as an integer, not as a text"

_RUNS: Final = tuple(f"run-daily-{number}" for number in range(1, COUNT + 1))
EFFECTS: Final = tuple(f"engine:{run}" for run in _RUNS)
"""Effects that the world must have seen exactly once at the end."""

_STATE = """
SELECT (SELECT count(*) FROM workflow_failures WHERE workflow_name = $1) AS failures,
       (SELECT count(*) FROM workflow_failures WHERE workflow_name = $1 AND status = 'resolved') AS resolved
"""
_FINDINGS = "SELECT workflow_name, fix, patch FROM producer_drift WHERE raised_at IS NOT NULL ORDER BY raised_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding: the workflow, how its producer should send instead, and the JSON Patch where there is one."""

    workflow_name: str
    fix: str
    patch: list[JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftStanding:
    """Aggregate state of the failures, and the findings."""

    failures: int = 0
    resolved: int = 0
    found: tuple[Found, ...] = ()

    @property
    def healed(self) -> bool:
        """Whether all of them are resolved, and the finding is raised."""
        return self.failures == self.resolved == COUNT and bool(self.found)


NOTHING: Final = DriftStanding()


def drift_events(org_id: UUID) -> tuple[Envelope, ...]:
    """Return one failure for each day, whose amount is a string, as on the day before."""
    return tuple(_event(org_id, run, 40 + number) for number, run in enumerate(_RUNS))


def _event(org_id: UUID, run: str, amount: int) -> Envelope:
    data: JsonObject = {
        "org_id": str(org_id),
        "workflow_name": NAME,
        "failure_reason": f"Validation failed: '{amount}' is not of type 'integer'",
        "context": {
            "run": {"id": run, "step": "book"},
            "payload": {"invoice_id": f"daily-{amount}", "amount": str(amount), "status": "open"},
        },
    }
    return Envelope(id=f"evt-{run}", source=SOURCE, type=FAILURE_TYPE, subject=run, data=data)


async def read_drift(connection: asyncpg.Connection) -> DriftStanding:
    """Read their aggregate state, and every finding."""
    row = await connection.fetchrow(_STATE, NAME)
    rows = await connection.fetch(_FINDINGS)
    found = tuple(
        Found(workflow_name=one["workflow_name"], fix=one["fix"], patch=json.loads(one["patch"])) for one in rows
    )
    return NOTHING if row is None else DriftStanding(**dict(row), found=found)
