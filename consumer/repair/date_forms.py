"""Date and time formats other than ISO 8601: converts them. Pure; an ambiguous date yields both readings."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

_MAX_LENGTH: Final = 64
_YEAR_FIRST: Final = re.compile(r"(\d{4})([/.\-_ ])(\d{1,2})\2(\d{1,2})", re.ASCII)
_BASIC: Final = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
_YEAR_LAST: Final = re.compile(r"(\d{1,2})([/.\-])(\d{1,2})\2(\d{4})", re.ASCII)
_MIDNIGHT: Final = re.compile(r"(.+?)(?:[Tt ]\s*00:?00(?::?00(?:\.0{1,9})?)?\s*(?:[Zz]|UTC|GMT|[+-]00:?00)?)", re.ASCII)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WORDS: Final = re.compile(r"[\s,\-./]+")
_TIME: Final = re.compile(
    r"(.+?)(?:[Tt]|\s+)(\d\d):?(\d\d)(?::?(\d\d)([.,]\d{1,9})?)?\s*([Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)", re.ASCII
)


def dates(text: str) -> Iterator[str]:
    """Yield the calendar days that a text may mean; midnight is the day itself, any other time of day is rejected."""
    bare = text.strip()
    if len(bare) > _MAX_LENGTH:
        return
    midnight = _MIDNIGHT.fullmatch(bare)
    yield from _days(midnight[1] if midnight else bare)


def date_times(text: str) -> Iterator[str]:
    """Yield the timestamps that a text may mean; one without a UTC offset or time of day is rejected."""
    bare = text.strip()
    parts = _TIME.fullmatch(bare) if len(bare) <= _MAX_LENGTH else None
    if parts is None:
        return
    fraction = (parts[5] or "").replace(",", ".")
    for day in _days(parts[1].rstrip()):
        yield f"{day}T{parts[2]}:{parts[3]}:{parts[4] or '00'}{fraction}{_offset(parts[6])}"


def _offset(text: str) -> str:
    if text.upper() in {"Z", "UTC", "GMT"}:
        return "Z"
    digits = text[1:].replace(":", "")
    if not digits.strip("0") and ":" not in text:
        return "Z"  # equivalent, and what most writers mean
    return f"{text[0]}{digits[:2]}:{digits[2:] or '00'}"


def _days(text: str) -> Iterator[str]:
    if found := _YEAR_FIRST.fullmatch(text):
        yield from _day(found[1], found[3], found[4])
    elif found := _BASIC.fullmatch(text):
        yield from _day(found[1], found[2], found[3])
    elif found := _YEAR_LAST.fullmatch(text):
        # Ambiguous: day first in most of the world, month first in some of it.
        yield from dict.fromkeys([*_day(found[4], found[3], found[1]), *_day(found[4], found[1], found[3])])
    else:
        yield from _in_words(text)


def _in_words(text: str) -> Iterator[str]:
    words = [word for word in _WORDS.split(text.lower()) if word]
    if len(words) != 3:  # noqa: PLR2004 - a day, a month, a year
        return
    months = [_month(word) for word in words]
    match [word for word, month in zip(words, months, strict=True) if month is None]:
        case [day, year] if len(year) == 4 and (months[0] or months[1]):  # noqa: PLR2004
            yield from _day(year, str(months[0] or months[1]), day)
        case [year, day] if len(year) == 4 and months[1]:  # noqa: PLR2004
            yield from _day(year, str(months[1]), day)


def _month(word: str) -> int | None:
    for names in (_MONTHS, _NAMES):
        if word in names:
            return names.index(word) + 1
    return None


def _day(year: str, month: str, day: str) -> Iterator[str]:
    try:
        yield date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return
