"""Incidents over HTTP: owners and admins make one case of a cause, acknowledge and own it, note, heal all, close."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from consumer.api.causes import HEALED_AT_ONCE, FoundCauses, causes_of, shown_cause
from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints, no_such_failure, signed_in
from consumer.api.orders import BulkBody, UserOrders
from consumer.api.shown import ApiReply
from consumer.api.tokens import User
from consumer.diagnose.fingerprint import cause, masked
from consumer.model import FailureId, OrgId
from consumer.model.incident import DoneAct, Incident, IncidentResult
from consumer.store import reports
from consumer.store.incidents import (
    MOST_ACTS,
    MOST_OPEN,
    IncidentChange,
    NewIncident,
    act_on_incident,
    list_incidents,
    one_incident,
    open_incident,
    reasons_of,
)
from schemas.names import BulkAction, IncidentAct
from schemas.reason import Reason, checked_words

log = structlog.get_logger(__name__)

LISTED: Final = 100


class _IncidentBase(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class IncidentBody(_IncidentBase):
    """The failure of whose cause one case is made."""

    failure_id: UUID


class ActBody(_IncidentBase):
    """What is done about an incident; a note and a close say something."""

    act: Literal[IncidentAct.ACKNOWLEDGE, IncidentAct.TAKE, IncidentAct.RELEASE, IncidentAct.NOTE, IncidentAct.CLOSE]
    said: Annotated[str, Field(max_length=4096)] = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.act in (IncidentAct.NOTE, IncidentAct.CLOSE):
            checked_words(self.said)
        return self


class HealAllBody(_IncidentBase):
    """Why all of an incident are healed."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEndpoints:
    """Incidents as a user, for the API and for pages."""

    healing: HealingEndpoints

    async def causes(self, user: User, org_id: OrgId | None) -> dict[str, object]:
        """Return what is not healed, by cause, each with its open incident."""
        found = await causes_of(self.healing, user, org_id)
        cases = [shown_cause(case, found.incidents.get((case.org_id, case.fingerprint))) for case in found.cases]
        return {"causes": cases, "lookedAt": found.looked_at, "isPart": found.is_part}

    async def listed(self, user: User, *, is_whole: bool) -> list[dict[str, object]]:
        """Return the open incidents of the user's organisations, or the newest of all."""
        async with self.healing.as_user(user) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            found = await list_incidents(connection, within=own, is_whole=is_whole, limit=LISTED) if own else []
        return [shown_incident(one) for one in found]

    async def open(self, user: User, failure_id: FailureId) -> tuple[bool, dict[str, object]]:
        """Make one case of the cause of a failure; returns whether it is new, and the case."""
        async with self.healing.as_user(user) as connection:
            org_id = await reports.visible_organisation(connection, failure_id)
            if org_id is None or org_id not in await reports.own_organisations(connection, org_id):
                raise no_such_failure()
        found = await causes_of(self.healing, user, org_id)
        async with self.healing.as_user(user, readonly=False) as connection:
            if await reports.visible_organisation(connection, failure_id) is None:
                raise no_such_failure()
            await reports.become_service(connection)
            reason = (await reasons_of(connection, [failure_id]))[failure_id]
            state = await reports.failure_state(connection, failure_id)
            wanted = NewIncident(
                org_id=org_id,
                fingerprint=(fingerprint := cause(masked(reason))),
                reason=reason,
                failure_type=state.failure_type if state is not None else None,
                failures=(failure_id, *_ids_of(found, org_id, fingerprint)),
                by=str(user.id),
            )
            opened = await open_incident(connection, wanted)
        log.info("incident_acted_on", act=IncidentAct.OPEN, result=opened.result, user=str(user.id))
        return opened.result is IncidentResult.DONE, shown_incident(_stands(opened))

    async def one(self, user: User, incident_id: UUID) -> dict[str, object]:
        """Return an incident, with every act on it; ApiError (404) where the user leads none such."""
        async with self.healing.as_user(user) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            found = await one_incident(connection, incident_id, within=own)
        if found is None:
            raise _no_such_incident()
        incident, acts = found
        return shown_incident(incident) | {"acts": [shown_act(act) for act in acts]}

    async def act(
        self, user: User, incident_id: UUID, act: IncidentAct, said: str = "", bulk_id: UUID | None = None
    ) -> dict[str, object]:
        """Do something about an incident; ApiError (404, 409) where that cannot be."""
        async with self.healing.as_user(user, readonly=False) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            changed = await act_on_incident(
                connection, incident_id, act, by=str(user.id), said=said, within=own, bulk_id=bulk_id
            )
        log.info("incident_acted_on", act=act, result=changed.result, user=str(user.id))
        return shown_incident(_stands(changed))

    async def heal(self, user: User, orders: UserOrders, incident_id: UUID, reason: str) -> Mapping[str, Any]:
        """Freeze all failures of an incident that can be healed at once, as a bulk that a person then starts."""
        incident = await self.one(user, incident_id)
        if incident["closedAt"] is not None:
            raise _closed()
        body = BulkBody.model_validate(
            {
                "orgId": incident["orgId"],
                "action": BulkAction.HEAL,
                "filter": {"fingerprint": incident["fingerprint"], "statuses": HEALED_AT_ONCE},
                "reason": reason,
            }
        )
        frozen: Any = ((await orders.preview(user, body)).details or {})["bulk"]
        await self.act(user, incident_id, IncidentAct.HEAL, reason, UUID(str(frozen["bulk_id"])))
        return {"bulkId": str(frozen["bulk_id"]), "failures": frozen["failures"], "atMostAud": frozen["at_most_aud"]}


