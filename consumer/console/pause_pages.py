"""Pages of pauses: what holds healing in one's organisations, a form that makes a pause, and one that ends it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumer.api.errors import ApiError
from consumer.api.pauses import PauseBody, ResumeBody
from consumer.api.tokens import User
from consumer.console import words
from consumer.console.frame import PageFrame, read_form
from schemas.fault_words import fault_in_words
from schemas.names import FailureType, StrategyName

PAUSES: Final = "/pauses"
LASTS: Final = {"1": "One hour", "4": "Four hours", "24": "One day", "168": "One week", "": "Until somebody resumes it"}
"""How long a pause lasts, in hours, as the form offers it."""
_LAST_YEAR: Final = 2999


def pause_routes(frame: PageFrame) -> list[Route]:
    """Return the pages of pauses."""

    async def listing(request: Request, user: User) -> Response:
        pauses = await frame.parts.pauses.listed(user, is_whole=True)
        return frame.page(
            request,
            "pauses.html",
            standing=[one for one in pauses if one["stands"]],
            over=[one for one in pauses if not one["stands"]],
            organisations=await frame.parts.pauses.organisations(user),
            strategies=list(StrategyName),
            types=[(one.value, words.TYPE[one]) for one in FailureType],
            lasts=LASTS,
        )

    async def add(request: Request, user: User) -> Response:
        form = await read_form(request)
        names = ("orgId", "workflowName", "failureType", "strategy", "dependency", "reason")
        given: dict[str, object] = {name: form[name].strip() for name in names if form.get(name, "").strip()}
        hours = form.get("hours", "")
        if hours not in LASTS:
            raise ApiError(HTTPStatus.BAD_REQUEST, "bad_form", "Choose how long it lasts. Nothing was changed.")
        begins = _begins(form)
        if begins is not None:
            given["startsAt"] = begins
        if hours:
            given["endsAt"] = (begins or datetime.now(UTC)) + timedelta(hours=int(hours))
        try:
            body = PauseBody.model_validate(given)
        except ValidationError as error:
            raise told(error) from None
        await frame.parts.pauses.add(user, body)
        return frame.see(f"{PAUSES}?said=paused")

    async def end(request: Request, user: User) -> Response:
        form = await read_form(request)
        try:
            body = ResumeBody(reason=form.get("reason", "").strip())
            pause_id = UUID(request.path_params["pause_id"])
        except ValidationError as error:
            raise told(error) from None
        except ValueError:
            raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is no such pause.") from None
        await frame.parts.pauses.end(user, pause_id, body)
        return frame.see(f"{PAUSES}?said=resumed")

    return [
        Route(PAUSES, frame.signed(listing)),
        Route(PAUSES, frame.signed(add, writes=True), methods=["POST"]),
        Route(f"{PAUSES}/{{pause_id}}/end", frame.signed(end, writes=True), methods=["POST"]),
    ]


def _begins(form: Mapping[str, str]) -> datetime | None:
    """Return when a planned pause begins: as the form has it, in the reader's zone (`offset`, minutes behind UTC)."""
    written = form.get("startsAt", "").strip()
    if not written:
        return None
    try:
        offset = timedelta(minutes=int(form.get("offset") or "0"))
        begins = datetime.fromisoformat(written).replace(tzinfo=UTC) + offset
    except (ValueError, OverflowError):
        message = "Begins: write a day and a time, or leave it empty for now. Nothing was changed."
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_form", message) from None
    if begins.year > _LAST_YEAR:
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_form", "Begins: that is too far away. Nothing was changed.")
    return begins


def told(error: ValidationError) -> ApiError:
    """Return the error of a form that was filled in wrongly: the first of what is wrong with it."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "form"
    if field == "reason":
        message = "Say why, in a few words: whoever looks later has to understand it. Nothing was changed."
        return ApiError(HTTPStatus.BAD_REQUEST, "no_reason", message)
    return ApiError(HTTPStatus.BAD_REQUEST, "bad_form", f"{field}: {fault_in_words(first)}. Nothing was changed.")
