"""Calls with a token: fetches an engine's token, keeps it in memory until shortly before its end, and sends it along.

A token is fetched like any call leaves: the guard, the workflow's hosts and secrets count for it each time, also where
one is at hand, so that no organisation uses what another one's secrets were good for.
"""

import asyncio
import base64
import binascii
import json
import math
import re
from datetime import timedelta
from http import HTTPStatus
from time import monotonic
from typing import Final, Protocol
from uuid import UUID

import orjson

from consumer.catalog import WorkflowPolicy
from consumer.catalog.runners.token import DescribedToken, form_of
from consumer.model import Json
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest, parsed_body
from consumer.outbound.allowed_hosts import target_of
from consumer.outbound.calls import OutboundCalls
from consumer.outbound.credentials import FORM, IssuedToken
from schemas.json_value import value_at

_SECOND: Final = timedelta(seconds=1)
_MARGIN: Final = timedelta(seconds=60)
"""A token is not used for the last minute of its life, nor for the last half of a shorter one."""
_LONGEST: Final = timedelta(days=1)
_REFUSED_FOR: Final = timedelta(seconds=30)
"""How long a refused login is not tried again: a server may lock whoever tries a wrong password often."""
_YOUNG: Final = timedelta(seconds=60)
"""A token that has just been fetched is not what a 403 is about."""
_ANSWER_BYTES: Final = 64 * 1024
_LONGEST_TOKEN: Final = 16 * 1024
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")
_REFUSALS: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_JWT_PARTS: Final = 3
_NOTHING_LEFT: Final = "no time was left: nothing was sent"


class EngineCalls(Protocol):
    """The way to an engine, with or without a token."""

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Return why the catalog does not allow a call, or None."""
        ...

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        """Make a call, and return what came of it."""
        ...


def engine_calls(declared: DescribedToken | None, calls: OutboundCalls) -> EngineCalls:
    """Return the way to an engine that wants such a token, or none."""
    return calls if declared is None else TokenCalls(declared, calls)


class TokenCalls:
    """Makes the calls of one engine with a token, which it fetches when there is none, or its time is over.

    One fetch at a time. A call whose token the engine refuses is made once more with a new one: it was not carried out.
    """

    def __init__(self, declared: DescribedToken, calls: OutboundCalls) -> None:
        self._declared = declared
        self._calls = calls
        self._fetching = asyncio.Lock()
        self._token: IssuedToken | None = None
        self._fetched = 0.0
        self._usable_until = 0.0
        self._refused: tuple[float, EgressRefused] | None = None

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Return why the catalog does not allow a call, or the request for its token, or None."""
        return self._calls.refusal(request, policy) or self._calls.refusal(self._request(request.org_id), policy)

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        """Make a call with the token; where there is none to be had, nothing of it is sent."""
        if (reason := self.refusal(request, policy)) is not None:
            return EgressRefused(reason=reason)
        ends = monotonic() + within / _SECOND
        first, token = await self._send_once(request, policy, ends, max_bytes)
        if token is None or not isinstance(first, Answer) or not self._is_refused(first):
            return first
        self._forget(token)
        second, renewed = await self._send_once(request, policy, ends, max_bytes)
        # Without a new token the engine's own refusal is what there is to say.
        return first if renewed is None else second

    async def _send_once(
        self, request: OutboundRequest, policy: WorkflowPolicy, ends: float, max_bytes: int
    ) -> tuple[CallResult, IssuedToken | None]:
        """Make a call with a usable token; returns also that, or None where nothing was sent for want of one."""
        token = await self._usable(request, policy, ends)
        if not isinstance(token, IssuedToken):
            return token, None
        left = timedelta(seconds=ends - monotonic())
        if left <= timedelta(0):
            return NotSent(kind="Deadline", reason=_NOTHING_LEFT, elapsed=timedelta(0)), None
        return await self._calls.send(request, policy, within=left, max_bytes=max_bytes, token=token), token

    async def _usable(
        self, request: OutboundRequest, policy: WorkflowPolicy, ends: float
    ) -> IssuedToken | NotSent | EgressRefused:
        started = monotonic()
        try:
            async with asyncio.timeout(max(0.0, ends - started)), self._fetching:
                now = monotonic()
                if self._token is not None and now < self._usable_until:
                    return self._token
                if self._refused is not None and now < self._refused[0]:
                    return self._refused[1]
                return await self._fetch(request, policy, timedelta(seconds=ends - now))
        except TimeoutError:
            elapsed = timedelta(seconds=monotonic() - started)
            return NotSent(kind="ConnectTimeout", reason="no token in time: nothing was sent", elapsed=elapsed)

    async def _fetch(
        self, request: OutboundRequest, policy: WorkflowPolicy, within: timedelta
    ) -> IssuedToken | NotSent | EgressRefused:
        began = monotonic()
        result = await self._calls.send(self._request(request.org_id), policy, within=within, max_bytes=_ANSWER_BYTES)
        read = _read(result, self._declared)
        if isinstance(read, EgressRefused):
            self._refused = monotonic() + _REFUSED_FOR / _SECOND, read
        if isinstance(read, NotSent | EgressRefused):
            return read
        value, lifetime = read
        place = target_of(request.url, policy.hosts, request.org_id)
        if isinstance(place, EgressRefused):
            return place
        # Building the search for its echoes takes a few milliseconds.
        self._token = await asyncio.to_thread(
            IssuedToken, value, header=self._declared.header, scheme=self._declared.scheme, origin=place.origin
        )
        self._fetched = began
        self._usable_until = began + (lifetime - min(_MARGIN, lifetime / 2)) / _SECOND
        return self._token

    def _is_refused(self, answer: Answer) -> bool:
        """Return whether an answer refuses the token; some engines say 403 for that, which else is no fault of it."""
        is_old = monotonic() > self._fetched + _YOUNG / _SECOND
        return answer.status == HTTPStatus.UNAUTHORIZED or (answer.status == HTTPStatus.FORBIDDEN and is_old)

    def _forget(self, token: IssuedToken) -> None:
        if self._token is token:
            self._token = None

    def _request(self, org_id: UUID | None) -> OutboundRequest:
        declared = self._declared
        is_form = declared.media_type == FORM
        body = form_of(declared.parameters) if is_form else json.dumps(declared.parameters)
        kept = ((name, text) for name, text in declared.headers.items() if name.lower() != "content-type")
        return OutboundRequest(
            method="POST",
            url=declared.url,
            headers=(*kept, ("content-type", declared.media_type)),
            body=body.encode(),
            org_id=org_id,
            secret_body=True,
        )


