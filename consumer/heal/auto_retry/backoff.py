"""How long to wait between two tries: pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from consumer.call import Answer
from consumer.catalog import AutoRetryLimits

_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
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


def longest_wait(limits: AutoRetryLimits, n: int) -> timedelta:
    """Bound of any wait in a slot after the n-th try."""
    return max(
        limits.inline_wait, longest_jitter(limits, n, throttled=True), longest_jitter(limits, n, throttled=False)
    )


def named_wait(answer: Answer, now: datetime) -> timedelta | None:
    """Read what the other side asks for: `retry-after-ms`, or Retry-After in seconds or as an HTTP date."""
    milliseconds = _number(answer.header("retry-after-ms"))
    if milliseconds is not None:
        return min(timedelta(milliseconds=milliseconds), _LONGEST)
    text = answer.header("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return min(timedelta(seconds=min(seconds, _LONGEST.total_seconds())), _LONGEST)
    return None if text is None else _until(text, now)


def advised_against(answer: Answer) -> bool:
    """Tell whether the other side says outright that trying again is no use."""
    said = (_TRUTH.get((answer.header(name) or "").strip().lower()) for name in _ADVICE)
    return any(value is False for value in said)


def _number(text: str | None) -> float | None:
    return float(text.strip()) if text is not None and _NUMBER.fullmatch(text.strip()) else None


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(timedelta(0), min(moment - now, _LONGEST))
