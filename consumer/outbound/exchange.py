"""Progress of one outbound call, and its failures as values: not sent, ambiguous, or refused."""

import time
from datetime import timedelta
from typing import Final

import httpcore2
import httpx2

from consumer.errors import OutOfResources, own_fault
from consumer.model.call import MAY_START, NOT_PERMITTED, Ambiguous, EgressRefused, NotSent, always
from consumer.outbound.decoding import Oversized, Undecodable
from consumer.outbound.dialing import AddressDenied, NotPermitted, NotResolved, WriteFence

FAILURES: Final = (
    AddressDenied,
    NotPermitted,
    NotResolved,
    Oversized,
    Undecodable,
    TimeoutError,
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpx2.HTTPError,
    OSError,  # TLS errors after the handshake are not wrapped
)
"""Exceptions of a call that have a cause outside this process."""
_KINDS: Final[dict[type[BaseException], str]] = {
    NotResolved: "NameResolutionError",
    Oversized: "ReadError",
    TimeoutError: "ReadTimeout",
    Undecodable: "DecodingError",
}


class Exchange:
    """One call in progress, with the redirects that it follows."""

    def __init__(self, *, within: timedelta, effect: bool) -> None:
        self.started = time.monotonic()
        self.mark = WriteFence(self.started + within.total_seconds(), MAY_START.get() if effect else always)
        self.connecting = False

    @property
    def elapsed(self) -> timedelta:
        """Time since the call began."""
        return timedelta(seconds=time.monotonic() - self.started)

    def failed(self, error: BaseException) -> NotSent | Ambiguous | EgressRefused:
        """Map an exception to its result. Library messages can quote a header, so only the guard's own are kept.

        Raises
        ------
        OutOfResources
            Nothing was sent for want of something in this process: the other side had no part in it.

        """
        self.raise_own_fault(error)
        match error:
            case _ if self.mark.sent:
                kind = _KINDS.get(type(error), type(error).__name__)
                reason = "the request was sent, and no whole answer came"
                return Ambiguous(kind=kind, reason=f"{reason} ({kind})", elapsed=self.elapsed)
            case AddressDenied():
                return EgressRefused(reason=str(error))
            case _:
                kind, reason = self._not_sent(error)
                return NotSent(kind=kind, reason=reason, elapsed=self.elapsed)

    def raise_own_fault(self, error: BaseException) -> None:
        """Raise what was wrong in this process, if it was: the other side had no part in it."""
        fault = own_fault(error)
        if fault is None:
            return
        if self.mark.sent:
            raise error
        raise OutOfResources(fault) from error

    def _not_sent(self, error: BaseException) -> tuple[str, str]:
        match error:
            case NotResolved():
                return "NameResolutionError", str(error)
            case NotPermitted():
                return NOT_PERMITTED, "the permission to start it was lost before anything was sent"
            case TimeoutError() if not self.connecting:
                return "PoolTimeout", "no connection slot became free in time"
            case TimeoutError():
                return "ConnectTimeout", "no connection in time"
            case _:
                kind = type(error).__name__
                return kind, f"no connection, nothing was sent ({kind})"
