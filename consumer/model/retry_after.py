"""How long another party asks to be left alone, in the forms that HTTP has for it: pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_LONGEST: Final = timedelta(days=366)

NOT_BEGUN: Final = frozenset({425, 429})
"""Statuses by which the other side says that it did not even begin: repeated whatever the effect."""


def retry_after(said: str | float | None, *, date: str | None = None, now: datetime | None = None) -> timedelta | None:
    """Read Retry-After: seconds, or an HTTP date.

    A date is counted from the answer's own Date (both are of one clock, and ours may be another), else from `now`; with
    neither it names nothing. However far off, it is a year at most, and a moment that has passed is no wait; what
    cannot be read, or is negative, names nothing.
    """
    text = str(said).strip() if said is not None else ""
    if _NUMBER.fullmatch(text):
        return bounded_seconds(float(text))
    until, since = _moment(text), _moment(date) or now
    if until is None or since is None:
        return None
    return bounded_seconds((until - since).total_seconds())


def retry_after_milliseconds(said: str | None) -> timedelta | None:
    """Read `retry-after-ms`, which some send beside the standard's header."""
    text = (said or "").strip()
    return bounded_seconds(float(text) / 1000) if _NUMBER.fullmatch(text) else None


def bounded_seconds(seconds: float) -> timedelta:
    """Give a wait between nothing and a year."""
    return timedelta(seconds=max(0.0, min(seconds, _LONGEST.total_seconds())))


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
