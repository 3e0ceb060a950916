"""How long a text takes to be spoken: its characters, weighted by what they become in a mouth. Pure.

The pace of a voice is in seconds per character of running text. A digit becomes a word, an ideograph a syllable; tags
of SSML and what stands in brackets for a voice's manner are not spoken, but a tag may ask for a pause.
"""

import re
from dataclasses import dataclass
from typing import Final

USUAL_PACE: Final = 0.06
"""Seconds per Latin letter: about 150 words a minute."""
_TAG: Final = re.compile(r"<[^<>]{1,400}>")
_PAUSE: Final = re.compile(r"<break\b[^<>]*\btime\s*=\s*[\"'](\d{1,6}(?:\.\d{1,3})?)\s*(ms|s)[\"']")
_SPACE: Final = re.compile(r"\s+")
_MILLISECONDS: Final = 1000
_WEIGHTS: Final = (  # so many characters of running text
    (re.compile(r"\d"), 4.0),  # "7" is "seven"
    (re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"), 3.6),  # ideographs
    (re.compile(r"[\uac00-\ud7a3]"), 2.8),  # syllables of Hangul
    (re.compile(r"[\u3040-\u30ff]"), 2.2),  # kana
    (re.compile(r"[%&@#$€£+=/]"), 6.0),  # "%" is "per cent"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenText:
    """What a text amounts to when it is spoken."""

    characters: float
    """Its characters as running Latin text would have them."""
    pauses: float
    """Seconds of silence that it asks for."""


def spoken(text: str) -> SpokenText:
    """Return what a text amounts to."""
    pauses = sum(float(number) / (_MILLISECONDS if unit == "ms" else 1) for number, unit in _PAUSE.findall(text))
    plain = _SPACE.sub(" ", _TAG.sub("", text)).strip()
    extra = sum((weight - 1) * len(pattern.findall(plain)) for pattern, weight in _WEIGHTS)
    return SpokenText(characters=len(plain) + extra, pauses=pauses)
