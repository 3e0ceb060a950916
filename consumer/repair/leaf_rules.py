"""Scalar constraints of a schema (type, enum, bounds, pattern, format) and size limits of containers. Pure, fast."""

import re
from collections.abc import Mapping
from typing import Any, Final

from consumer.repair.formats import FORMATS
from consumer.repair.keywords import is_multiple
from consumer.repair.validator import UnusableSchema
from consumer.repair.values import Json, RefusalCause
from schemas.json_value import same

_TYPES: Final = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_KINDS: Final[dict[type, str]] = {
    type(None): "null", bool: "boolean", str: "string", int: "integer", float: "number", dict: "object", list: "array",
}  # fmt: skip


class Leaf:
    """The scalar constraints of several schemas combined."""

    def __init__(self, parts: tuple[Mapping[str, Any], ...]) -> None:
        self.members = _members(parts)
        self.types = _types(parts, self.members)
        self.formats = tuple(part["format"] for part in parts if isinstance(part.get("format"), str))
        self.patterns = tuple(compiled(part["pattern"]) for part in parts if isinstance(part.get("pattern"), str))
        self._max_length = min((part["maxLength"] for part in parts if "maxLength" in part), default=None)
        self._min_length = max((part["minLength"] for part in parts if "minLength" in part), default=None)
        self._bounds = tuple(bound for part in parts for bound in _bounds(part))
        self._steps = tuple(part["multipleOf"] for part in parts if part.get("multipleOf"))
        self._max_sizes = {name: _least(parts, name) for name in ("maxItems", "maxProperties")}
        self._min_sizes = {name: _greatest(parts, name) for name in ("minItems", "minProperties")}
        self._unique = any(part.get("uniqueItems") is True for part in parts)

    def fault(self, value: Json) -> RefusalCause | None:
        """Return what is wrong with a value, its children aside; None where it is valid."""
        if not self.may_be(value):
            return RefusalCause.WRONG_TYPE
        if self.members is not None and not any(same(value, member) for member in self.members):
            return RefusalCause.UNKNOWN_VALUE
        if isinstance(value, str):
            return self._text_fault(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number_fault(value)
        return None

    def may_be(self, value: Json) -> bool:
        """Return whether a value is of an allowed type."""
        kind = _KINDS[type(value)]
        if kind in self.types or (kind == "integer" and "number" in self.types):
            return True
        return isinstance(value, float) and value.is_integer() and "integer" in self.types

    def size_fault(self, value: dict[str, Json] | list[Json]) -> RefusalCause | None:
        """Return the fault in the number of children; None where it is within the limits."""
        suffix = "Items" if isinstance(value, list) else "Properties"
        most, fewest = self._max_sizes[f"max{suffix}"], self._min_sizes[f"min{suffix}"]
        if (most is not None and len(value) > most) or (fewest is not None and len(value) < fewest):
            return RefusalCause.OUT_OF_RANGE
        return None

    def _text_fault(self, value: str) -> RefusalCause | None:
        if self._max_length is not None and len(value) > self._max_length:
            return RefusalCause.OUT_OF_RANGE
        if self._min_length is not None and len(value) < self._min_length:
            return RefusalCause.OUT_OF_RANGE
        if any(pattern.search(value) is None for pattern in self.patterns):
            return RefusalCause.BAD_FORMAT
        return None if all(FORMATS.conforms(value, name) for name in self.formats) else RefusalCause.BAD_FORMAT

    def _number_fault(self, value: int | float) -> RefusalCause | None:  # noqa: PYI041 - an integer is kept as one
        for name, bound in self._bounds:
            if not _satisfies(name, value, bound):
                return RefusalCause.OUT_OF_RANGE
        return None if all(is_multiple(value, step) for step in self._steps) else RefusalCause.OUT_OF_RANGE


def is_of_one_kind(one: Json, other: Json) -> bool:
    """Return whether two values are of one JSON type, all numbers being one."""
    kinds = {_KINDS[type(one)], _KINDS[type(other)]}
    return len(kinds) == 1 or kinds == {"integer", "number"}


def _types(parts: tuple[Mapping[str, Any], ...], members: list[Json] | None) -> frozenset[str]:
    found = _TYPES
    for part in parts:
        named = part.get("type")
        if named is not None:
            names = frozenset([named] if isinstance(named, str) else named)
            found &= names | {"integer"} if "number" in names else names
    return found if members is None else found & {_KINDS[type(member)] for member in members}


def _members(parts: tuple[Mapping[str, Any], ...]) -> list[Json] | None:
    found: list[Json] | None = None
    for part in parts:
        for listed in ([part["const"]] if "const" in part else None, part.get("enum")):
            if isinstance(listed, list):
                found = listed if found is None else [one for one in found if any(same(one, two) for two in listed)]
    return found


def _bounds(part: Mapping[str, Any]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name in ("minimum", "maximum"):
        exclusive = f"exclusive{name.title()}"
        if name in part:
            found.append((exclusive if part.get(exclusive) is True else name, part[name]))
        if exclusive in part and not isinstance(part[exclusive], bool):
            found.append((exclusive, part[exclusive]))
    return found


def _satisfies(name: str, value: float, bound: float) -> bool:
    match name:
        case "minimum":
            return value >= bound
        case "maximum":
            return value <= bound
        case "exclusiveMinimum":
            return value > bound
        case _:
            return value < bound


def _least(parts: tuple[Mapping[str, Any], ...], name: str) -> float | None:
    return min((part[name] for part in parts if name in part), default=None)


def _greatest(parts: tuple[Mapping[str, Any], ...], name: str) -> float | None:
    return max((part[name] for part in parts if name in part), default=None)


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a regular expression of a schema; raises UnusableSchema where it is none."""
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise UnusableSchema("a pattern in it is not a regular expression") from None
