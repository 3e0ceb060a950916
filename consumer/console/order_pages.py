"""Pages of orders: another input for a failed step, and all failures of one cause healed at once, with its progress."""

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
from consumer.api.orders import BulkBody, EditBody
from consumer.api.tokens import User
from consumer.console.frame import PageFrame, failure_id_of, read_form
from consumer.console.pause_pages import told
from schemas.bulk import BulkStart, BulkStop
from schemas.errors import EnvelopeError
from schemas.json_text import parse_json
from schemas.names import BulkAction, BulkState

BULKS: Final = "/bulks"
_TURNS: Final[Mapping[str, type[BulkStart | BulkStop]]] = {"start": BulkStart, "stop": BulkStop}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPages:
    """The pages of edits and bulks."""

    frame: PageFrame

    async def edit(self, request: Request, user: User) -> Response:
        """Give a failed step another input."""
        failure_id, form = failure_id_of(request), await read_form(request)
        name = form.get("input", "")
        try:
            given = parse_json(form.get("value", "").encode())
        except EnvelopeError as error:
            message = f"The input {error}. Nothing was changed; go back, and your text is still there."
            raise ApiError(HTTPStatus.BAD_REQUEST, "no_json", message) from None
        fields = {name: given, "reason": form.get("reason", "").strip(), "didNotHappen": "didNotHappen" in form}
        try:
            body = EditBody.model_validate(fields)
        except ValidationError as error:
            raise told(error) from None
        await self.frame.parts.orders.edit(user, failure_id, body)
        return self.frame.see(f"/failures/{failure_id}?said=edited#now")

    async def preview(self, request: Request, user: User) -> Response:
        """Freeze what is to be healed, and lead to it."""
        form = await read_form(request)
        wanted = {name: form[name] for name in ("fingerprint", "workflowName", "failureType") if form.get(name)}
        statuses = {"statuses": [form["status"]]} if form.get("status") else {}
        try:
            body = BulkBody.model_validate(
                {
                    "orgId": form.get("orgId"),
                    "action": BulkAction.HEAL,
                    "filter": wanted | statuses,
                    "reason": form.get("reason", "").strip(),
                }
            )
        except ValidationError as error:
            raise told(error) from None
        made: Any = (await self.frame.parts.orders.preview(user, body)).details
        return self.frame.see(f"{BULKS}/{made['bulk']['bulk_id']}")

    async def show(self, request: Request, user: User) -> Response:
        """Show a bulk, and how far it is."""
        bulk: Any = await self.frame.parts.orders.bulk(user, _bulk_id(request))
        done = bulk["failures"] - bulk["waiting"] - bulk["underWay"]
        return self.frame.page(
            request, "bulk.html", bulk=bulk, done=done, is_moving=bulk["state"] == BulkState.RUNNING, states=BulkState
        )

    async def turn(self, request: Request, user: User) -> Response:
        """Start a bulk, or stop it."""
        bulk_id, kind = _bulk_id(request), _TURNS.get(request.path_params["turn"])
        if kind is None:
            raise _no_such_bulk()
        await self.frame.parts.orders.turn(user, bulk_id, kind)
        return self.frame.see(f"{BULKS}/{bulk_id}")


def order_routes(frame: PageFrame) -> list[Route]:
    """Return where the pages of edits and bulks are."""
    pages = OrderPages(frame=frame)
    return [
        Route("/failures/{failure_id}/edit", frame.signed(pages.edit, writes=True), methods=["POST"]),
        Route(BULKS, frame.signed(pages.preview, writes=True), methods=["POST"]),
        Route(f"{BULKS}/{{bulk_id}}", frame.signed(pages.show)),
        Route(f"{BULKS}/{{bulk_id}}/{{turn}}", frame.signed(pages.turn, writes=True), methods=["POST"]),
    ]


def _bulk_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["bulk_id"])
    except ValueError:
        raise _no_such_bulk() from None


def _no_such_bulk() -> ApiError:
    message = "No such bulk in the organisations that you administer."
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", message)
