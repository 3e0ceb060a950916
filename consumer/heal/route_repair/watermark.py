"""Compares two watermarks, as engines tell them: numbers in texts that only grow. Pure."""

import re
from typing import Final

_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")


def grown(before: str | None, now: str | None) -> bool:
    """Return whether a count that only grows has grown."""
    first, second = number(before), number(now)
    return first is not None and second is not None and second > first


def fallen(before: str | None, now: str | None) -> bool:
    """Return whether a count that only grows has fallen."""
    return grown(now, before)


def number(progress: str | None) -> float | None:
    """Return a watermark as a number; None where it is none."""
    return float(progress) if progress is not None and _NUMBER.fullmatch(progress) else None
