"""Parses how long a failure asks to wait before a retry: from Retry-After headers, or from its text. Pure."""

import re
from datetime import timedelta
from typing import Final

from consumer.diagnose.facts import ERROR_KEYS
from consumer.model import JsonObject
from consumer.model.retry_after import bounded_seconds, retry_after
from schemas.context import error_of

LONGEST: Final = timedelta(days=7)
_MAX_READ: Final = 12_000
_RETRY_IN: Final = re.compile(
    r"""(?:retry|try\sagain|retrydelay|wait)["'\s:_-]{0,3}(?:request\s)?(?:after|in|for|delay)?["'\s:=-]{1,4}
        (?P<number>\d{1,7}(?:\.\d{1,6})?)\s?
        (?P<unit>ms|milliseconds?|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?)?(?![\w.])""",
    re.VERBOSE | re.IGNORECASE,
)
_UNITS: Final = {"ms": 0.001, "mi": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def told_to_wait(reason: str, context: JsonObject) -> timedelta | None:
    """Return the delay that the remote side asked for, counted from now; None where it asked for none."""
    if any(key in context for key in ERROR_KEYS):
        error = error_of(context)
        headers = {name.lower(): said for name, said in (error.headers or {}).items()}
        for said in (error.retry_after, headers.get("retry-after")):
            wait = retry_after(said, date=headers.get("date"))
            if wait is not None:
                return min(wait, LONGEST)
    found = _RETRY_IN.search(reason[:_MAX_READ])
    if found is None:
        return None
    return min(bounded_seconds(float(found["number"]) * _seconds(found["unit"])), LONGEST)


def _seconds(unit: str | None) -> float:
    if unit is None:
        return 1.0
    lowered = unit.lower()
    if lowered.startswith("milli"):
        return 0.001
    return _UNITS.get(lowered[:2]) or _UNITS[lowered[0]]