def _read(result: CallResult, declared: DescribedToken) -> tuple[str, timedelta] | NotSent | EgressRefused:
    """Read a token and its lifetime from the answer to the request for one; no message quotes the answer."""
    match result:
        case EgressRefused():
            return result
        case NotSent(kind=kind, reason=reason, elapsed=elapsed) | Ambiguous(kind=kind, reason=reason, elapsed=elapsed):
            return NotSent(kind=kind, reason=f"no token: {reason}", elapsed=elapsed)
        case Answer(status=status) if status in _REFUSALS:
            return EgressRefused(
                reason=f"no token: {declared.origin} answered {status}: check the runner's `token` and its secrets"
            )
        case Answer(status=status, elapsed=elapsed):
            why = f"no token: {declared.origin} answered {status}"
            document = _document(result)
            token = value_at(document, declared.token, None)
            if not isinstance(token, str) or not _SENDABLE.fullmatch(token) or len(token) > _LONGEST_TOKEN:
                return NotSent(kind="NoToken", reason=f"{why}, with none at {declared.token}", elapsed=elapsed)
            return token, _lifetime(document, token, declared)


def _document(answer: Answer) -> Json:
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        return None
    return parsed_body(answer, None)


def _lifetime(document: Json, token: str, declared: DescribedToken) -> timedelta:
    """Return how long a token lives: as the answer says, as the token itself says, or as the catalog does."""
    said = _seconds(value_at(document, declared.expires_in, None))
    if said is None:
        claims = _claims(token)
        begins, ends = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
        # By its own two times: this process's clock may be another.
        said = ends - begins if begins is not None and ends is not None else None
    if said is None:
        return declared.lifetime
    return timedelta(seconds=max(0.0, min(said, _LONGEST / _SECOND)))


def _seconds(found: object) -> float | None:
    try:
        read = None if isinstance(found, bool) or not isinstance(found, int | float | str) else float(found)
    except (ValueError, OverflowError):
        return None
    return read if read is not None and math.isfinite(read) else None


def _claims(token: str) -> dict[str, object]:
    """Return what a JWT says of itself, unverified; empty where it is none."""
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        return {}
    try:
        read = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