def add_incidents(router: APIRouter, healing: HealingEndpoints) -> IncidentEndpoints:
    """Add the endpoints of causes and incidents; returns their access to the database."""
    incidents = IncidentEndpoints(healing=healing)

    @router.get("/causes")
    async def causes(
        user: Annotated[User, Depends(signed_in)], org_id: Annotated[UUID | None, Query(alias="orgId")] = None
    ) -> ApiReply:
        """List what is not healed as one case for each cause, the most frequent first."""
        return ApiReply(await incidents.causes(user, OrgId(org_id) if org_id else None))

    @router.get("/incidents")
    async def listed(
        user: Annotated[User, Depends(signed_in)], show: Annotated[Literal["open", "all"], Query()] = "open"
    ) -> ApiReply:
        """List the open incidents of the user's organisations, the newest first; with `show=all` closed ones too."""
        return ApiReply({"incidents": await incidents.listed(user, is_whole=show == "all")})

    @router.post("/incidents")
    async def open_one(body: IncidentBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Make one case of the cause of a failure; the case that stands already is given as it is."""
        is_new, incident = await incidents.open(user, FailureId(body.failure_id))
        return ApiReply(incident, status_code=HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @router.get("/incidents/{incident_id}")
    async def one(incident_id: UUID, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Give an incident with its clock, and every act of a person on it."""
        return ApiReply(await incidents.one(user, incident_id))

    @router.post("/incidents/{incident_id}/acts")
    async def act(incident_id: UUID, body: ActBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Acknowledge an incident, take or release it, note something, or close it; under the name of the user."""
        return ApiReply(await incidents.act(user, incident_id, body.act, body.said))

    return incidents


def add_heal_of_incident(router: APIRouter, incidents: IncidentEndpoints, orders: UserOrders) -> None:
    """Add the endpoint that freezes all of an incident, which needs orders."""

    @router.post("/incidents/{incident_id}/heal")
    async def heal(incident_id: UUID, body: HealAllBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Freeze all of an incident that can be healed at once: a bulk, which `/bulks/{id}/start` begins."""
        return ApiReply(await incidents.heal(user, orders, incident_id, body.reason))


def shown_incident(incident: Incident) -> dict[str, object]:
    """Render an incident."""
    return {
        "id": str(incident.id),
        "orgId": str(incident.org_id),
        "fingerprint": incident.fingerprint,
        "failureReason": incident.reason,
        "failureType": incident.failure_type,
        "since": incident.since.isoformat(),
        "openedAt": incident.opened_at.isoformat(),
        "openedBy": incident.opened_by,
        "ownedBy": incident.owned_by,
        "acknowledgedAt": _time(incident.acknowledged_at),
        "acknowledgedBy": incident.acknowledged_by,
        "secondsToAcknowledge": _seconds(incident.to_acknowledge),
        "closedAt": _time(incident.closed_at),
        "closedBy": incident.closed_by,
        "secondsToClose": _seconds(incident.to_close),
    }


def shown_act(done: DoneAct) -> dict[str, object]:
    """Render an act on an incident."""
    return {
        "act": done.act,
        "by": done.by,
        "said": done.said,
        "bulkId": str(done.bulk_id) if done.bulk_id is not None else None,
        "at": done.at.isoformat(),
    }


def _ids_of(found: FoundCauses, org_id: OrgId, fingerprint: str) -> list[FailureId]:
    return [
        line.id
        for case in found.cases
        if (case.org_id, case.fingerprint) == (org_id, fingerprint)
        for line in case.lines
    ]


def _stands(change: IncidentChange) -> Incident:
    match change.result:
        case IncidentResult.CLOSED:
            raise _closed()
        case IncidentResult.TOO_MANY:
            message = f"{MOST_OPEN} incidents of the organisation are open, or it has {MOST_ACTS} notes: close some."
            raise ApiError(HTTPStatus.CONFLICT, "too_many_incidents", message)
        case _ if change.incident is None:
            raise _no_such_incident()
        case _:
            return change.incident


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _seconds(span: timedelta | None) -> float | None:
    return round(span.total_seconds(), 3) if span is not None else None


def _closed() -> ApiError:
    message = "It is closed: open the cause anew where it came again. A note may still be written."
    return ApiError(HTTPStatus.CONFLICT, "incident_closed", message)


def _no_such_incident() -> ApiError:
    # The same whether it does not exist or is another organisation's: a response must not tell which.
    message = "No such incident in the organisations that you administer."
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", message)
