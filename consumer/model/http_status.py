"""HTTP statuses that may pass by themselves: one table for the diagnosis of a failed call and for the call made again.

A status that is not in it stays: the same call would be answered the same. A few that mostly stay pass where their
answer says so: a 403 with Retry-After, or with a used-up rate limit, is a limit and no refusal. Pure.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final


class Passing(Enum):
    """Why the same call may succeed later."""

    TIMED_OUT = auto()  # somebody gave up waiting: the call may have arrived
    FAILED = auto()  # the server, or the way to it, broke: the call may have arrived
    BUSY = auto()  # the server has no room now: it is called less
    THROTTLED = auto()  # the caller asked too often: it is called less
    CONFLICT = auto()  # another call was in the way, or it came too early: the server is well


PASSING: Final[Mapping[int, Passing]] = MappingProxyType(
    dict.fromkeys((408, 460, 499, 504, 522, 524, 598, 599), Passing.TIMED_OUT)
    | dict.fromkeys((500, 502, 520, 521, 523, 525, 526, 527, 530), Passing.FAILED)
    | dict.fromkeys((503, 529), Passing.BUSY)
    | dict.fromkeys((420, 429, 509), Passing.THROTTLED)
    | dict.fromkeys((409, 423, 425), Passing.CONFLICT)
)
"""The registered statuses, and those of Cloudflare (52x, 530), nginx (499), AWS (460), Anthropic (529) and others."""

NOT_PROCESSED: Final = frozenset({425, 429})
"""Statuses that mean that the other side did not begin to process the call: safe to retry for every effect class."""

LIMITS_WHERE_TOLD: Final = frozenset({403})
"""Refusals that are a limit where their answer names a wait, or a rate limit of which nothing is left."""
_USED_UP: Final = re.compile(r"(?:[a-z0-9]+-){0,2}(?:ratelimit|rate-limit)(?:-[a-z0-9]+)?-remaining(?:-[a-z0-9]+)?")
_WAITS: Final = ("retry-after", "retry-after-ms")
_WELL: Final = frozenset({408, 460, 499})
"""The server gave up waiting for the caller, or the caller for it: no evidence that it is ill."""


def statuses(*kinds: Passing) -> str:
    """Return the statuses of some kinds as codes of diagnosis rules: `http.408 http.504`."""
    return " ".join(f"http.{status}" for status, kind in PASSING.items() if kind in kinds)


def passing(status: int, headers: Mapping[str, str] = MappingProxyType({})) -> Passing | None:
    """Return why a call that was answered so may succeed later, or None; `headers` by their lower-case names."""
    if status in LIMITS_WHERE_TOLD and tells_a_limit(headers):
        return Passing.THROTTLED
    return PASSING.get(status)


def tells_a_limit(headers: Mapping[str, str]) -> bool:
    """Return whether an answer's headers name a wait, or a rate limit of which nothing is left."""
    return any(name in headers for name in _WAITS) or any(
        said.strip() == "0" and _USED_UP.fullmatch(name) for name, said in headers.items()
    )


def is_throttling(kind: Passing | None) -> bool:
    """Return whether the other side wants fewer calls."""
    return kind is Passing.BUSY or kind is Passing.THROTTLED


def is_unhealthy(status: int, headers: Mapping[str, str] = MappingProxyType({})) -> bool:
    """Return whether an answer counts against the dependency; a limit does too: one probe finds out when it ends."""
    kind = passing(status, headers)
    return kind is not None and kind is not Passing.CONFLICT and status not in _WELL
