"""Outbound budget: what one organisation, and one source of it, may have the healer call and send. Pure.

A small event can ask for much: an answer of megabytes handed over again and again. So each heal's calls, and the bytes
that it sends beyond what its own event brought, are taken from token buckets of its organisation and of its source. A
heal that finds them empty is put off before it acts. Each process has its own buckets.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from consumer.model import Failure
from consumer.model.token_buckets import TokenBuckets
from consumer.settings import OutboundSettings

FREE_BYTES: Final = 4096
"""Bytes of one call that are never counted, however small its event was."""


class OutboundBudget:
    """The calls and bytes of all organisations and sources."""

    def __init__(self, settings: OutboundSettings, clock: Callable[[], float]) -> None:
        self._calls = TokenBuckets(burst=settings.calls_burst, per_second=settings.calls_per_second, clock=clock)
        self._bytes = TokenBuckets(burst=settings.bytes_burst, per_second=settings.bytes_per_second, clock=clock)

    def called(self, failure: Failure) -> None:
        """Count a further call of a heal."""
        for payer in _payers(failure):
            self._calls.spend(payer)

    def wait_to_begin(self, failure: Failure) -> tuple[timedelta, str] | None:
        """Count a heal's first call; or return how long it has to wait before that, and why."""
        for payer in _payers(failure):
            for buckets, what in ((self._calls, "called as often"), (self._bytes, "sent as much")):
                if wait := buckets.wait_for(payer):
                    return timedelta(seconds=wait), _reason(payer, what)
        self.called(failure)
        return None

    def wait_to_send(self, failure: Failure, size: int) -> tuple[timedelta, str] | None:
        """Take the bytes of one call, as far as its event did not bring them; or return how long to wait, and why.

        While anything is left a call is made whole, and is a debt: whoever comes next waits, before it has acted.
        """
        beyond = size - max(failure.size, FREE_BYTES)
        if beyond <= 0:
            return None
        for payer in _payers(failure):
            if wait := self._bytes.wait_for(payer):
                return timedelta(seconds=wait), _reason(payer, "sent as much")
        for payer in _payers(failure):
            self._bytes.spend(payer, beyond)
        return None


def _payers(failure: Failure) -> tuple[str, ...]:
    organisation = f"organisation {failure.org_id}"
    return (organisation,) if failure.source is None else (organisation, f"{organisation}, source {failure.source}")


def _reason(payer: str, what: str) -> str:
    return f"for {payer[:200]} the healer has {what} as SHW_OUTBOUND__... allows: it goes on when that is refilled"
