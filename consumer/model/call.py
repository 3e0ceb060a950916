"""One HTTP call as a value: what is asked of another party, and what came of it."""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from consumer.model.retry_after import retry_after, retry_after_milliseconds
from schemas.value import value


def always() -> bool:
    """Let everything start: what is no effect, and what no heal makes."""
    return True


MAY_START: Final[ContextVar[Callable[[], bool]]] = ContextVar("may_start", default=always)
"""Tells whether the heal in whose context a call is made may still start an effect; set by whoever runs the heal.

Between a gate's yes and the first byte lie a name's resolution, a connection and a handshake, and the process may be
stopped in each: a decision, or another process, may have come in between.
"""


NOT_PERMITTED: Final = "NotPermitted"
"""The kind of a call that `MAY_START` forbade before its first byte."""


@value(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """A call to be made. A header may name a credential as `secret://NAME`; the credential itself never stands here."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    org_id: UUID | None = None
    """On whose behalf. Without it, only what the catalog opens to every organisation is open."""
    effect: bool = False
    """It may change something: its first byte leaves only while `MAY_START` says so."""


@value(frozen=True, slots=True, kw_only=True)
class Answer:
    """The other side answered, with whatever status. A redirect is an answer too, where it is not followed."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """As received, in order; a name may stand more than once."""
    body: bytes
    """Decoded from its content encoding. Where a credential of ours was echoed, its `secret://` name stands instead."""
    truncated: bool
    """The body was longer than the limit: `body` is its beginning, and the rest was not read."""
    elapsed: timedelta
    not_followed: str | None = None
    """Why a redirect was not followed, although the host's entry allows redirects."""

    def header(self, name: str) -> str | None:
        """Give the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@value(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Not one byte of the request left: the call has certainly had no effect."""

    kind: str
    reason: str
    elapsed: timedelta


@value(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """The request left, at least in part, and no whole answer came: it may have had its effect."""

    kind: str
    reason: str
    elapsed: timedelta


@value(frozen=True, slots=True, kw_only=True)
class EgressRefused:
    """The catalog or the egress guard does not allow the call; nothing was sent."""

    reason: str


CallResult: TypeAlias = Answer | NotSent | Ambiguous | EgressRefused


_TRUTH: Final = {"true": True, "false": False}


_ADVICE: Final = ("x-should-retry", "stripe-should-retry")


def named_wait(answer: Answer, now: datetime | None = None) -> timedelta | None:
    """Give what the other side asks for by `retry-after-ms` or Retry-After; a date without a Date counts from `now`."""
    wait = retry_after_milliseconds(answer.header("retry-after-ms"))
    if wait is not None:
        return wait
    return retry_after(answer.header("retry-after"), date=answer.header("date"), now=now)


def advised_against(answer: Answer) -> bool:
    """Tell whether the other side says outright that trying again is no use."""
    said = (_TRUTH.get((answer.header(name) or "").strip().lower()) for name in _ADVICE)
    return any(value is False for value in said)
