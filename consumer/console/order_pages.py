"""Pages of orders: another input for a failed step, and all failures of one cause healed at once, with its progress."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias
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
from consumer.console.schema_form import fields_of, written_into
from consumer.console.views import digest_of, payload_of
from schemas.bulk import BulkStart, BulkStop
from schemas.errors import EnvelopeError
from schemas.json_text import parse_json
from schemas.names import BulkAction, BulkState

BULKS: Final = "/bulks"
_TURNS: Final[Mapping[str, type[BulkStart | BulkStop]]] = {"start": BulkStart, "stop": BulkStop}


@dataclass(frozen=True, slots=True, kw_only=True)
class EditFault:
    """What is wrong with an input that somebody wrote, and what they wrote; no message: nothing is."""

    message: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    """By the JSON Pointer of a field."""
    form: Mapping[str, str] = field(default_factory=dict)
    """What was written into the fields; empty where it was written as JSON."""
    text: str = ""
    """What was written as JSON."""
    reason: str = ""


StoryWithFault: TypeAlias = Callable[[Request, User, EditFault], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPages:
    """The pages of edits and bulks."""

    frame: PageFrame
    story: StoryWithFault
    """The page of a failure, with what is wrong with an input that was written there."""

    async def edit(self, request: Request, user: User) -> Response:
        """Give a failed step another input; what does not fit is told beside what was written, and changes nothing."""
        failure_id, form = failure_id_of(request), await read_form(request)
        orders = self.frame.parts.orders
        told_whole: Any = await self.frame.parts.stories.story(user, failure_id)
        failure = told_whole["failure"]
        schema = orders.schema_of(failure)
        given, fault = _given(form, failure["context"], schema)
        if not fault.message and form.get("input") == "payload":
            fault = _misfit(fault, await orders.misfit(schema, given, failure["orgId"]))
        if fault.message:
            return await self.story(request, user, fault)
        fields = {form.get("input", ""): given, "reason": fault.reason, "didNotHappen": "didNotHappen" in form}
        try:
            body = EditBody.model_validate(fields)
        except ValidationError as error:
            raise told(error) from None
        await orders.edit(user, failure_id, body)
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


def order_routes(frame: PageFrame, story: StoryWithFault) -> list[Route]:
    """Return where the pages of edits and bulks are."""
    pages = OrderPages(frame=frame, story=story)
    return [
        Route("/failures/{failure_id}/edit", frame.signed(pages.edit, writes=True), methods=["POST"]),
        Route(BULKS, frame.signed(pages.preview, writes=True), methods=["POST"]),
        Route(f"{BULKS}/{{bulk_id}}", frame.signed(pages.show)),
        Route(f"{BULKS}/{{bulk_id}}/{{turn}}", frame.signed(pages.turn, writes=True), methods=["POST"]),
    ]


def _given(form: Mapping[str, str], context: object, schema: object) -> tuple[object, EditFault]:
    """Return the input that a form gives, and what is wrong with it."""
    reason = form.get("reason", "").strip()
    if form.get("how") == "fields":
        before = payload_of(context)
        if form.get("base") != digest_of(before):
            message = "The input has changed since this page was loaded: look at it, and write yours again."
            return None, EditFault(message=message, reason=reason)
        made, errors = written_into(fields_of(schema, before), before, form)
        many = "Some fields cannot be read" if len(errors) > 1 else "A field cannot be read"
        message = f"{many}: see what is said there. Nothing was changed." if errors else ""
        return made, EditFault(message=message, errors=errors, form=form, reason=reason)
    text = form.get("value", "")
    try:
        return parse_json(text.encode()), EditFault(text=text, reason=reason)
    except EnvelopeError as error:
        return None, EditFault(message=f"The input {error}. Nothing was changed.", text=text, reason=reason)


def _misfit(fault: EditFault, detail: str | None) -> EditFault:
    """Add where an input does not fit its schema, if it does not."""
    if detail is None:
        return fault
    place = detail.partition(":")[0].removeprefix("at ")
    message = f"The input does not fit the schema of its workflow: {detail}. Nothing was changed."
    return replace(fault, message=message, errors={place: f"It does not fit: {detail.partition(': ')[2]}."})


def _bulk_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["bulk_id"])
    except ValueError:
        raise _no_such_bulk() from None


def _no_such_bulk() -> ApiError:
    message = "No such bulk in the organisations that you administer."
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", message)
