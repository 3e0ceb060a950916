"""What kinds of sounds a text is made of when it is spoken, in their order, as far as its letters tell. Pure.

Spelling differs from language to language; kinds of sounds hardly do: a vowel is loud and low, an "s" is high, a "t" is
a gap. Letters of the Latin and the Cyrillic alphabet tell their kind well enough in thirty languages. Which of them are
silent is not known, so each may be left out at a price, and the last ones of a word at little. How numbers are read
is known of English alone: digit by digit, or as numbers.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from consumer.media.speech_length import plain_text


class SoundKind(Enum):
    """Kinds that the spectrum of any voice tells apart."""

    VOWEL = "vowel"
    SIBILANT = "sibilant"
    VOICED_SIBILANT = "voiced sibilant"
    STOP = "stop"
    SONORANT = "sonorant"
    FRICATIVE = "fricative"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSequence:
    """One way to read a text: the kinds of its sounds, and for each what it costs to leave it out, in nats."""

    kinds: tuple[SoundKind, ...]
    skips: tuple[float, ...]


_K: Final = SoundKind
_KINDS: Final = {
    letter: kind
    for kind, letters in (
        (_K.VOWEL, "aeiouyæøœıаеёиоуыэюяіїєъь"),  # noqa: RUF001 - Cyrillic
        (_K.SIBILANT, "sxʃßсцчшщ"),  # noqa: RUF001
        (_K.VOICED_SIBILANT, "zзж"),
        (_K.STOP, "ptkbdgqcпткбдгґðþđ"),  # noqa: RUF001
        (_K.SONORANT, "mnlrwjłмнлрй"),  # noqa: RUF001
        (_K.FRICATIVE, "fvhфвх"),  # noqa: RUF001
        (_K.PAUSE, ".,!?;:"),
    )
    for letter in letters
}
_SPELT: Final = tuple(
    (re.compile(spelt), sound)
    for spelt, sound in (
        ("sch|ch|sh", "ʃ"),
        ("tz|ss", "s"),
        ("c(?=[eiy])", "s"),
        ("ck|qu", "k"),
        ("ph|th", "f"),
        ("gh", "g"),
        ("(?<=[aeiouy])s(?=[aeiouy])", "z"),
        (r"([^\W\d_])\1", r"\1"),
    )
)
_SILENT_END: Final = re.compile(r"(?:e?[^\W\d_aeiouyаеёиоуыэюя]*)(?![^\W\d_])")  # noqa: RUF001
_SKIP, _SKIP_LAST, _SKIP_VOWEL = 2.5, 0.5, 1.0
_LEAST_SOUNDS: Final = 12
_KNOWN_SHARE: Final = 0.9
_DIGITS: Final = re.compile(r"\d+")
_GROUPED: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD: Final = re.compile(r"[^\W\d_]+")
_ENGLISH: Final = frozenset(
    ("the", "and", "with", "this", "that", "your", "you", "our", "us", "from", "call", "please", "which", "their")
)
_OFTEN_ENGLISH: Final = frozenset(
    ("of", "for", "to", "we", "in", "on", "at", "is", "or", "by", "it", "was", "are", "have", "be", "not", "as", "an")
)
_ENOUGH: Final = 3
_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES: Final = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (100, "hundred"))
_LONGEST_NUMBER: Final = 12


def readings(text: str) -> tuple[SoundSequence, ...]:
    """Return the ways in which a text may be read; none where its letters do not tell how it sounds."""
    plain = plain_text(text).lower()
    letters = [letter for letter in _decomposed(plain) if letter.isalpha()]
    known = sum(letter in _KINDS for letter in letters)
    if not letters or known < len(letters) * _KNOWN_SHARE:
        return ()
    if not _DIGITS.search(plain):
        read: tuple[str, ...] = (plain,)
    elif _is_english(plain):
        digits = _DIGITS.sub(lambda found: f" {_digit_by_digit(found[0])} ", plain)
        read = (digits, _DIGITS.sub(lambda found: f" {_as_number(found[0])} ", _GROUPED.sub("", plain)))
    else:
        return ()
    found = tuple(_reading(one) for one in read)
    return found if all(len(one.kinds) >= _LEAST_SOUNDS for one in found) else ()


def _is_english(text: str) -> bool:
    words = set(_WORD.findall(text))
    return bool(words & _ENGLISH) or len(words & _OFTEN_ENGLISH) >= _ENOUGH


def _digit_by_digit(digits: str) -> str:
    return " ".join(_ONES[int(digit)] for digit in digits)


def _as_number(digits: str) -> str:
    return _in_words(int(digits)) if len(digits) < _LONGEST_NUMBER else _digit_by_digit(digits)


def _in_words(number: int) -> str:
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:  # noqa: PLR2004
        tens = _TENS[number // 10 - 2]
        return f"{tens} {_ONES[number % 10]}" if number % 10 else tens
    size, scale = next(one for one in _SCALES if number >= one[0])
    above = f"{_in_words(number // size)} {scale}"
    return f"{above} {_in_words(number % size)}" if number % size else above


def _decomposed(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def _reading(text: str) -> SoundSequence:
    spelt = _decomposed(text)
    for pattern, sound in _SPELT:
        spelt = pattern.sub(sound, spelt)
    kinds, skips = list[SoundKind](), list[float]()
    for kind, skip in _sounds(spelt):
        if kinds and kind is kinds[-1] is SoundKind.VOWEL:
            skips[-1] = min(skips[-1], _SKIP_VOWEL)  # two letters are often one vowel
        kinds.append(kind)
        skips.append(skip)
    return SoundSequence(kinds=tuple(kinds), skips=tuple(skips))


def _sounds(spelt: str) -> Iterator[tuple[SoundKind, float]]:
    for at, letter in enumerate(spelt):
        kind = _KINDS.get(letter)
        if kind is None:
            continue
        is_cheap = kind is SoundKind.PAUSE or letter == "h" or _SILENT_END.match(spelt, at) is not None
        yield kind, _SKIP_LAST if is_cheap else _SKIP
