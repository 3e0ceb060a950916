"""Idempotency keys: a request that is sent again acts once, and is answered as the first time.

The key belongs to a member, a route and an organisation that the member leads now: whoever leads it no more is answered
as anybody else. What was refused changed nothing, so its key is free again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from consumer.api.errors import SERVER_ERRORS, ApiError
from consumer.api.tokens import User
from consumer.errors import TransientError
from consumer.model import OrgId
from consumer.store import reports
from consumer.store.idempotency_keys import (
    KEPT,
    KeptAnswer,
    KeyState,
    TakenKey,
    free_key,
    keep_answer,
    mark_acted,
    organisation_of,
    take_key,
)
from consumer.store.pool import Connection
from schemas.errors import EnvelopeError
from schemas.idempotency import KEY_CHARACTERS, is_key
from schemas.json_text import parse_json

log = structlog.get_logger(__name__)

HEADER: Final = "Idempotency-Key"
MOST_BODY: Final = 256 * 1024
"""Bytes of an answer that are kept: a larger one was carried out, and is read anew."""
_LONGEST_ROUTE: Final = 300
_LOOK_AGAIN: Final = 0.1
_AGAIN: Final = {"Retry-After": "1"}
_key_in_hand: ContextVar[TakenKey | None] = ContextVar("key_in_hand", default=None)


class OpenAsUser(Protocol):
    """Opens a transaction as a user."""

    def __call__(self, user: User, *, readonly: bool = True) -> AbstractAsyncContextManager[Connection]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request that carries a key: what its key is looked up by, and what it asks for."""

    user: User
    route: str
    key: str
    asked: bytes
    """Query and body: what has to be the same where it is sent again."""
    subject: UUID | None
    """The organisation that it names, or what belongs to one."""


def has_key_in_hand() -> bool:
    """Return whether the request that runs here carries a key."""
    return _key_in_hand.get() is not None


async def mark_key_in_hand(connection: Connection) -> None:
    """Have a transaction commit together with the mark that the key of its request acted.

    Raises
    ------
    ApiError
        Another request has taken the key over: this one stood still for too long, and must change nothing.

    """
    key = _key_in_hand.get()
    if key is None:
        return
    await reports.become_service(connection)
    if not await mark_acted(connection, key):
        raise _refused(KeyState.RUNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotentRequests:
    """Carries out each request that has a key once."""

    as_user: OpenAsUser
    runs: timedelta
    """The longest that a request can run."""

    async def answer(
        self,
        request: KeyedRequest,
        act: Callable[[], Awaitable[Response]],
        *,
        kept: timedelta = KEPT,
        patience: timedelta = timedelta(0),
    ) -> Response:
        """Carry out a request, or give the answer that it had; `patience`: wait so long for one that runs.

        Raises
        ------
        ApiError
            Its key is another request's (422), is carried out right now, or its answer was lost (409).

        """
        taken = await self._take(request, kept, patience)
        if taken is None:
            return await act()
        if isinstance(taken, KeptAnswer):
            return _again(taken)
        try:
            response = await _under(taken, act)
        except Exception as error:
            await self._settle(request.user, taken, refused=_is_refusal(error))
            raise
        await self._settle(request.user, taken, response)
        return response

    async def _take(self, request: KeyedRequest, kept: timedelta, patience: timedelta) -> TakenKey | KeptAnswer | None:
        for left in range(int(patience.total_seconds() / _LOOK_AGAIN), -1, -1):
            async with self.as_user(request.user, readonly=False) as connection:
                org_id = await _own_organisation(connection, request.subject)
                if org_id is None:
                    return None  # what acts refuses it, as it would without a key
                key = TakenKey(
                    org_id=org_id, member=request.user.id, route=request.route, key=request.key, holder=uuid4()
                )
                state = await take_key(connection, key, sha256(request.asked).digest(), runs=self.runs, kept=kept)
            match state:
                case KeyState.TAKEN:
                    return key
                case KeyState.RUNS if left:
                    await asyncio.sleep(_LOOK_AGAIN)
                case KeyState():
                    raise _refused(state)
                case KeptAnswer():
                    return state
        raise _refused(KeyState.RUNS)

    async def _settle(
        self, user: User, key: TakenKey, response: Response | None = None, *, refused: bool = False
    ) -> None:
        """Keep the answer of a request, or free its key; where the database is away, its time does."""
        try:
            async with self.as_user(user, readonly=False) as connection:
                await reports.become_service(connection)
                if response is None or response.status_code >= HTTPStatus.BAD_REQUEST:
                    is_refused = refused or (response is not None and response.status_code < SERVER_ERRORS)
                    await free_key(connection, key, is_refused=is_refused)
                elif len(response.body) <= MOST_BODY:
                    await keep_answer(connection, key, _kept_of(response))
        except TransientError as error:
            log.warning("idempotency_key_not_settled", route=key.route, error=str(error))


def idempotent_route(requests: IdempotentRequests) -> type[APIRoute]:
    """Return the kind of routes whose POST requests may carry a key."""

    class IdempotentRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            plain = super().get_route_handler()

            async def handle(request: Request) -> Response:
                key = _key_of(request) if request.method == "POST" else None
                if key is None:
                    return await plain(request)
                body = await request.body()
                keyed = KeyedRequest(
                    user=request.state.user,
                    route=request.url.path[:_LONGEST_ROUTE],
                    key=key,
                    asked=request.url.query.encode() + b"\n" + body,
                    subject=subject_of(request.path_params, request.query_params) or subject_of(_members_of(body)),
                )
                return await requests.answer(keyed, lambda: plain(request))

            return handle

    return IdempotentRoute


def subject_of(*given: Mapping[str, Any]) -> UUID | None:
    """Return the id that tells of whose organisation a request is, of what its path, query and body give."""
    for members in given:
        for name in ("failure_id", "bulk_id", "pause_id", "incident_id", "orgId", "failureId"):
            try:
                return UUID(members[name])
            except (KeyError, ValueError, TypeError, AttributeError):
                continue
    return None


def _key_of(request: Request) -> str | None:
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1 or not is_key(given[0]):
        message = f"{HEADER} is one value of 1 to {KEY_CHARACTERS} visible ASCII characters."
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message)
    return given[0]


