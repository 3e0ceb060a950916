"""Members that tell how others are to be read, or take back what they say: without them these mean another. Pure."""

import re
from functools import lru_cache
from typing import Final

from consumer.repair.key_names import plain, words_of
from consumer.repair.known_words import QUALIFIERS, REVERSALS
from consumer.repair.values import Json

_PARTS: Final = re.compile(r"[\W_]+")
_UNSAID: Final = frozenset({"", "false", "no", "none", "n", "0", "null", "nein", "non", "нет", "いいえ", "否"})


@lru_cache(maxsize=4096)
def says_words(name: str) -> frozenset[str]:
    """Return the words of a name, in lower case: also those with letters that are not ASCII, and the whole."""
    parts = {word.casefold() for word in (*words_of(name), *_PARTS.split(name))}
    return frozenset(parts | {plain(name)})


def qualifies(name: str, value: Json) -> bool:
    """Return whether a member says how the others are to be read, or that they do not hold."""
    if value in (None, "", [], {}):
        return False
    words = says_words(name)
    if not words.isdisjoint(QUALIFIERS):
        return True
    is_said = value not in (False, 0) and not (isinstance(value, str) and value.strip().casefold() in _UNSAID)
    return is_said and not words.isdisjoint(REVERSALS)
