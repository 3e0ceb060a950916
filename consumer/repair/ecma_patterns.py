"""Regular expressions of JSON Schema (ECMA-262), and schemas with them, written for Python's `re`. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from consumer.repair.references import NAMED_SCHEMAS, NO_SCHEMAS
from consumer.repair.unicode_classes import ranges_of

_SPACE: Final = r"\t\n\x0b\x0c\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_PLAIN: Final = re.compile(r"[A-Za-z0-9^._ @:/,;<>=!#%&~+*?(|){}\[\]-]*")
_PROPERTY: Final = re.compile(r"\\([pP])\{([A-Za-z_=\- ]{1,64})\}")
_CODE_POINT: Final = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}")
_PAIR: Final = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_CONTROL: Final = re.compile(r"\\c([A-Za-z])")
_NAMED: Final = re.compile(r"\(\?<([A-Za-z_]\w*)>", re.ASCII)
_NAMED_AGAIN: Final = re.compile(r"\\k<([A-Za-z_]\w*)>", re.ASCII)


class UnknownProperty(ValueError):
    """A pattern names a Unicode property that is not known here."""


@lru_cache(maxsize=1024)
def python_pattern(text: str) -> str:
    """Return a pattern that means in Python what this one means in JSON Schema; raises UnknownProperty."""
    if _PLAIN.fullmatch(text) and "(?<" not in text and not re.search(r"\[\^?\]|\[[^\]]*[\[&~|]", text):
        return text
    pieces: list[str] = []
    at, in_class = 0, False
    while at < len(text):
        piece, at, in_class = _next(text, at, in_class=in_class)
        pieces.append(piece)
    written = "".join(pieces)
    return f"(?a){written}" if re.search(r"\\[wWdDbB]", written) else written


def _next(text: str, at: int, *, in_class: bool) -> tuple[str, int, bool]:  # noqa: PLR0911 - one for each sign
    sign = text[at]
    if sign == "\\":
        piece, end = _escape(text, at, in_class=in_class)
        return piece, end, in_class
    if in_class:
        return ("\\" + sign if sign in "[&~|" else sign), at + 1, sign != "]"
    if sign == "[":
        if text.startswith("[^]", at):
            return r"[\s\S]", at + 3, False
        if text.startswith("[]", at):
            return "(?!)", at + 2, False
        return ("[^", at + 2, True) if text.startswith("[^", at) else ("[", at + 1, True)
    if sign == "$":
        return r"\Z", at + 1, False  # Python's own `$` also matches before a last line break
    if (named := _NAMED.match(text, at)) is not None:
        return f"(?P<{named[1]}>", named.end(), False
    return sign, at + 1, False


def _escape(text: str, at: int, *, in_class: bool) -> tuple[str, int]:  # noqa: PLR0911 - one for each escape
    if (found := _PROPERTY.match(text, at)) is not None:
        ranges = ranges_of(found[2], negated=found[1] == "P")
        if ranges is None:
            raise UnknownProperty(found[2])
        return (ranges if in_class else f"[{ranges}]" if ranges else "(?!)"), found.end()
    if (found := _CODE_POINT.match(text, at)) is not None and int(found[1], 16) <= 0x10FFFF:  # noqa: PLR2004
        return f"\\U{int(found[1], 16):08x}", found.end()
    if (found := _PAIR.match(text, at)) is not None:
        code = 0x10000 + ((int(found[1], 16) - 0xD800) << 10) + int(found[2], 16) - 0xDC00
        return f"\\U{code:08x}", found.end()
    if (found := _CONTROL.match(text, at)) is not None:
        return f"\\x{ord(found[1].upper()) - 64:02x}", found.end()
    if not in_class and (found := _NAMED_AGAIN.match(text, at)) is not None:
        return f"(?P={found[1]})", found.end()
    letter = text[at + 1 : at + 2]
    if letter == "s":
        return (_SPACE if in_class else f"[{_SPACE}]"), at + 2
    if letter == "S" and not in_class:
        return f"[^{_SPACE}]", at + 2
    return text[at : at + 2], at + 2


def with_python_patterns(schema: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a schema with its patterns written for Python: the same object where none had to be written anew."""
    if isinstance(schema, list):
        items = [with_python_patterns(item) for item in schema]
        return items if any(new is not old for new, old in zip(items, schema, strict=True)) else schema
    if not isinstance(schema, Mapping):
        return schema
    members = {name: _member(name, value) for name, value in schema.items()}
    return members if any(members[name] is not value for name, value in schema.items()) else schema


def _member(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if name in NO_SCHEMAS:
        return value
    if name == "pattern" and isinstance(value, str):
        written = python_pattern(value)
        return value if written == value else written
    if name in NAMED_SCHEMAS and isinstance(value, Mapping):
        inner = {key: with_python_patterns(one) for key, one in value.items()}
        keys = {key: python_pattern(key) if name == "patternProperties" else key for key in inner}
        same = all(inner[key] is value[key] and keys[key] == key for key in inner)
        return value if same else {keys[key]: one for key, one in inner.items()}
    return with_python_patterns(value)
