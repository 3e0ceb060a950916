"""Marks of letters: to normalize a text takes time by the square of how many follow one another, so they are cut."""

import re
import unicodedata
from typing import Final

MOST_MARKS: Final = 30
"""In a row; as in Unicode's Stream-Safe Text Format (UAX 15)."""
# No mark is a letter to `re`, but the two voiced marks of half width are, and decompose into marks.
_MANY: Final = re.compile(rf"(?:[^\w\s\0-\x7f]|[\uff9e\uff9f]){{{MOST_MARKS + 1},}}")


def without_surplus_marks(text: str) -> str:
    """Return the text with so many combining marks in a row at most: normalizing it then takes time by its length."""
    return text if text.isascii() else _MANY.sub(_shorten, text)


def _shorten(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for letter in run[0]:
        marks = marks + 1 if _is_mark(letter) else 0
        if marks <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


def _is_mark(letter: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFKD", letter)[0]) != 0
