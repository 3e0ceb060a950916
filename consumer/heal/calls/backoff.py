"""Exponential backoff with full jitter between two tries, and its upper bounds. Pure."""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache

from consumer.catalog import AutoRetryLimits


def jitter(limits: AutoRetryLimits, n: int, *, throttled: bool, random: Callable[[], float]) -> timedelta:
    """Draw the full jitter before the try after the n-th: rand(0, 1) * min(base * 2^(n-1), cap)."""
    return longest_jitter(limits, n, throttled=throttled) * random()


def longest_jitter(limits: AutoRetryLimits, n: int, *, throttled: bool) -> timedelta:
    """Return the upper bound of `jitter`."""
    base = limits.throttled_base if throttled else limits.base
    return min(base * (1 << (n - 1)), limits.cap)


def longest_waits(limits: AutoRetryLimits, tries: int) -> timedelta:
    """Return the upper bound of all waits within a slot between so many tries."""
    base = max(limits.base, limits.throttled_base)
    return _longest_waits(base, limits.cap, limits.inline_wait, tries)


@lru_cache(maxsize=256)
def _longest_waits(base: timedelta, cap: timedelta, inline: timedelta, tries: int) -> timedelta:
    return sum((max(inline, min(base * (1 << n), cap)) for n in range(tries - 1)), timedelta(0))
