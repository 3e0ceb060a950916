"""Gateway in front of the application: limits, then signs in, then reads the body, and only then asks the application.

What stands before the sign-in reads nothing of a body, and keeps nothing of a stranger's beyond its address.
"""

import asyncio
import math
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumer.api.connections import ConnectionTable
from consumer.api.errors import ApiError, answer
from consumer.api.live import LiveViews
from consumer.api.pages import Pages
from consumer.api.rates import LINE_EVERY, MOST_KEYS, address_key
from consumer.api.sign_in import SignIn, refusal
from consumer.api.tokens import SignInRefused, User
from consumer.metrics import ApiLimit, Metrics, SignInRefusal
from consumer.model.token_buckets import TokenBuckets
from consumer.settings import ApiSettings

log = structlog.get_logger(__name__)

HEALING: Final = "/api/healing/"
OPEN_PATHS: Final = frozenset({f"{HEALING}openapi.json"})
METRICS: Final = "/metrics"
LASTING_END: Final = 5.0
"""Seconds that an answer which lasts has to end once its time is over."""
PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths under no limit: a probe that is turned away has the process restarted."""


class RateLimitedLog:
    """Writes an event at most once in `LINE_EVERY` for each of its kinds, with how many it stands for."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def write(self, event: str, kind: str, **fields: object) -> None:
        """Write the event, or count it for the next line of its kind."""
        count, now = self._unsaid.get(kind, 0) + 1, time.monotonic()
        if now - self._last.get(kind, -math.inf) < LINE_EVERY:
            self._unsaid[kind] = count
            return
        self._last[kind], self._unsaid[kind] = now, 0
        log.warning(event, times=count, **fields)


