"""Reads a failed call out of httpx's and requests' objects, without touching what they have not read.

Everything here is by the members that both have, so that neither has to be installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

MAX_BODY = 64 * 1024
"""A body above this is not sent along."""
BAD_REQUEST = 400
MAX_ANSWER = 8 * 1024
"""An answer's text is cut to this."""
_NOT_SENT = frozenset(
    ("host", "content-length", "connection", "transfer-encoding", "accept-encoding", "user-agent", "traceparent",
     "tracestate", "baggage", "expect", "te", "upgrade", "keep-alive")
)  # fmt: skip
"""Headers that the next caller writes anew."""
_KEY_HEADER = re.compile(r"(?:x-)?(?:[a-z0-9]+-){0,2}idempot(?:ency|ence|ent)-?(?:key|token|id)|paypal-request-id")
_KEY = re.compile(r"[!-~]{1,255}")
_TOLD_OF_ANSWERS = re.compile(
    r"retry-after|content-type|date|server|via|.*request-?id|.*ratelimit.*|x-.*error.*|grpc-status"
)
_READS = ("GET", "HEAD", "OPTIONS", "TRACE")
_QUERY = re.compile(r"(?:\s*#[^\n]*\n)*\s*(?:query\b|\{)")


class Call(NamedTuple):
    """A call and its answer, as far as there was one."""

    request: Any
    response: Any = None
    raised: BaseException | None = None

    @property
    def status(self) -> int | None:
        """The answer's status."""
        status = getattr(self.response, "status_code", None)
        return status if isinstance(status, int) else None

    @property
    def has_failed(self) -> bool:
        """Whether it raised, or was answered with an error."""
        return self.raised is not None or (self.status or 0) >= BAD_REQUEST


class WithheldBody(Exception):
    """The call's body cannot go along; the message says why."""


class SentBody(NamedTuple):
    """A body as an event carries it: JSON as JSON, anything else as its text."""

    value: Any
    is_json: bool


def call_of(error: BaseException) -> Call | None:
    """Return the call that an exception of a client tells of."""
    try:
        request = getattr(error, "request", None)
    except RuntimeError:  # httpx: none was set
        request = None
    response = getattr(error, "response", None)
    if request is None and response is not None:
        request = getattr(response, "request", None)
    is_call = all(hasattr(request, name) for name in ("method", "url", "headers"))
    return Call(request=request, response=response, raised=error) if is_call else None


def headers_of(request: Any) -> Iterator[tuple[str, str]]:
    """Yield the headers that were set for this call."""
    for name, value in request.headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if str(name).lower() not in _NOT_SENT:
            yield str(name), text


def key_of(headers: dict[str, str]) -> tuple[str, str]:
    """Return the header that carries an idempotency key, and the key; empty texts where there is none."""
    for name, value in headers.items():
        if _KEY_HEADER.fullmatch(name.lower()) and _KEY.fullmatch(value):
            return name, value
    return "", ""


def effect_of(method: str, body: Any, *, has_key: bool) -> str:
    """Return what a second call does, as HTTP says of its method; a query of GraphQL reads."""
    if method in _READS:
        return "none"
    if method in ("PUT", "DELETE"):
        return "idempotent"
    query = body.get("query") if isinstance(body, dict) else None
    if isinstance(query, str) and _QUERY.match(query) and "mutation" not in query and "subscription" not in query:
        return "none"
    return "keyed" if has_key else "unsafe"


def body_of(request: Any) -> SentBody:
    """Return what was sent; WithheldBody where it was a stream, is no text, or too big."""
    kind = str(request.headers.get("content-type", "")).lower()
    if "multipart/" in kind:
        raise WithheldBody("its body is multipart")
    raw = _raw_body(request)
    if not raw:
        return SentBody(None, is_json=False)
    if len(raw) > MAX_BODY:
        raise WithheldBody(f"its body has {len(raw)} bytes, above the limit of {MAX_BODY}")
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        raise WithheldBody("its body is no UTF-8 text") from None
    if "\0" in text or request.headers.get("content-encoding"):
        raise WithheldBody("its body is encoded")
    if "json" in kind:
        try:
            return SentBody(exact_json(text), is_json=True)
        except (ValueError, RecursionError):
            pass  # sent as it stands
    return SentBody(text, is_json=False)


def _raw_body(request: Any) -> Any:
    if hasattr(request, "body"):  # requests
        body = request.body
        if body is None or isinstance(body, (bytes, str)):
            return body
        raise WithheldBody("its body is a stream")
    try:
        return request.content
    except Exception:  # httpx: a stream that nobody has read
        raise WithheldBody("its body is a stream") from None


class _Inexact(ValueError):
    """Writing this JSON anew would not say the same."""


def exact_json(text: str) -> Any:
    """Read JSON; ValueError where its numbers or its members would not survive being written again."""

    def _number(said: str) -> float:
        number = float(said)
        if Decimal(said) != Decimal(repr(number)):
            raise _Inexact(said)
        return number

    def _members(pairs: Any) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise _Inexact("a name twice")
        return members

    def _no_number(said: str) -> Any:
        raise _Inexact(said)

    return json.loads(text, parse_float=_number, object_pairs_hook=_members, parse_constant=_no_number)


def answer_of(response: Any) -> Any:
    """Return the answer's body: parsed JSON, or its text, cut; None where it was not read."""
    raw = _raw_answer(response)
    if not raw:
        return None
    if len(raw) <= MAX_ANSWER:
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            pass
    return raw[:MAX_ANSWER].decode("utf-8", "replace")


def _raw_answer(response: Any) -> bytes:
    if getattr(response, "_content", b"") is False:  # requests: `content` would read what nobody has read
        return b""
    try:
        raw = response.content
    except Exception:  # httpx: not read, or closed
        return b""
    return raw if isinstance(raw, bytes) else b""


def answered_headers(response: Any) -> dict[str, str]:
    """Return those of an answer's headers that tell why."""
    headers = getattr(response, "headers", None) or {}
    return {str(name): str(value) for name, value in headers.items() if _TOLD_OF_ANSWERS.fullmatch(str(name).lower())}


def tells_errors(response: Any) -> bool:
    """Return whether an answer of 2xx tells errors in its body, as GraphQL does."""
    body = answer_of(response)
    return isinstance(body, dict) and isinstance(body.get("errors"), list) and bool(body["errors"])
