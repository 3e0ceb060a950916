"""How alike two keys are: another casing, a slip of the keyboard, or neither. Pure."""

import re
from functools import lru_cache
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s_.\-\"'`:\ufeff\u200b]+")
_NO_DIGITS: Final = re.compile(r"\D+")
_LONGEST: Final = 64
_FAR: Final = 99


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Give a name without its casing and separators: `userId`, `user_id` and `User-ID` are one."""
    return _SEPARATORS.sub("", name).casefold()


@lru_cache(maxsize=8192)
def slips(name: str, wanted: str) -> int | None:
    """Count the slips that make one name of the other; None beyond what is one plausible misspelling."""
    left, right = plain(name), plain(wanted)
    # Digits count things: line2 is no misspelt line1.
    if max(len(left), len(right)) > _LONGEST or _NO_DIGITS.sub("", left) != _NO_DIGITS.sub("", right):
        return None
    most = _most(min(len(right), len(left) + 1))
    if abs(len(left) - len(right)) > most:
        return None
    found = distance(left, right, most)
    return found if found <= most else None


def _most(length: int) -> int:
    if length <= 2:  # noqa: PLR2004 - two letters leave nothing to go by
        return 1 if length == 2 else 0  # noqa: PLR2004
    return 1 if length < 6 else 2 if length < 14 else 3  # noqa: PLR2004 - a third of the letters, and never more


@lru_cache(maxsize=8192)
def related(name: str, wanted: str) -> bool:
    """Tell whether one may well stand for the other, though no slip explains it: `desc`, `descr`, `description`."""
    left, right = sorted((plain(name), plain(wanted)), key=len)
    if len(left) > _LONGEST or len(right) > _LONGEST:
        return False
    if len(left) >= 3 and (right.startswith(left) or right.endswith(left)):  # noqa: PLR2004 - `id` begins too much
        return True
    shared = len(right) * 2 // 5
    return len(left) >= 4 and distance(left, right, shared) <= shared  # noqa: PLR2004


def distance(left: str, right: str, most: int) -> int:
    """Count insertions, deletions, substitutions and swaps of neighbours, up to a bound."""
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
            return _FAR
    return row[-1]
