"""Words that mean something in a field's name: units, currencies, directions and a list of words. Pure.

A key that consists of known words is meant as it is written, however near it is to another one.
"""

from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Final


def _sections() -> dict[str, list[str]]:
    text = Path(__file__).with_name("meanings.txt").read_text(encoding="utf-8")
    sections = (block.split("\n", 1) for block in text.split("\n\n"))
    return {name: words.split() for name, words in sections}


_SECTIONS: Final = _sections()
UNITS: Final = frozenset(_SECTIONS["units"])
"""Units of measurement, as they stand in the names of fields."""
CURRENCIES: Final = frozenset(_SECTIONS["currencies"])
"""ISO 4217, and what is traded like a currency."""
MEASURE_WORDS: Final = frozenset(_SECTIONS["measures"])
"""Names of members that say in what a value is measured: without them it means something else."""
_OPPOSITES: Final = tuple(frozenset(one.split("/")) for one in _SECTIONS["opposites"])
"""Words of which one never stands for another."""
PREFIXES: Final = frozenset(_SECTIONS["prefixes"])
"""What before a word makes it another one: valid and invalid, total and subtotal."""
_VARIANTS: Final = tuple(tuple(one.split("/")) for one in _SECTIONS["variants"])
"""Parts of a word in two spellings: colour and color, cancelled and canceled."""
_HEADS: Final = frozenset(_SECTIONS["heads"])
_AFFIXES: Final = tuple(tuple(one.split("/")) for one in _SECTIONS["affixes"])
_ENDINGS: Final = tuple(tuple(one.split("/")) for one in _SECTIONS["endings"])
"""Beginnings and endings of which one makes another word than the other: hyper and hypo, nitrate and nitrite."""
QUALIFIERS: Final = frozenset(_SECTIONS["qualifiers"])
"""Words of members that tell how the others are to be read: a hemisphere, an era, a base."""
REVERSALS: Final = frozenset(_SECTIONS["reversals"])
"""Words of members that take back what the others say, or make it less than said, where they are true."""
ASIDES: Final = frozenset(_SECTIONS["asides"])
"""Words of an envelope's name that make its content no document: a draft, an example, what was before."""
_ACRONYMS: Final = frozenset(_SECTIONS["acronyms"])
"""Identifiers, codes and measures of trades by their letters: an IMSI is no IMEI."""
ENDS_IN_ROLE: Final = ("er", "or", "ee", "ed", "es", "en")
"""Endings that tell one role, or one time, from another: payer and payee."""
CASED_UNITS: Final = frozenset({"M", "K", "G", "T"}).union(
    f"{prefix}{unit}"
    for prefix in ("", *"munpkKMGT")
    for unit in ("W", "V", "A", "J", "Hz", "s", "S", "b", "B", "g", "m")
)
"""Units of which the case is a part: mW and MW, Mb and MB."""
_MIN_PART: Final = 4
_MIN_STEM: Final = 3
"""Letters before a doubled l; after fewer of them a single one makes another word: `filed`, `tiling`."""
_MIN_PLURAL: Final = 5


@cache
def _words() -> frozenset[str]:
    return _ACRONYMS.union(Path(__file__).with_suffix(".txt").read_text(encoding="ascii").split())


def is_known(word: str) -> bool:
    """Return whether a word, in lower case, means something by itself, or is the plural of one that does."""
    if len(word) < 2 or word in UNITS or word in CURRENCIES or word in _words():  # noqa: PLR2004 - a letter is an axis
        return True
    return len(word) >= _MIN_PLURAL and word[-1] == "s" and word[-2] != "s" and word[:-1] in _words()


def is_another_compound(typed: str, wanted: str) -> bool:
    """Return whether one word is two known ones, of which the other has one: `payerid` and `buyerid`."""
    for at in range(2, len(typed) - 1):
        if _is_part(typed[:at]) and _is_part(typed[at:]):
            if wanted.startswith(typed[:at]) and _is_part(wanted[at:]):
                return True
            if wanted.endswith(typed[at:]) and _is_part(wanted[: at - len(typed)]):
                return True
    return False


def _is_part(word: str) -> bool:
    return word in _HEADS or (len(word) >= _MIN_PART and word in _words())


def are_opposites(one: str, other: str) -> bool:
    """Return whether two words, in lower case, name two different things of one kind."""
    if one == other or are_variants(one, other):
        return False
    if one.isdigit() and other.isdigit():
        return True
    if (one in UNITS and other in UNITS) or (one in CURRENCIES and other in CURRENCIES):
        return True
    return any(one in among and other in among for among in _OPPOSITES)


def has_another_affix(one: str, other: str) -> bool:
    """Return whether two words are the same but for a beginning or an ending that gives each its own meaning."""
    return any(
        one.startswith(a) and other.startswith(b) and _is_stem(one[len(a) :], other[len(b) :])
        for affixes in _AFFIXES
        for a, b in permutations(affixes, 2)
    ) or any(
        one.endswith(a) and other.endswith(b) and _is_stem(one[: -len(a)], other[: -len(b)])
        for endings in _ENDINGS
        for a, b in permutations(endings, 2)
    )


def _is_stem(one: str, other: str) -> bool:
    return one == other and len(one) >= _MIN_STEM


def are_variants(one: str, other: str) -> bool:
    """Return whether two words are one in British and American spelling; `filed` and `filled` are two."""
    if 0 <= max(one, other, key=len).find("ll") < _MIN_STEM:
        return False
    return any(
        (left in one and one.replace(left, right, 1) == other)
        or (left in other and other.replace(left, right, 1) == one)
        for left, right in _VARIANTS
    )