def _members_of(body: bytes) -> Mapping[str, Any]:
    try:
        document = parse_json(body)
    except EnvelopeError:
        return {}
    return document if isinstance(document, dict) else {}


async def _under(key: TakenKey, act: Callable[[], Awaitable[Response]]) -> Response:
    token = _key_in_hand.set(key)
    try:
        return await act()
    finally:
        _key_in_hand.reset(token)


async def _own_organisation(connection: Connection, subject: UUID | None) -> OrgId | None:
    """Return the organisation that a request is about, where its user leads it; the transaction goes on as service."""
    own = await reports.own_organisations(connection, None) if subject is not None else []
    await reports.become_service(connection)
    if subject is None or not own:
        return None
    if subject in own:
        return OrgId(subject)
    org_id = await organisation_of(connection, subject)
    return org_id if org_id in own else None


def _kept_of(response: Response) -> KeptAnswer:
    return KeptAnswer(
        status=response.status_code,
        media_type=response.headers.get("content-type"),
        location=response.headers.get("location"),
        body=bytes(response.body),
    )


def _again(kept: KeptAnswer) -> Response:
    headers = {"Idempotent-Replayed": "true"} | ({"Location": kept.location} if kept.location is not None else {})
    response = Response(kept.body, kept.status, headers=headers)
    if kept.media_type is not None:
        response.headers["Content-Type"] = kept.media_type
    return response


def _is_refusal(error: Exception) -> bool:
    """Return whether an error says that nothing was done: an answer below 500."""
    match error:
        case ApiError():
            return error.status < SERVER_ERRORS
        case HTTPException():
            return error.status_code < SERVER_ERRORS
        case _:
            return isinstance(error, RequestValidationError)


def _refused(state: KeyState) -> ApiError:
    match state:
        case KeyState.OTHER_BODY:
            message = f"This {HEADER} came with another request before: a new request needs a key of its own."
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "key_of_another_request", message)
        case KeyState.ANSWER_LOST:
            message = (
                "This was carried out under its key, and its answer is lost: read how it stands. It is not done again."
            )
            return ApiError(HTTPStatus.CONFLICT, "answer_lost", message)
        case _:
            message = "The first request of this key is being carried out: ask again for its answer."
            return ApiError(HTTPStatus.CONFLICT, "key_in_use", message, dict(_AGAIN))
