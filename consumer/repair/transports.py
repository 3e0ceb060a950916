"""Undoes what was done to a text as a whole on its way: entities for quotes, a table's quotes, Markdown's marks. Pure.

Each is undone only where it was done throughout: then the text has no other meaning.
"""

import html
import re
from typing import Final, NamedTuple

_ENTITY_QUOTE: Final = re.compile(r"\s*[\[{][\[{\s]*&(?:quot|#34|#x22);", re.IGNORECASE)
_BARE_AMPERSAND: Final = re.compile(r"&(?!#?\w{1,31};)")
_DOUBLED_QUOTE: Final = re.compile(r"\s*[\[{][\[{\s]*\"\"(?!\s*[:,}\]])")
_QUOTES: Final = re.compile(r"\"+")
_MARKED_KEY: Final = re.compile(r"\"[^\"\\]*(?:\\_[^\"\\]*)+\"\s*:")
_UNMARKED: Final = re.compile(r"(?<!\\)_|\\\\+_")


class Undone(NamedTuple):
    """A text as it was before, and what had been done to it."""

    text: str
    note: str


def undone(text: str) -> Undone | None:
    """Return the text as it was written, None where nothing of the kind was done to it."""
    if '"' not in text and _ENTITY_QUOTE.match(text) and not _BARE_AMPERSAND.search(text):
        return Undone(html.unescape(text), "entities for signs")
    field = text[1:-1] if text.startswith('"') and text.endswith('"') else text
    if _DOUBLED_QUOTE.match(field) and all(len(run) % 2 == 0 for run in _QUOTES.findall(field)):
        return Undone(field.replace('""', '"'), "doubled quotes")
    if "\\_" in text and _MARKED_KEY.search(text) and not _UNMARKED.search(text):
        return Undone(text.replace("\\_", "_"), "marks escaped")
    return None
