"""How long to wait between two tries: pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from consumer.call import Answer
from consumer.catalog import AutoRetryLimits

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_SECOND: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(days=366)
_TRUTH: Final = {"true": True, "false": False}
_ADVICE: Final = ("x-should-retry", "stripe-should-retry")


def jitter(limits: AutoRetryLimits, n: int, *, throttled: bool, random: Callable[[], float]) -> timedelta:
    """Full jitter before the try after the n-th: rand(0, 1) * min(base * 2^(n-1), cap)."""
    return longest_jitter(limits, n, throttled=throttled) * random()


def longest_jitter(limits: AutoRetryLimits, n: int, *, throttled: bool) -> timedelta:
    """Bound of `jitter`."""
    base = limits.throttled_base if throttled else limits.base
    return min(base * (1 << (n - 1)), limits.cap)


def longest_waits(limits: AutoRetryLimits, tries: int) -> timedelta:
    """Bound all waits in a slot between so many tries."""
    base = max(limits.base, limits.throttled_base)
    return _longest_waits(base, limits.cap, limits.inline_wait, tries)


@lru_cache(maxsize=256)
def _longest_waits(base: timedelta, cap: timedelta, inline: timedelta, tries: int) -> timedelta:
    return sum((max(inline, min(base * (1 << n), cap)) for n in range(tries - 1)), timedelta(0))


def named_wait(answer: Answer, now: datetime) -> timedelta | None:
    """Read what the other side asks for: `retry-after-ms`, or Retry-After in seconds or as an HTTP date.

    A date is counted from the answer's own Date: both are of one clock, and ours may be another. However far off, it
    is a year at most; what cannot be read, or is negative, names nothing.
    """
    milliseconds = _number(answer.header("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    text = answer.header("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return _bounded(seconds)
    until = _moment(text)
    return None if until is None else _bounded((until - (_moment(answer.header("date")) or now)) / _SECOND)


def advised_against(answer: Answer) -> bool:
    """Tell whether the other side says outright that trying again is no use."""
    said = (_TRUTH.get((answer.header(name) or "").strip().lower()) for name in _ADVICE)
    return any(value is False for value in said)


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=max(0.0, min(seconds, _LONGEST / _SECOND)))


def _number(text: str | None) -> float | None:
    return float(text.strip()) if text is not None and _NUMBER.fullmatch(text.strip()) else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
