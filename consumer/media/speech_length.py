"""How long a text takes to be spoken: its characters, weighted by what they become in a mouth. Pure.

The pace of a voice is in seconds per character of running text. What voices speak differently has a least and a most:
"1984" is "nineteen eighty-four" or four digits, an acronym is spelled or read as a word, an emoji is named or passed
over. Tags of SSML are not spoken, but one may ask for a pause. The weights were measured with espeak-ng in six
languages, those of scripts in thirty.
"""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

USUAL_PACE: Final = 0.06
"""Seconds per Latin letter: about 150 words a minute."""
_TAG: Final = re.compile(r"<[^<>]{1,400}>")
_PAUSE: Final = re.compile(r"<break\b[^<>]*\btime\s*=\s*[\"'](\d{1,6}(?:\.\d{1,3})?)\s*(ms|s)[\"']")
_SPACE: Final = re.compile(r"\s+")
_LINES: Final = re.compile(r"(?<![.!?:;,])\s*\n\s*")
_MILLISECONDS: Final = 1000
_CLASSES: Final = (  # name, characters, and so many of running text at least and at most for each
    ("address", r"(?:https?://|www\.)[^\s<>\"]{1,400}|[\w.+-]{1,64}@[\w-]{1,60}\.[\w.-]{1,100}", 0, 0),
    ("amount", r"(?<=[$£€¥])\s?\d{2,}|\d{1,3}(?:[,.'\u00a0\u202f]\d{3})+(?!\d)", 6.0, 7.5),
    ("digit", r"\d", 4.4, 7.5),  # "7" is "seven", "4719" four digits, or four thousand and so on
    ("acronym", r"(?<![^\W_])[A-Z\u00c0-\u00de\u0391-\u03a9\u0410-\u042f]{1,5}(?![^\W_])", 1.0, 4.0),
    ("picture", r"[\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff©®™]", 0, 16.0),
    ("sign", r"[%&@#$€£¥₹+=/*°§\u00d7\u00f7~<>|^_\\]", 0, 8.0),
    ("end", r"[.!?:;\u2026\u3002\uff01\uff1f]", 0.5, 5.0),  # a pause, or a "dot"
    ("mark", r"[-\u2010-\u2015\"'()\[\]{}\u00ab\u00bb\u2018-\u201f\u2022\u00b7]", 0, 1.5),
    ("unspoken", r"[\u00ad\u200b-\u200f\u20e3\u2060\ufe00-\ufe0f]", 0, 0),
    ("ideograph", r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]", 4.0, 4.0),
    ("syllable of Hangul", r"[\uac00-\ud7a3]", 2.4, 2.4),
    ("kana", r"[\u3040-\u30ff]", 2.1, 2.1),
    ("syllable of Ethiopic", r"[\u1200-\u137f]", 1.9, 1.9),
    ("letter without vowels", r"[\u0590-\u06ff\u0750-\u077f]", 1.3, 1.3),  # Hebrew and Arabic do not write them
    ("letter without spaces", r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]", 1.5, 1.5),
)
_ANY: Final = re.compile("|".join(f"({pattern})" for _, pattern, _, _ in _CLASSES))
_NUMBERS: Final = frozenset({"amount", "digit"})
_IN_ADDRESSES: Final = (0.8, 2.0)
"""A letter of an address is read or spelled."""
_SIGN_IN_ADDRESSES: Final = (0.0, 6.0)
_DIGIT: Final = (4.4, 7.5)
_ALIKE: Final = 0.6
_COMPARED: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenText:
    """What a text amounts to when it is spoken."""

    least: float
    """Its characters as running Latin text would have them, spoken in the shortest way."""
    most: float
    likely: float
    """The same where numbers are neither read in the shortest way nor in the longest."""
    pauses: float
    """Seconds of silence that it asks for."""


def spoken(text: str) -> SpokenText:
    """Return what a text amounts to."""
    pauses = sum(float(number) / (_MILLISECONDS if unit == "ms" else 1) for number, unit in _PAUSE.findall(text))
    plain = plain_text(text)
    least = most = likely = float(len(plain))
    for found in _ANY.finditer(plain):
        length = len(found[0])
        if found.lastindex == 1:
            low, high = _address(found[0])
            middle = low
        else:
            name, _, each_low, each_high = _CLASSES[(found.lastindex or 1) - 1]
            low, high = each_low * length, each_high * length
            middle = (low + high) / 2 if name in _NUMBERS else low
        least += low - length
        most += high - length
        likely += middle - length
    return SpokenText(least=least, most=most, likely=likely, pauses=pauses)


def plain_text(text: str) -> str:
    """Return a text without tags, its lines ended as sentences are."""
    return _SPACE.sub(" ", _LINES.sub(". ", _TAG.sub("", text).strip()))


def _address(text: str) -> tuple[float, float]:
    letters, digits = sum(map(str.isalpha, text)), sum(map(str.isdigit, text))
    counted = ((letters, _IN_ADDRESSES), (digits, _DIGIT), (len(text) - letters - digits, _SIGN_IN_ADDRESSES))
    return sum(n * low for n, (low, _) in counted), sum(n * high for n, (_, high) in counted)


def says_it_twice(text: str) -> bool:
    """Return whether a text's two halves are alike, so that true speech of it is, too."""
    plain = plain_text(text).lower()[:_COMPARED]
    middle = len(plain) // 2
    if not middle:
        return False
    # Where its halves part is not known to the letter: a word's length to either side.
    return SequenceMatcher(None, plain[:middle], plain[middle:], autojunk=False).ratio() > _ALIKE
