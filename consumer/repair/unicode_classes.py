"""Characters that a regular expression names by a Unicode property, as ranges for Python's `re`. Pure, cached."""

import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final

_CATEGORIES: Final = {
    "letter": "L", "casedletter": "LC", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt",
    "modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "combiningmark": "M", "nonspacingmark": "Mn",
    "spacingmark": "Mc", "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd", "digit": "Nd",
    "letternumber": "Nl", "othernumber": "No", "punctuation": "P", "punct": "P", "connectorpunctuation": "Pc",
    "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe", "initialpunctuation": "Pi",
    "finalpunctuation": "Pf", "otherpunctuation": "Po", "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc",
    "modifiersymbol": "Sk", "othersymbol": "So", "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl",
    "paragraphseparator": "Zp", "other": "C", "control": "Cc", "cntrl": "Cc", "format": "Cf", "surrogate": "Cs",
    "privateuse": "Co", "unassigned": "Cn",
}  # fmt: skip
_SHORT: Final = frozenset({"LC", *_CATEGORIES.values(), *"LMNPSZC"})
_SCRIPTS: Final = {
    "latin": "LATIN ", "latn": "LATIN ", "greek": "GREEK ", "grek": "GREEK ", "cyrillic": "CYRILLIC ",
    "cyrl": "CYRILLIC ", "hebrew": "HEBREW ", "hebr": "HEBREW ", "arabic": "ARABIC ", "arab": "ARABIC ",
    "han": "CJK ", "hani": "CJK ", "hiragana": "HIRAGANA ", "hira": "HIRAGANA ", "katakana": "KATAKANA ",
    "kana": "KATAKANA ", "hangul": "HANGUL ", "hang": "HANGUL ", "thai": "THAI ", "devanagari": "DEVANAGARI ",
    "deva": "DEVANAGARI ", "armenian": "ARMENIAN ", "armn": "ARMENIAN ", "georgian": "GEORGIAN ",
    "geor": "GEORGIAN ", "bengali": "BENGALI ", "tamil": "TAMIL ", "telugu": "TELUGU ", "khmer": "KHMER ",
    "lao": "LAO ", "tibetan": "TIBETAN ", "ethiopic": "ETHIOPIC ", "mongolian": "MONGOLIAN ",
}  # fmt: skip
"""How the names of a script's letters begin."""
_WHITE_SPACE: Final = frozenset("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000").union(
    map(chr, range(0x2000, 0x200B))
)


@cache
def ranges_of(name: str, *, negated: bool) -> str | None:
    """Return the ranges of a property, for use within brackets; None where it is not known."""
    belongs = _test(name)
    if belongs is None:
        return None
    found: list[tuple[int, int]] = []
    begun: int | None = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and belongs(chr(code)) is not negated
        if inside and begun is None:
            begun = code
        elif not inside and begun is not None:
            found.append((begun, code - 1))
            begun = None
    return "".join(f"\\U{first:08x}" if first == last else f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


def _test(name: str) -> Callable[[str], bool] | None:
    key, _, wanted = name.rpartition("=")
    plain = wanted.replace("_", "").replace(" ", "").replace("-", "").lower()
    if key.lower() in {"script", "sc", "scriptextensions", "script_extensions", "scx"}:
        return _of_script(plain)
    if key and key.lower() not in {"gc", "generalcategory", "general_category"}:
        return None
    category = wanted if wanted in _SHORT else _CATEGORIES.get(plain)
    if category == "LC":
        return lambda letter: unicodedata.category(letter) in {"Lu", "Ll", "Lt"}
    if category is not None:
        return lambda letter: unicodedata.category(letter).startswith(category)
    return None if key else (_BINARY.get(plain) or _of_script(plain))


def _of_script(plain: str) -> Callable[[str], bool] | None:
    begins = _SCRIPTS.get(plain)
    if begins is None:
        return None
    return lambda letter: (
        unicodedata.category(letter)[0] in "LM"
        and begins in unicodedata.name(letter, "").replace("FULLWIDTH ", "")[:40]
    )


_BINARY: Final[dict[str, Callable[[str], bool]]] = {
    "any": lambda _: True,
    "ascii": str.isascii,
    "assigned": lambda letter: unicodedata.category(letter) != "Cn",
    "alphabetic": lambda letter: unicodedata.category(letter)[0] == "L" or unicodedata.category(letter) == "Nl",
    "alpha": lambda letter: unicodedata.category(letter)[0] == "L" or unicodedata.category(letter) == "Nl",
    "uppercase": str.isupper,
    "upper": str.isupper,
    "lowercase": str.islower,
    "lower": str.islower,
    "whitespace": lambda letter: letter in _WHITE_SPACE,
    "space": lambda letter: letter in _WHITE_SPACE,
    "asciihexdigit": lambda letter: letter in "0123456789abcdefABCDEF",
    "ahex": lambda letter: letter in "0123456789abcdefABCDEF",
}
