"""Undoes what hides a name from a pattern: characters that are not seen, and letters of another script. Pure."""

import re
from typing import Final
from unicodedata import normalize

_UNSEEN: Final = "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufe00\ufe0f\ufeff"
_WITHOUT_UNSEEN: Final = str.maketrans("", "", _UNSEEN)
_ALIKE: Final = str.maketrans(
    "аеорсухіјѕԁɡһвкмнтАЕОРСУХІЈЅВКМНТαορυιντκΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɑо",
    "aeopcyxijsdghbkmhtAEOPCYXIJSBKMHTaopuivtkABEZHIKMNOPTYXiao",
)
"""Letters of other scripts that look like Latin ones."""
HIDDEN: Final = (
    rf"[{_UNSEEN}]|[A-Za-z][\u0370-\u03ff\u0400-\u052f\uff21-\uff5a]|[\u0370-\u03ff\u0400-\u052f\uff21-\uff5a][A-Za-z]"
)
"""What announces such a name: an unseen character, or two scripts in one word."""
_IS_HIDDEN: Final = re.compile(HIDDEN)
_WORD: Final = re.compile(r"\w+")
_LATIN: Final = re.compile("[A-Za-z]")


def is_hidden(text: str) -> bool:
    """Return whether a text may hide a name."""
    return not text.isascii() and _IS_HIDDEN.search(text) is not None


def fold(text: str) -> str:
    """Return the text as it is read: without unseen characters, a word of two scripts in Latin letters."""
    return _WORD.sub(_fold_word, text.translate(_WITHOUT_UNSEEN))


def _fold_word(found: re.Match[str]) -> str:
    word = found[0]
    return word if word.isascii() or not _LATIN.search(word) else normalize("NFKC", word).translate(_ALIKE)


def fold_name(name: str) -> str:
    """Return a name as it is read."""
    return fold(name) if is_hidden(name) else name