@dataclass(slots=True)
class _Request:
    """A request on its way: what of its body and of its answer has passed."""

    scope: Scope
    receive: Receive
    send: Send
    has_body: bool
    body_read: bool = False
    answered: bool = False

    async def respond(self, message: Message) -> None:
        """Pass on a part of the answer; a connection whose request was not read to its end is closed after it."""
        if message["type"] == "http.response.start":
            self.answered = True
            if self.has_body and not self.body_read:
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
        await self.send(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The application behind its limits and its sign-in; an ASGI application itself."""

    app: ASGIApp
    settings: ApiSettings
    sign_in: SignIn
    metrics: Metrics
    addresses: TokenBuckets
    users: TokenBuckets
    live: LiveViews
    """Whose answers last, and end at a stop."""
    pages: Pages | None = None
    pages_app: ASGIApp | None = None
    """What answers the paths of the pages."""
    lines: RateLimitedLog = field(default_factory=RateLimitedLog)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""
        request = _Request(scope, receive, send, has_body)
        try:
            await self._within_time(request, headers)
        except ApiError as error:
            if request.answered:
                raise
            said: Response
            if self.pages is not None and self.pages.owns(scope["path"]):
                said = self.pages.refuse(error)
            else:
                said = answer(error.status, error.code, error.message, error.headers)
            await said(scope, receive, request.respond)

    async def _within_time(self, request: _Request, headers: Mapping[bytes, bytes]) -> None:
        """Give the whole request its time; the server cuts it where its answer has begun by then."""
        try:
            async with asyncio.timeout(self.settings.longest_request.total_seconds()) as timer:
                request.scope.setdefault("state", {})["lasts_until"] = partial(_last_until, request.scope, timer)
                await self._admit(request, headers)
        except TimeoutError:
            if not timer.expired():
                raise
            self.metrics.api_turned_away[ApiLimit.TIME].inc()
            message = "It took too long: the database or the healer is busy. Try again."
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", message, {"Retry-After": "5"}) from None

    async def _admit(self, request: _Request, headers: Mapping[bytes, bytes]) -> None:
        scope = request.scope
        path: str = scope["path"]
        if path in PROBES:
            await self.app(scope, request.receive, request.respond)
            return
        connections: ConnectionTable | None = scope.get("state", {}).get("connections")
        if connections is not None and path != METRICS and connections.has_spare_only:
            self.turned_away(ApiLimit.REQUESTS, _address(scope))
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "Too many requests at once.", {"Retry-After": "5"})
        if path.startswith(HEALING) and path not in OPEN_PATHS:
            await self._sign_in(scope)
            request.receive = await self._read_body(request, headers)
        elif self.pages is not None and self.pages_app is not None and self.pages.owns(path):
            await self._enter(scope, self.pages.token(scope))
            request.receive = await self._read_body(request, headers)
            await self.pages_app(scope, request.receive, request.respond)
            return
        else:
            self._count_stranger(scope, path)
        await self.app(scope, request.receive, request.respond)

    async def _sign_in(self, scope: Scope) -> None:
        given = (value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization")
        try:
            user = await self.sign_in.user(*given)
        except SignInRefused as refused:
            self._count_refused(scope, refused.reason)
            raise refusal(refused.reason) from None
        self._let_in(scope, user)

    async def _enter(self, scope: Scope, token: str) -> None:
        """Sign in by a session of the pages; without one they are open to a stranger, as far as they let one in."""
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        if not token:
            self._count_stranger(scope)
            return
        try:
            user = await self.sign_in.user(f"Bearer {token}")
        except SignInRefused as refused:
            self._count_refused(scope, refused.reason)
            state["session_refused"] = refused.reason
            return
        self._let_in(scope, user)

    def _let_in(self, scope: Scope, user: User) -> None:
        if not self.users.take(user.id):
            self.lines.write("api_turned_away", ApiLimit.USER_RATE, limit=ApiLimit.USER_RATE, user=str(user.id))
            raise self._too_many(ApiLimit.USER_RATE, self.users.wait_for(user.id))
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["user"] = user

    def _count_refused(self, scope: Scope, reason: SignInRefusal) -> None:
        address = _address(scope)
        self.metrics.sign_ins_refused[reason].inc()
        self.lines.write("sign_in_refused", reason, reason=reason, address=address)
        self._count_stranger(scope)

    def _count_stranger(self, scope: Scope, path: str = "") -> None:
        """Count a request of nobody known against its address; those who are signed in are not affected by it."""
        address = _address(scope)
        # What is scraped has a budget of its own: refused sign-ins of a shared address must not blind the operator.
        key = address_key(address), path if path == METRICS else ""
        if not self.addresses.take(key):
            self.lines.write("api_turned_away", ApiLimit.ADDRESS_RATE, limit=ApiLimit.ADDRESS_RATE, address=address)
            raise self._too_many(ApiLimit.ADDRESS_RATE, self.addresses.wait_for(key))

    def _too_many(self, limit: ApiLimit, wait: float) -> ApiError:
        self.metrics.api_turned_away[limit].inc()
        headers = {"Retry-After": str(math.ceil(wait))}
        return ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", "Too many requests: slow down.", headers)

    async def _read_body(self, request: _Request, headers: Mapping[bytes, bytes]) -> Receive:
        """Read the whole body, within its limits of size and time, and return what hands it to the application."""
        if not request.has_body:
            return request.receive
        most = self.settings.max_body_bytes
        if _length(headers) > most:
            raise self._too_large(most)
        body = bytearray()
        try:
            async with asyncio.timeout(self.settings.body_timeout.total_seconds()):
                while not request.body_read:
                    message = await request.receive()
                    if message["type"] != "http.request":
                        return request.receive  # its sender has gone
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise self._too_large(most)
                    request.body_read = not message.get("more_body", False)
        except TimeoutError:
            self.metrics.api_turned_away[ApiLimit.TIME].inc()
            raise ApiError(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "The body did not come in time.") from None
        return _replay(bytes(body), request.receive)

    def turned_away(self, limit: ApiLimit, address: str) -> None:
        """Count and log a connection that was not taken."""
        self.metrics.api_turned_away[limit].inc()
        self.lines.write("api_turned_away", limit, limit=limit, address=address)

    def _too_large(self, most: int) -> ApiError:
        self.metrics.api_turned_away[ApiLimit.BODY].inc()
        message = f"The body is larger than {most} bytes."
        return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message)


def gateway(
    app: ASGIApp,
    settings: ApiSettings,
    sign_in: SignIn,
    metrics: Metrics,
    *,
    live: LiveViews,
    pages: Pages | None = None,
) -> Gateway:
    """Put the limits and the sign-in before an application, and before the console's pages."""
    return Gateway(
        app=app,
        settings=settings,
        sign_in=sign_in,
        metrics=metrics,
        addresses=_rates(settings.address_rate, settings.address_burst),
        users=_rates(settings.user_rate, settings.user_burst),
        live=live,
        pages=pages,
        pages_app=pages.application() if pages is not None else None,
    )


def _rates(per_second: float, burst: int) -> TokenBuckets:
    return TokenBuckets(burst=burst, per_second=per_second, clock=time.monotonic, most_keys=MOST_KEYS)


def _last_until(scope: Scope, timer: asyncio.Timeout, until: float) -> None:
    """Give an answer that lasts its own time, of the monotonic clock, and a little for its end."""
    left = until + LASTING_END - time.monotonic()
    timer.reschedule(asyncio.get_running_loop().time() + left)
    scope["state"]["may_last_until"] = until + LASTING_END


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _length(headers: Mapping[bytes, bytes]) -> int:
    try:
        return int(headers.get(b"content-length", b"0"))
    except ValueError:
        return 0  # the server refuses it


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
