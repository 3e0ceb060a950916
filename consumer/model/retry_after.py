"""Parser of Retry-After in its forms (seconds, date, milliseconds, epoch), bounded to a year. Pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_MAX_WAIT: Final = timedelta(days=366)
_EPOCHS: Final = ((1e9, 4.2e9, 1.0), (1e12, 4.2e12, 1e3), (1e15, 4.2e15, 1e6))
"""Numbers that are a moment since 1970, in this century, and no wait of decades: least, bound, parts of a second."""


def retry_after(said: str | float | None, *, date: str | None = None, now: datetime | None = None) -> timedelta | None:
    """Parse Retry-After: seconds, an HTTP date, or a moment since 1970 in seconds or parts of them.

    A moment is counted from the answer's own Date (both are of one clock, and ours may differ), else from `now`; with
    neither the result is None. The wait is a year at most, and none for a time that has passed; what cannot be parsed,
    or is negative, gives None.
    """
    text = str(said).strip() if said is not None else ""
    if _NUMBER.fullmatch(text):
        number = float(text)
        moment = epoch(number)
        if moment is None:
            return bounded_seconds(number)
        begin = http_date(date) or now
        return None if begin is None else bounded_seconds(moment - begin.timestamp())
    until, since = http_date(text), http_date(date) or now
    if until is None or since is None:
        return None
    return bounded_seconds((until - since).total_seconds())


def retry_after_milliseconds(
    said: str | None, *, date: str | None = None, now: datetime | None = None
) -> timedelta | None:
    """Parse `retry-after-ms`, which some servers send beside the standard header; a moment as `retry_after` does."""
    text = (said or "").strip()
    if not _NUMBER.fullmatch(text):
        return None
    is_moment = epoch(float(text)) is not None
    return retry_after(text, date=date, now=now) if is_moment else bounded_seconds(float(text) / 1000)


def epoch(number: float) -> float | None:
    """Return the seconds since 1970 that a number is, in seconds, milliseconds or microseconds; None: it is a span."""
    return next((number / parts for least, bound, parts in _EPOCHS if least <= number < bound), None)


def bounded_seconds(seconds: float) -> timedelta:
    """Return a wait of that many seconds, bounded to between zero and a year."""
    return timedelta(seconds=max(0.0, min(seconds, _MAX_WAIT.total_seconds())))


def http_date(text: str | None) -> datetime | None:
    """Parse an HTTP date; None where it is none."""
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
