"""Incidents: the failures of one cause within an organisation as one case, and what people do about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from consumer.model.identity import OrgId
from schemas.names import IncidentAct


class IncidentResult(StrEnum):
    """What came of an act on an incident."""

    DONE = "done"
    ALREADY = "already"  # it stood so before: nothing was changed
    NOT_FOUND = "not_found"
    CLOSED = "closed"  # nothing more is done about it
    TOO_MANY = "too_many"  # of its organisation stand as many open ones as may, or it has as many acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One case, with its clock."""

    id: UUID
    org_id: OrgId
    fingerprint: str
    reason: str
    failure_type: str | None
    since: datetime
    """When the first of its failures that stood at its opening was detected."""
    opened_at: datetime
    opened_by: str
    owned_by: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    closed_by: str | None

    @property
    def to_acknowledge(self) -> timedelta | None:
        """Time from its first failure until somebody said that they know; None while nobody has."""
        return self.acknowledged_at - self.since if self.acknowledged_at is not None else None

    @property
    def to_close(self) -> timedelta | None:
        """Time from its first failure until it was closed; None while it is open."""
        return self.closed_at - self.since if self.closed_at is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneAct:
    """What a person did about an incident."""

    act: IncidentAct
    by: str
    said: str
    bulk_id: UUID | None
    at: datetime
