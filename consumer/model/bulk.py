"""Bulks: what is done to many failures at once, slice by slice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from consumer.model.command import CommandId
from consumer.model.identity import ID_SPACE, FailureId, MicroAud, OrgId
from schemas.names import BulkAction, BulkState, CommandOutcome, Result

SLICE: Final = 25
"""Failures that are done in one transaction: their rows are locked for as long as it lasts."""


def bulk_id_of(command: CommandId) -> UUID:
    """Return the id of the bulk that a command freezes."""
    return uuid5(ID_SPACE, f"bulk:{len(command.issuer)}:{command.issuer}:{command.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenFailure:
    """One failure of a bulk, that is to be done."""

    place: int
    failure_id: FailureId
    org_id: OrgId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBulk:
    """A bulk of which a slice is due."""

    id: UUID
    org_id: OrgId | None
    action: BulkAction
    reason: str
    issued_by: str
    rate: float
    told: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """What became of one failure of a bulk."""

    place: int
    failure_id: FailureId
    outcome: CommandOutcome
    reason: str = ""
    step: int | None = None
    """Of the heal that was asked for."""
    result: Result | None = None
    """How that heal's first attempt ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCounts:
    """How far a bulk is."""

    failures: int
    waiting: int
    accepted: int
    already: int
    refused: int
    under_way: int
    healed: int

    @property
    def has_ended(self) -> bool:
        """Whether each failure has its outcome, and each heal that was asked for has ended."""
        return self.waiting == 0 and self.under_way == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkStatus:
    """A bulk as it is shown."""

    id: UUID
    org_id: OrgId | None
    action: BulkAction
    state: BulkState
    issued_by: str
    rate: float
    cost: MicroAud | None
    created_at: datetime
    counts: BulkCounts
