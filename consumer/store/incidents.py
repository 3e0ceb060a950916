"""Incidents: opened by a failure of their cause, acted on by people, listed; each act is kept with who did it.

A user is let see an incident where they lead its organisation; what is done about it is done as the service.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from consumer.model import FailureId, OrgId
from consumer.model.incident import DoneAct, Incident, IncidentResult
from consumer.redact.words import redact_words
from consumer.store.pool import Connection
from consumer.store.rows import storable_text
from schemas.names import IncidentAct

MOST_OPEN: Final = 200
"""Incidents of an organisation that may be open at once."""
MOST_ACTS: Final = 500
"""Acts on one incident, its notes among them."""
_OF_REASON: Final = 1000
READ: Final = 2048
"""Characters of a reason that tell its cause."""

_COLUMNS: Final = """i.id, i.org_id, i.fingerprint, i.reason, i.failure_type, i.since, i.opened_at, i.opened_by,
       i.owned_by, i.acknowledged_at, i.acknowledged_by, i.closed_at, i.closed_by"""

_REASONS = "SELECT f.id, left(f.failure_reason, $2) AS reason FROM workflow_failures f WHERE f.id = ANY($1::uuid[])"

_COUNT_OPEN = "SELECT count(*) FROM heal_incident i WHERE i.org_id = $1 AND i.closed_at IS NULL"

# A member may insert a time that is none: its clock begins with the first that could be.
_OPEN = f"""
INSERT INTO heal_incident AS i (org_id, fingerprint, reason, failure_type, opened_by, since)
SELECT $1, $2, $3, $4, $5, least(clock_timestamp(), coalesce((
    SELECT min(f.detected_at) FROM workflow_failures f
     WHERE f.id = ANY($6::uuid[]) AND isfinite(f.detected_at) AND f.detected_at > '2000-01-01'), clock_timestamp()))
ON CONFLICT (org_id, fingerprint) WHERE closed_at IS NULL DO NOTHING
RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns

_STANDING = f"""
SELECT {_COLUMNS} FROM heal_incident i WHERE i.org_id = $1 AND i.fingerprint = $2 AND i.closed_at IS NULL
"""  # noqa: S608 - a constant list of columns

_LOCK = f"""
SELECT {_COLUMNS}, (SELECT count(*) FROM heal_incident_act a WHERE a.incident_id = i.id) AS acts
  FROM heal_incident i WHERE i.id = $1 AND i.org_id = ANY($2::uuid[]) FOR NO KEY UPDATE
"""  # noqa: S608 - a constant list of columns

_RECORD = """
INSERT INTO heal_incident_act (incident_id, act, acted_by, said, bulk_id) VALUES ($1, $2, $3, $4, $5)
"""

_CHANGE = f"""
UPDATE heal_incident i
   SET owned_by = CASE $2 WHEN 'take' THEN $3 WHEN 'release' THEN NULL ELSE i.owned_by END,
       acknowledged_at = CASE WHEN $2 = 'acknowledge' THEN clock_timestamp() ELSE i.acknowledged_at END,
       acknowledged_by = CASE WHEN $2 = 'acknowledge' THEN $3 ELSE i.acknowledged_by END,
       closed_at = CASE WHEN $2 = 'close' THEN clock_timestamp() END,
       closed_by = CASE WHEN $2 = 'close' THEN $3 END
 WHERE i.id = $1
RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns

_LIST = f"""
SELECT {_COLUMNS} FROM heal_incident i
 WHERE i.org_id = ANY($1::uuid[]) AND ($2 OR i.closed_at IS NULL)
 ORDER BY i.opened_at DESC, i.id DESC LIMIT $3
"""  # noqa: S608 - a constant list of columns

_ONE = f"SELECT {_COLUMNS} FROM heal_incident i WHERE i.id = $1 AND i.org_id = ANY($2::uuid[])"  # noqa: S608 - as above

_ACTS = """
SELECT a.act, a.acted_by, a.said, a.bulk_id, a.acted_at FROM heal_incident_act a
 WHERE a.incident_id = $1 ORDER BY a.place
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChange:
    """What came of an act, and the incident as it stands now."""

    result: IncidentResult
    incident: Incident | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIncident:
    """What an incident is made of: the cause, and the failures of it that are known to stand."""

    org_id: OrgId
    fingerprint: str
    reason: str
    failure_type: str | None
    failures: Sequence[FailureId]
    by: str


