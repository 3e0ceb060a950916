"""Pages of causes and incidents: what is not healed, one case for each cause, and what people do about one."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumer.api.errors import ApiError
from consumer.api.healing import no_such_failure
from consumer.api.incidents import ActBody, HealAllBody
from consumer.api.tokens import User
from consumer.console.frame import PageFrame, read_form
from consumer.console.order_pages import BULKS
from consumer.console.pause_pages import told
from consumer.console.views import digest_of
from consumer.model import FailureId, OrgId

CAUSES: Final = "/causes"
INCIDENTS: Final = "/incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPages:
    """The pages of causes and incidents."""

    frame: PageFrame

    async def causes(self, request: Request, user: User) -> Response:
        """Show what is not healed, by cause."""
        found = await self.frame.parts.incidents.causes(user, None)
        return self.frame.page(request, "causes.html", found=found, digest=digest_of(found))

    async def listing(self, request: Request, user: User) -> Response:
        """Show the incidents, the open ones first."""
        found = await self.frame.parts.incidents.listed(user, is_whole=True)
        standing = [one for one in found if one["closedAt"] is None]
        over = [one for one in found if one["closedAt"] is not None]
        return self.frame.page(request, "incidents.html", standing=standing, over=over)

    async def open(self, request: Request, user: User) -> Response:
        """Make one case of the cause of a failure, and lead to it."""
        form = await read_form(request)
        try:
            failure_id = FailureId(UUID(form.get("failureId", "")))
        except ValueError:
            raise no_such_failure() from None
        _, incident = await self.frame.parts.incidents.open(user, failure_id)
        return self.frame.see(f"{INCIDENTS}/{incident['id']}")

    async def show(self, request: Request, user: User) -> Response:
        """Show an incident: what stands of its cause, its clock, and what people did."""
        incident: Any = await self.frame.parts.incidents.one(user, _incident_id(request))
        found: Any = await self.frame.parts.incidents.causes(user, OrgId(UUID(incident["orgId"])))
        case: Mapping[str, Any] | None = next(
            (one for one in found["causes"] if one["fingerprint"] == incident["fingerprint"]), None
        )
        return self.frame.page(
            request,
            "incident.html",
            incident=incident,
            case=case,
            digest=digest_of(incident, case),
            me=str(user.id),
        )

    async def act(self, request: Request, user: User) -> Response:
        """Do something about an incident."""
        incident_id, form = _incident_id(request), await read_form(request)
        try:
            body = ActBody.model_validate({"act": form.get("act", ""), "said": form.get("said", "").strip()})
        except ValidationError as error:
            if form.get("act") in {"note", "close"}:
                message = "Write something, in a few words: whoever looks later has to understand it."
                raise ApiError(HTTPStatus.BAD_REQUEST, "no_words", f"{message} Nothing was changed.") from None
            raise told(error) from None
        await self.frame.parts.incidents.act(user, incident_id, body.act, body.said)
        return self.frame.see(f"{INCIDENTS}/{incident_id}?said=noted")

    async def heal(self, request: Request, user: User) -> Response:
        """Freeze all of an incident, and lead to the bulk, which is started there."""
        incident_id, form = _incident_id(request), await read_form(request)
        try:
            body = HealAllBody(reason=form.get("reason", "").strip())
        except ValidationError as error:
            raise told(error) from None
        parts = self.frame.parts
        frozen = await parts.incidents.heal(user, parts.orders, incident_id, body.reason)
        return self.frame.see(f"{BULKS}/{frozen['bulkId']}")


def cause_routes(frame: PageFrame) -> list[Route]:
    """Return the pages of causes and incidents."""
    pages = IncidentPages(frame=frame)
    return [
        Route(CAUSES, frame.signed(pages.causes)),
        Route(INCIDENTS, frame.signed(pages.listing)),
        Route(INCIDENTS, frame.signed(pages.open, writes=True), methods=["POST"]),
        Route(f"{INCIDENTS}/{{incident_id}}", frame.signed(pages.show)),
        Route(f"{INCIDENTS}/{{incident_id}}/acts", frame.signed(pages.act, writes=True), methods=["POST"]),
        Route(f"{INCIDENTS}/{{incident_id}}/heal", frame.signed(pages.heal, writes=True), methods=["POST"]),
    ]


def _incident_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["incident_id"])
    except ValueError:
        message = "No such incident in the organisations that you administer."
        raise ApiError(HTTPStatus.NOT_FOUND, "not_found", message) from None
