"""One outbound HTTP call as values: the request, and its result (answer, not sent, ambiguous, or refused)."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

import orjson

from consumer.model.http_status import is_throttling, passing
from consumer.model.identity import Json
from consumer.model.retry_after import bounded_seconds
from consumer.model.waits import wait_of_headers
from schemas.value import value


def always() -> bool:
    """Permit every call: the default for calls without effect, and for calls outside a heal."""
    return True


MAY_START: Final[ContextVar[Callable[[], bool]]] = ContextVar("may_start", default=always)
"""Returns whether the heal in whose context a call is made may still start an effect; `heal/run.py` sets it.

Between the gate's permission and the first byte come name resolution, connect and handshake, and the process may be
suspended in each: a person's decision, or another process, may have come in between.
"""


REHEARSED: Final[ContextVar["Callable[[OutboundRequest], None] | None"]] = ContextVar("rehearsed", default=None)
"""Set while a heal is only rehearsed: it is told of the call that would be an effect, and none is sent."""


NOT_PERMITTED: Final = "NotPermitted"
"""`NotSent.kind` of a call that `MAY_START` forbade before its first byte."""


@value(frozen=True, slots=True, kw_only=True)
class AwsSigning:
    """A request to be signed with AWS Signature Version 4 as it is sent.

    Its `authorization` header holds the access key and the secret key, separated by a space and by reference; they are
    replaced by the signature, so that the secret key itself never leaves.
    """

    region: str
    service: str = "s3"


@value(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """An HTTP request to send. A header may refer to a credential as `secret://NAME`; its value is never in here."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    org_id: UUID | None = None
    """Organisation on whose behalf it is sent. Without it, only what the catalog allows to every organisation."""
    secret_body: bool = False
    """The body refers to secrets too: only where the operator wrote it himself, never where an event did."""
    effect: bool = False
    """The call may have an effect: its first byte is sent only while `MAY_START` permits it."""
    signing: AwsSigning | None = None
    opaque: bool = False
    """Its answer is taken as bytes and never parsed, such as an image: it may hold any number of brackets."""
    as_stored: bool = False
    """Its answer is asked for uncoded: a server that compresses gives what it sends a version of its own."""


@value(frozen=True, slots=True, kw_only=True)
class Answer:
    """The other side answered, with whatever status. A redirect is an answer too, where it is not followed."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """As received, in order; a name may occur more than once."""
    body: bytes
    """Decoded from its content encoding. An echoed credential is replaced by its `secret://` name."""
    truncated: bool
    """The body was longer than the limit: `body` is its beginning, and the rest was not read."""
    elapsed: timedelta
    not_followed: str | None = None
    """Why a redirect was not followed, although the host's entry allows redirects."""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def named_headers(self) -> dict[str, str]:
        """The headers by their lower-case names; of several of one name the first."""
        return {name.lower(): value for name, value in reversed(self.headers)}


@value(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Not one byte of the request was sent: the call has certainly had no effect."""

    kind: str
    reason: str
    elapsed: timedelta


@value(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """The request was sent, at least in part, and no complete answer came: it may have had its effect."""

    kind: str
    reason: str
    elapsed: timedelta


@value(frozen=True, slots=True, kw_only=True)
class EgressRefused:
    """The catalog or the egress guard does not allow the call; nothing was sent."""

    reason: str


CallResult: TypeAlias = Answer | NotSent | Ambiguous | EgressRefused
Permitted: TypeAlias = Callable[[Callable[[], Awaitable[CallResult]]], Awaitable[CallResult]]
"""Performs one call with an effect once the heal's gate lets it."""


_BOOLEANS: Final = {"true": True, "false": False}


_RETRY_HINT_HEADERS: Final = ("x-should-retry", "stripe-should-retry")


def requested_wait(answer: Answer, now: datetime | None = None) -> timedelta | None:
    """Return the wait that the other side asks for by `retry-after-ms`, Retry-After or a rate limit that is used up.

    A moment in an answer without a Date header counts from `now`.
    """
    headers = answer.named_headers
    wait = wait_of_headers(headers, throttled=is_throttling(passing(answer.status, headers)))
    if isinstance(wait, datetime):
        return None if now is None else bounded_seconds((wait - now).total_seconds())
    return wait


def advised_against(answer: Answer) -> bool:
    """Return whether the answer explicitly advises against a retry (`x-should-retry: false` and the like)."""
    said = (_BOOLEANS.get((answer.header(name) or "").strip().lower()) for name in _RETRY_HINT_HEADERS)
    return any(value is False for value in said)


OtherT = TypeVar("OtherT")


def parsed_body(answer: Answer, otherwise: OtherT) -> Json | OtherT:
    """Parse an answer's body as JSON; `otherwise` where it is truncated, or is none."""
    if answer.truncated:
        return otherwise
    try:
        read: Json = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return otherwise
    return read
