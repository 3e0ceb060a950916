"""The other forms in which numbers, truth values, ids and listed words arrive: pure; each reading is a certain one."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from consumer.repair.key_names import plain
from consumer.repair.values import Json
from schemas.json_value import same

_LONGEST: Final = 400
_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)", re.ASCII)
_WHOLE: Final = re.compile(r"([+-]?(?:0|[1-9][0-9]*))\.(0+)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*|(?=\.))(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:([,_'\u2019 \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*", re.ASCII)
_GROUPED_FRACTION: Final = re.compile(r"([+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+)(\.[0-9]+)", re.ASCII)
_NO_DIGIT: Final = re.compile(r"[^0-9+-]")
_TRUTH: Final = {
    **dict.fromkeys(("true", "yes", "y", "on", "t", "1"), True),
    **dict.fromkeys(("false", "no", "n", "off", "f", "0"), False),
}
_HEX: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_DASHED: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def integers(text: str) -> Iterator[tuple[int, str]]:
    """Read an integer, with how; two readings where there are two."""
    bare = _bare(text)
    if len(bare) > _LONGEST:
        return
    if _INTEGER.fullmatch(bare):
        yield int(bare), "a quoted number"
    elif _GROUPED.fullmatch(bare):
        yield int(_NO_DIGIT.sub("", bare)), "a number in groups of digits"
    elif whole := _WHOLE.fullmatch(bare):
        yield int(whole[1]), "a quoted whole number"
        # 1.000 is one, or a thousand.
        if len(whole[2]) == 3 and 1 <= len(whole[1].lstrip("+-")) <= 3 and whole[1].lstrip("+-") != "0":  # noqa: PLR2004
            yield int(whole[1] + whole[2]), "a number in groups of digits"


def numbers(text: str) -> Iterator[tuple[int | float, str]]:
    """Read a number, with how, where no digit is lost; two readings where there are two."""
    bare = _bare(text)
    if len(bare) > _LONGEST or not bare:
        return
    if _INTEGER.fullmatch(bare):
        yield int(bare), "a quoted number"
    elif _NUMBER.fullmatch(bare):
        yield from _exactly(bare, "a quoted number")
    elif grouped := _GROUPED.fullmatch(bare):
        yield int(_NO_DIGIT.sub("", bare)), "a number in groups of digits"
        if bare.count(",") == 1 and grouped[1] == ",":  # a decimal comma as well
            yield from _exactly(bare.replace(",", "."), "a number with a decimal comma")
    elif fraction := _GROUPED_FRACTION.fullmatch(bare):
        yield from _exactly(fraction[1].replace(",", "") + fraction[2], "a number in groups of digits")


def _bare(text: str) -> str:
    bare = text.strip()
    return f"-{bare[1:]}" if bare.startswith("\u2212") else bare  # the minus of typography


def _exactly(text: str, how: str) -> Iterator[tuple[int | float, str]]:
    number = float(text)
    if abs(number) != float("inf") and Decimal(repr(number)) == Decimal(text):
        yield number, how


def looks_like_an_id(text: str) -> bool:
    """Tell of digits with leading zeros: as a number they would not be the same any more."""
    bare = text.strip().lstrip("+-")
    return len(bare) > 1 and bare[0] == "0" and bare.isascii() and bare.isdigit()


def truth(value: str | int) -> bool | None:
    """Read a word, or 0 and 1, as a truth value."""
    return _TRUTH.get(str(value).strip().casefold()) if len(str(value)) < 20 else None  # noqa: PLR2004


def nearest(value: Json, members: Sequence[Json]) -> list[tuple[Json, int, str]]:
    """Find the listed values that this one may be meant as, and none that are farther off: how far, and how."""
    found = list(_listed(value, members))
    least = min((far for _, far, _ in found), default=0)
    return [one for one in found if one[1] == least]


def _listed(value: Json, members: Sequence[Json]) -> Iterator[tuple[Json, int, str]]:
    if isinstance(value, str):
        bare = value.strip()
        for member in members:
            if isinstance(member, str):
                yield from _alike(bare, member)
            elif not isinstance(member, list | dict) and _written(member, bare.casefold()):
                yield member, 1, "in quotes"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from ((one, 2, "without quotes") for one in members if isinstance(one, str) and one == str(value))


def _alike(bare: str, member: str) -> Iterator[tuple[Json, int, str]]:
    if member.strip() == bare:
        yield member, 0, "padded"
    elif member.casefold() == bare.casefold():
        yield member, 1, "in another case"
    elif plain(bare) and plain(member) == plain(bare):
        yield member, 2, "in another spelling of its words"


def _written(member: Json, text: str) -> bool:
    match member:
        case bool():
            return truth(text) is member
        case None:
            return text in {"null", "none"}
        case int() | float():
            return any(same(number, member) for number, _ in numbers(text))
        case _:
            return False


def uuid_of(text: str) -> str | None:
    """Give an id its usual dashes."""
    bare = text.strip().removeprefix("urn:uuid:").removeprefix("{").removesuffix("}")
    if _HEX.fullmatch(bare):
        return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"
    return bare if _DASHED.fullmatch(bare) and bare != text else None
