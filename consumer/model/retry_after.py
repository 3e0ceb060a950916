"""Parser of Retry-After in its HTTP forms (seconds, date, milliseconds), bounded to a year. Pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_MAX_WAIT: Final = timedelta(days=366)

NOT_PROCESSED: Final = frozenset({425, 429})
"""Statuses that mean that the other side did not begin to process the call: safe to retry for every effect class."""


def retry_after(said: str | float | None, *, date: str | None = None, now: datetime | None = None) -> timedelta | None:
    """Parse Retry-After: seconds, or an HTTP date.

    A date is counted from the answer's own Date (both are of one clock, and ours may differ), else from `now`; with
    neither the result is None. The wait is a year at most, and none for a time that has passed; what cannot be parsed,
    or is negative, gives None.
    """
    text = str(said).strip() if said is not None else ""
    if _NUMBER.fullmatch(text):
        return bounded_seconds(float(text))
    until, since = _parse_date(text), _parse_date(date) or now
    if until is None or since is None:
        return None
    return bounded_seconds((until - since).total_seconds())


def retry_after_milliseconds(said: str | None) -> timedelta | None:
    """Parse `retry-after-ms`, which some servers send beside the standard header."""
    text = (said or "").strip()
    return bounded_seconds(float(text) / 1000) if _NUMBER.fullmatch(text) else None


def bounded_seconds(seconds: float) -> timedelta:
    """Return a wait of that many seconds, bounded to between zero and a year."""
    return timedelta(seconds=max(0.0, min(seconds, _MAX_WAIT.total_seconds())))


def _parse_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
