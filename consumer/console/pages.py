"""The console as an application: its pages and forms, each as the signed-in user, under headers against scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from consumer.api.approvals import PlanAnswerBody, PlanApprovalBody, answer_as_user
from consumer.api.causes import HEALED_AT_ONCE
from consumer.api.errors import ApiError
from consumer.api.healing import no_such_failure, raise_unless_due
from consumer.api.pages import PageParts
from consumer.api.sign_in import MESSAGES
from consumer.api.stories import FeedQuery
from consumer.api.tokens import SignInRefused, User
from consumer.console import words
from consumer.console.asset_pages import asset_routes
from consumer.console.cause_pages import CAUSES, INCIDENTS, cause_routes
from consumer.console.frame import HEADERS, SIGN_IN, PageFrame, failure_id_of, read_form
from consumer.console.order_pages import BULKS, EditFault, order_routes
from consumer.console.pause_pages import PAUSES, pause_routes
from consumer.console.schema_form import fields_of, with_errors
from consumer.console.session import LONGEST_TOKEN, session_cookie, session_token
from consumer.console.spend_pages import SPEND, spend_routes
from consumer.console.views import (
    OF_PERSON,
    as_text,
    asset_words,
    attempt_view,
    digest_of,
    edited_input,
    payload_of,
    pieces_of,
    tiles_of,
)
from consumer.diagnose.fingerprint import cause, masked
from consumer.errors import TransientError
from consumer.model import FailureId
from schemas.names import FailureType, Status

_SIGN_OUT, _DESIGN, _STATIC, _FAILURES = "/sign-out", "/design", "/console/", "/failures/"
_LIVE: Final = "/live"
_PATHS: Final = frozenset({"/", SIGN_IN, _SIGN_OUT, _DESIGN, _LIVE, CAUSES, INCIDENTS, PAUSES, BULKS, SPEND})
_FILES: Final = {"console.css": "text/css", "console.js": "text/javascript"}
_STEP_DIGITS: Final = 10
"""Of the largest step; a longer number is none."""
_FEED_LINES: Final = 40
_OF_REASON: Final = 4096
"""Characters of a reason by which a bulk finds those of one cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePages:
    """The console's pages; what the gateway asks of them, and an ASGI application."""

    frame: PageFrame

    @property
    def parts(self) -> PageParts:
        """What the pages read and decide by."""
        return self.frame.parts

    def owns(self, path: str) -> bool:
        """Return whether a path is the console's."""
        return path in _PATHS or path.startswith((_STATIC, _FAILURES, f"{INCIDENTS}/", f"{PAUSES}/", f"{BULKS}/"))

    def token(self, scope: Scope) -> str:
        """Return the token of a request's session; empty without one."""
        return session_token(scope["headers"])

    def refuse(self, error: ApiError) -> Response:
        """Return the page of an error."""
        return self.frame.error(error)

    def application(self) -> ASGIApp:
        """Create the application."""
        return Starlette(
            routes=[
                Route("/", self.frame.signed(self._feed)),
                Route(SIGN_IN, self._sign_in, methods=["GET", "POST"]),
                Route(_SIGN_OUT, self.frame.signed(self._sign_out, writes=True), methods=["POST"]),
                Route(_DESIGN, self._design),
                Route(f"{_STATIC}{{name}}", self._file),
                Route(f"{_FAILURES}{{failure_id}}", self.frame.signed(self._story)),
                Route(f"{_FAILURES}{{failure_id}}/heal", self.frame.signed(self._heal, writes=True), methods=["POST"]),
                Route(
                    f"{_FAILURES}{{failure_id}}/answer", self.frame.signed(self._answer, writes=True), methods=["POST"]
                ),
                Route(_LIVE, self.frame.signed(self._live)),
                *asset_routes(self.frame),
                *cause_routes(self.frame),
                *spend_routes(self.frame),
                *pause_routes(self.frame),
                *order_routes(self.frame, self._story),
            ],
            exception_handlers={
                ApiError: self._told,
                TransientError: self._busy,
                HTTPStatus.NOT_FOUND: self._nothing,
                HTTPStatus.METHOD_NOT_ALLOWED: self._nothing,
                Exception: self._broken,
            },
        )

    # --- pages

    async def _feed(self, request: Request, user: User) -> Response:
        asked = request.query_params
        try:
            wanted = FeedQuery.model_validate(
                {"status": asked.getlist("status"), "limit": _FEED_LINES}
                | {name: asked[name] for name in ("failureType", "workflowName", "cursor") if asked.get(name)}
            )
        except ValidationError:
            message = "This address has a filter that means nothing. Begin anew with all failures."
            raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_filter", message) from None
        page: Any = await self.parts.stories.feed(user, wanted)
        counts: Any = await self.parts.stories.counts(user, None)
        chosen = [status.value for status in wanted.status]
        kept = [("status", one) for one in chosen]
        kept += [("failureType", wanted.failure_type.value)] if wanted.failure_type else []
        kept += [("workflowName", wanted.workflow_name)] if wanted.workflow_name else []
        return self.frame.page(
            request,
            "feed.html",
            lines=page["failures"],
            digest=digest_of(page["failures"], counts),
            next_page=f"/?{urlencode([*kept, ('cursor', page['next'])])}" if page["next"] else None,
            is_later=wanted.cursor is not None,
            tiles=tiles_of(counts, chosen),
            healing=counts["healing"],
            has_any=any(counts["byStatus"].values()),
            types=[(one.value, words.TYPE[one], _with(kept, "failureType", one.value)) for one in FailureType],
            statuses=[(one.value, words.STATUS[one], _with(kept, "status", one.value)) for one in Status],
            chosen_status=chosen[0] if len(chosen) == 1 else None,
            chosen_type=wanted.failure_type.value if wanted.failure_type else None,
            chosen_workflow=wanted.workflow_name,
            without_status=_with(kept, "status", None),
            without_type=_with(kept, "failureType", None),
            without_workflow=_with(kept, "workflowName", None),
        )

    async def _story(self, request: Request, user: User, fault: EditFault = EditFault()) -> Response:  # noqa: B008 - frozen
        failure_id = failure_id_of(request)
        story: Any = await self.parts.stories.story(user, failure_id)
        failure, payload = story["failure"], payload_of(story["failure"]["context"])
        asked = story["plan"]["asked"]
        waits = story["waits"]
        fields = fields_of(self.parts.orders.schema_of(failure), payload)
        return self.frame.page(
            request,
            "story.html",
            status=HTTPStatus.BAD_REQUEST if fault.message else HTTPStatus.OK,
            fields=with_errors(fields, fault.form, fault.errors) if fault.form else fields,
            fault=fault,
            base=digest_of(payload),
            failure=failure,
            diagnosis=story["diagnosis"],
            pieces=pieces_of(failure["failureReason"], story["diagnosis"]["spans"]),
            against={one["rule"] for one in story["diagnosis"]["evidence"] if not one["decided"]},
            plan=story["plan"],
            asked=asked if asked and waits["on"] == "approval" else None,
            plan_text=as_text(asked["plan"]) if asked else "",
            cost=asked["plan"].get("price_ceiling_aud") if asked and isinstance(asked["plan"], Mapping) else None,
            attempts=[attempt_view(one, payload) for one in story["attempts"]],
            asked_for=asset_words(failure["context"]),
            story=story,
            digest=digest_of(failure["status"], waits, story["attempts"], story["plan"], story["decisions"]),
            waits=waits,
            is_of_person=waits["on"] in OF_PERSON,
            may_heal=waits["on"] in {"slot", "time", "credits", "dependency", "other_system"}
            or (failure["status"] == Status.GIVEN_UP and waits["on"] == "nothing"),
            context=as_text(failure["context"]),
            edited=None if failure["status"] == Status.RESOLVED else edited_input(failure["context"]),
            healed_at_once=HEALED_AT_ONCE,
            like=cause(masked(failure["failureReason"][:_OF_REASON])),
        )

    async def _live(self, request: Request, user: User) -> Response:
        given = request.query_params.get("failureId")
        try:
            failure_id = FailureId(UUID(given)) if given else None
        except ValueError:
            raise no_such_failure() from None
        return await self.parts.streams.stream(user, request, failure_id=failure_id, headers=HEADERS)

    async def _design(self, request: Request) -> Response:
        return self.frame.page(request, "design.html")

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            return await self._nothing(request, None)
        content = files("consumer.console").joinpath("static", name).read_bytes()
        return Response(content, media_type=_FILES[name], headers=HEADERS)

    # --- forms

    async def _sign_in(self, request: Request) -> Response:
        if request.method != "POST":
            refused = request.scope.get("state", {}).get("session_refused")
            return self.frame.page(request, "sign_in.html", refused=MESSAGES.get(refused) if refused else None)
        form = await read_form(request)
        token = form.get("token", "").strip().removeprefix("Bearer ").strip()
        try:
            if len(token) > LONGEST_TOKEN:
                message = (
                    f"The token is longer than the {LONGEST_TOKEN:,} characters that a browser keeps: use the API."
                )
                return self.frame.page(request, "sign_in.html", status=HTTPStatus.BAD_REQUEST, refused=message)
            user = await self.parts.sign_in.user(f"Bearer {token}")
        except SignInRefused as refused:
            refusal = MESSAGES[refused.reason]
            return self.frame.page(request, "sign_in.html", status=HTTPStatus.UNAUTHORIZED, refused=refusal)
        return self.frame.see("/", session_cookie(token, user.claims, is_secure=_is_secure(request)))

    async def _sign_out(self, request: Request, _user: User) -> Response:
        return self.frame.see(SIGN_IN, session_cookie("", {}, is_secure=_is_secure(request)))

    async def _heal(self, request: Request, user: User) -> Response:
        failure_id = failure_id_of(request)
        raise_unless_due((await self.parts.healing.ask(user, failure_id)).result)
        return self.frame.see(f"{_FAILURES}{failure_id}?said=asked#now")

    async def _answer(self, request: Request, user: User) -> Response:
        failure_id, form = failure_id_of(request), await read_form(request)
        approves, step = form.get("answer") == "approve", form.get("step", "")
        numbered = int(step) if step.isascii() and step.isdigit() and len(step) <= _STEP_DIGITS else None
        try:
            body = (PlanApprovalBody if approves else PlanAnswerBody).model_validate(
                {"planHash": form.get("planHash"), "step": numbered, "reason": form.get("reason", "").strip()}
            )
        except ValidationError:
            message = "Say why, in a few words: whoever looks later has to understand your answer. Nothing was changed."
            raise ApiError(HTTPStatus.BAD_REQUEST, "no_reason", message) from None
        if form.get("answer") not in {"approve", "deny"}:
            raise ApiError(HTTPStatus.BAD_REQUEST, "no_answer", "Choose approve or deny. Nothing was changed.")
        answered = await answer_as_user(
            self.parts.healing, self.parts.approvals, failure_id, body, user, approves=approves
        )
        return self.frame.see(f"{_FAILURES}{failure_id}?said={answered.result}#now")

    # --- what all share

    async def _told(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)  # noqa: S101 - it is its handler
        return self.frame.error(error)

    async def _busy(self, _request: Request, _error: Exception) -> Response:
        message = "The database is busy or away. Nothing was changed. Load the page again in a moment."
        return self.frame.error(ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", message, {"Retry-After": "2"}))

    async def _nothing(self, _request: Request, _error: Exception | None) -> Response:
        return self.frame.error(ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is no such page."))

    async def _broken(self, _request: Request, _error: Exception) -> Response:
        message = "This is a fault of the healer; its log tells more."
        return self.frame.error(ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", message))


def console_pages(parts: PageParts) -> ConsolePages:
    """Create the console, with its templates loaded."""
    templates = Environment(
        loader=PackageLoader("consumer.console"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return ConsolePages(frame=PageFrame(parts=parts, templates=templates))


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _with(kept: list[tuple[str, str]], name: str, value: str | None) -> str:
    """Return the address of the feed under the filters that are kept, and another one of a name."""
    pairs = [pair for pair in kept if pair[0] != name] + ([(name, value)] if value is not None else [])
    return f"/?{urlencode(pairs)}" if pairs else "/"
