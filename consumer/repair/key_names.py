"""Similarity of keys: equal up to casing and separators, a plausible misspelling, or neither. Pure."""

import re
from functools import lru_cache
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s_.\-\"'`:\ufeff\u200b]+")
_NO_DIGITS: Final = re.compile(r"\D+")
_MAX_LENGTH: Final = 64
_OVER_BOUND: Final = 99


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Return a name's canonical form, without casing and separators: `userId`, `user_id` and `User-ID` are equal."""
    return _SEPARATORS.sub("", name).casefold()


@lru_cache(maxsize=8192)
def slips(name: str, wanted: str) -> int | None:
    """Return the edit distance between two names; None where it is beyond a plausible misspelling."""
    left, right = plain(name), plain(wanted)
    # Digits are significant: line2 is no misspelt line1.
    if max(len(left), len(right)) > _MAX_LENGTH or _NO_DIGITS.sub("", left) != _NO_DIGITS.sub("", right):
        return None
    most = _max_slips(min(len(right), len(left) + 1))
    if abs(len(left) - len(right)) > most:
        return None
    found = distance(left, right, most)
    return found if found <= most else None


def _max_slips(length: int) -> int:
    if length <= 2:  # noqa: PLR2004 - two letters leave nothing to go by
        return 1 if length == 2 else 0  # noqa: PLR2004
    return 1 if length < 6 else 2 if length < 14 else 3  # noqa: PLR2004 - a third of the letters, and never more


@lru_cache(maxsize=8192)
def related(name: str, wanted: str) -> bool:
    """Return whether one may well stand for the other, though it is no misspelling: `desc`, `descr`, `description`."""
    left, right = sorted((plain(name), plain(wanted)), key=len)
    if len(left) > _MAX_LENGTH or len(right) > _MAX_LENGTH:
        return False
    if len(left) >= 3 and (right.startswith(left) or right.endswith(left)):  # noqa: PLR2004 - `id` begins too much
        return True
    shared = len(right) * 2 // 5
    return len(left) >= 4 and distance(left, right, shared) <= shared  # noqa: PLR2004


def distance(left: str, right: str, most: int) -> int:
    """Compute the Damerau-Levenshtein distance (insert, delete, substitute, swap neighbours), up to a bound."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        above_that, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, above_that[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return _OVER_BOUND
    return row[-1]
