"""Which name or pattern of a catalog somebody probably meant whose own is in none."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from typing import Final

_PARTS: Final = re.compile(r"[^.:/]*[.:/]?")
_NEAR: Final = 0.75


def meant_pattern(given: str, patterns: Iterable[str]) -> str:
    """Return `: did you mean ...?` for the nearest pattern, compared as far as it says something; else nothing."""
    others = (one for one in patterns if not fnmatchcase(given, one))  # one that fits is refused for another reason
    likeness, pattern = max(((_likeness(given, one), one) for one in others), default=(0.0, ""))
    return f": did you mean `{pattern}`?" if likeness >= _NEAR else ""


def _likeness(given: str, pattern: str) -> float:
    said, wildcard, _ = pattern.partition("*")
    if not said:
        return 0.0
    # Of the name as many parts as the pattern spells out: what its `*` stands for is like anything.
    as_long = "".join(_PARTS.findall(given)[: len(_PARTS.findall(said)) - 1]) if wildcard else given
    return SequenceMatcher(None, as_long, said).ratio()