async def reasons_of(connection: Connection, ids: Sequence[UUID]) -> dict[FailureId, str]:
    """Return as much of the reasons of failures as tells their causes."""
    rows = await connection.fetch(_REASONS, list(ids), READ)
    return {FailureId(row["id"]): row["reason"] for row in rows}


async def open_incident(connection: Connection, wanted: NewIncident) -> IncidentChange:
    """Open an incident, or return the one of the same cause that stands already, as it stands."""
    if (standing := await connection.fetchrow(_STANDING, wanted.org_id, wanted.fingerprint)) is not None:
        return IncidentChange(result=IncidentResult.ALREADY, incident=_read(standing))
    if await connection.fetchval(_COUNT_OPEN, wanted.org_id) >= MOST_OPEN:
        return IncidentChange(result=IncidentResult.TOO_MANY)
    reason = storable_text(redact_words(wanted.reason))[:_OF_REASON]
    row = await connection.fetchrow(
        _OPEN, wanted.org_id, wanted.fingerprint, reason, wanted.failure_type, wanted.by, list(wanted.failures)
    )
    if row is None:  # another request was first
        standing = await connection.fetchrow(_STANDING, wanted.org_id, wanted.fingerprint)
        return IncidentChange(result=IncidentResult.ALREADY, incident=_read(standing) if standing else None)
    await connection.execute(_RECORD, row["id"], IncidentAct.OPEN, wanted.by, "", None)
    return IncidentChange(result=IncidentResult.DONE, incident=_read(row))


async def act_on_incident(
    connection: Connection,
    incident_id: UUID,
    act: IncidentAct,
    *,
    by: str,
    said: str,
    within: Collection[OrgId],
    bulk_id: UUID | None = None,
) -> IncidentChange:
    """Record a person's act on an incident of the organisations that they lead, and change it by that."""
    row = await connection.fetchrow(_LOCK, incident_id, sorted(within))
    if row is None:
        return IncidentChange(result=IncidentResult.NOT_FOUND)
    stands = _read(row)
    if stands.closed_at is not None and act is not IncidentAct.NOTE:
        return IncidentChange(result=IncidentResult.CLOSED, incident=stands)
    if _is_so_already(stands, act, by):
        return IncidentChange(result=IncidentResult.ALREADY, incident=stands)
    if row["acts"] >= MOST_ACTS and act is not IncidentAct.CLOSE:
        return IncidentChange(result=IncidentResult.TOO_MANY, incident=stands)
    await connection.execute(_RECORD, incident_id, act, by, storable_text(redact_words(said)), bulk_id)
    if act in (IncidentAct.NOTE, IncidentAct.HEAL):
        return IncidentChange(result=IncidentResult.DONE, incident=stands)
    return IncidentChange(
        result=IncidentResult.DONE, incident=_read(await connection.fetchrow(_CHANGE, incident_id, act, by))
    )


async def list_incidents(
    connection: Connection, *, within: Collection[OrgId], is_whole: bool, limit: int
) -> list[Incident]:
    """Return the open incidents of organisations, or with `is_whole` all, the newest first."""
    return [_read(row) for row in await connection.fetch(_LIST, sorted(within), is_whole, limit)]


async def one_incident(
    connection: Connection, incident_id: UUID, *, within: Collection[OrgId]
) -> tuple[Incident, list[DoneAct]] | None:
    """Return an incident of these organisations with every act on it, the first one first; None where there is none."""
    row = await connection.fetchrow(_ONE, incident_id, sorted(within))
    if row is None:
        return None
    acts = [
        DoneAct(
            act=IncidentAct(done["act"]),
            by=done["acted_by"],
            said=done["said"],
            bulk_id=done["bulk_id"],
            at=done["acted_at"],
        )
        for done in await connection.fetch(_ACTS, incident_id)
    ]
    return _read(row), acts


def _is_so_already(incident: Incident, act: IncidentAct, by: str) -> bool:
    match act:
        case IncidentAct.ACKNOWLEDGE:
            return incident.acknowledged_at is not None
        case IncidentAct.TAKE:
            return incident.owned_by == by
        case IncidentAct.RELEASE:
            return incident.owned_by is None
        case _:
            return False


def _read(row: Any) -> Incident:  # noqa: ANN401 - asyncpg's record
    return Incident(**{name: row[name] for name in Incident.__slots__})
