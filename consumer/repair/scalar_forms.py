"""Scalar formats: converts strings to numbers, booleans, UUIDs and enum values. Pure; yields exact readings only."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from consumer.repair.key_names import plain
from consumer.repair.known_words import CASED_UNITS
from consumer.repair.values import Json
from schemas.json_value import same

_MAX_LENGTH: Final = 400
_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)", re.ASCII)
_WHOLE: Final = re.compile(r"([+-]?(?:0|[1-9][0-9]*))\.(0+)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*|(?=\.))(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:([,_'\u2019 \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*", re.ASCII)
_GROUPED_FRACTION: Final = re.compile(r"([+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+)(\.[0-9]+)", re.ASCII)
_NO_LETTER: Final = re.compile(r"[\W_]+")
_NO_DIGIT: Final = re.compile(r"[^0-9+-]")
_TRUTH: Final = {
    **dict.fromkeys(("true", "yes", "y", "on", "t", "1"), True),
    **dict.fromkeys(("false", "no", "n", "off", "f", "0"), False),
}
_SIGNIFICANT: Final = re.compile(
    r"\d+|\+|(?:^|(?<=[\s(]))[-\u2212]|[-\u2212](?=\s*\d|\W*$)|[\"\u2032\u2033']|[<>=!~#*/%&]"
)
"""Digits, signs before a number or at an end, and marks that mean something: no separators."""
_NAMED_BY_NUMBER: Final = re.compile(r"\b(utf|sha|iso|aes|md|base)-(?=\d)", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_DASHED: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def integers(text: str) -> Iterator[tuple[int, str]]:
    """Yield the integers that a text may mean, each with a description; two where it is ambiguous."""
    bare = _strip(text)
    if len(bare) > _MAX_LENGTH:
        return
    if _INTEGER.fullmatch(bare):
        yield int(bare), "a quoted number"
    elif _GROUPED.fullmatch(bare):
        yield int(_NO_DIGIT.sub("", bare)), "a number in groups of digits"
    elif whole := _WHOLE.fullmatch(bare):
        yield int(whole[1]), "a quoted whole number"
        # Ambiguous: 1.000 is one, or a thousand.
        if len(whole[2]) == 3 and 1 <= len(whole[1].lstrip("+-")) <= 3 and whole[1].lstrip("+-") != "0":  # noqa: PLR2004
            yield int(whole[1] + whole[2]), "a number in groups of digits"


def numbers(text: str) -> Iterator[tuple[int | float, str]]:
    """Yield the numbers that a text may mean, with a description, where no digit is lost; two where it is ambiguous."""
    bare = _strip(text)
    if len(bare) > _MAX_LENGTH or not bare:
        return
    if _INTEGER.fullmatch(bare):
        yield int(bare), "a quoted number"
    elif _NUMBER.fullmatch(bare):
        yield from _parse_exact(bare, "a quoted number")
    elif grouped := _GROUPED.fullmatch(bare):
        yield int(_NO_DIGIT.sub("", bare)), "a number in groups of digits"
        if bare.count(",") == 1 and grouped[1] == ",":  # ambiguous: a decimal comma as well
            yield from _parse_exact(bare.replace(",", "."), "a number with a decimal comma")
    elif fraction := _GROUPED_FRACTION.fullmatch(bare):
        yield from _parse_exact(fraction[1].replace(",", "") + fraction[2], "a number in groups of digits")


def _strip(text: str) -> str:
    bare = text.strip()
    return f"-{bare[1:]}" if bare.startswith("\u2212") else bare  # the typographic minus sign


def _parse_exact(text: str, how: str) -> Iterator[tuple[int | float, str]]:
    number = float(text)
    if abs(number) != float("inf") and Decimal(repr(number)) == Decimal(text):
        yield number, how


def looks_like_an_id(text: str) -> bool:
    """Return whether a text is digits with leading zeros, such as an id: converted to a number it would lose them."""
    bare = text.strip().lstrip("+-")
    return len(bare) > 1 and bare[0] == "0" and bare.isascii() and bare.isdigit()


def truth(value: str | int) -> bool | None:
    """Parse a word, or 0 and 1, as a boolean."""
    return _TRUTH.get(str(value).strip().casefold()) if len(str(value)) < 20 else None  # noqa: PLR2004


def nearest(value: Json, members: Sequence[Json]) -> list[tuple[Json, int, str]]:
    """Return the enum values at the least distance from this value, each with the distance and a description."""
    found = list(_match_members(value, members))
    least = min((far for _, far, _ in found), default=0)
    if least and _has_a_rival(value, members, {str(member) for member, _, _ in found}):
        return []
    return [one for one in found if one[1] == least]


def _has_a_rival(value: Json, members: Sequence[Json], found: set[str]) -> bool:
    """Return whether another listed text is the same but for its signs, or for the way in which a number is written."""
    others = [member for member in members if isinstance(member, str) and member not in found]
    if isinstance(value, str):
        return any(_letters(member) == _letters(value) for member in others)
    return any(same(number, value) for member in others for number, _ in numbers(member))


def _letters(text: str) -> str:
    return _NO_LETTER.sub("", text.casefold())


def _match_members(value: Json, members: Sequence[Json]) -> Iterator[tuple[Json, int, str]]:
    if isinstance(value, str):
        bare = value.strip()
        worded = not any(isinstance(member, str) for member in members)
        for member in members:
            if isinstance(member, str):
                yield from _match_text(bare, member)
            elif not isinstance(member, list | dict) and _is_text_of(member, bare.casefold(), worded=worded):
                yield member, 1, "in quotes"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from ((one, 2, "without quotes") for one in members if isinstance(one, str) and one == str(value))


def _match_text(bare: str, member: str) -> Iterator[tuple[Json, int, str]]:
    if member.strip() == bare:
        yield member, 0, "padded"
    elif _tells_apart(member, bare):
        return
    elif member.casefold() == bare.casefold():
        yield member, 1, "in another case"
    elif plain(bare) and plain(member) == plain(bare):
        yield member, 2, "in another spelling of its words"


def _tells_apart(member: str, text: str) -> bool:
    """Return whether two texts that may be equal up to case and separators differ in a sign, a number or a unit."""
    if _significant(member) != _significant(text):
        return True
    return member.casefold() == text.casefold() and {member, text} <= CASED_UNITS


def _significant(text: str) -> list[str]:
    return [found for found in _SIGNIFICANT.findall(_NAMED_BY_NUMBER.sub(r"\1", text)) if found]


def _is_text_of(member: Json, text: str, *, worded: bool) -> bool:
    match member:
        case bool():
            return (truth(text) if worded else {"true": True, "false": False}.get(text)) is member
        case None:
            return text in {"null", "none"}
        case int() | float():
            return any(same(number, member) for number, _ in numbers(text))
        case _:
            return False


def uuid_of(text: str) -> str | None:
    """Return a UUID with its dashes; None where the text is none, or has them already."""
    bare = text.strip().removeprefix("urn:uuid:").removeprefix("{").removesuffix("}")
    if _HEX.fullmatch(bare):
        return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"
    return bare if _DASHED.fullmatch(bare) and bare != text else None
