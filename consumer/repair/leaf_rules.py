"""What a schema demands of a value that has no parts, and of the size of one that has: pure, and quick."""

import re
from collections.abc import Mapping
from typing import Any, Final

from consumer.repair.formats import FORMATS
from consumer.repair.validator import UnusableSchema
from consumer.repair.values import Json, RefusalCause
from schemas.json_value import same

_TYPES: Final = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_KINDS: Final[dict[type, str]] = {
    type(None): "null", bool: "boolean", str: "string", int: "integer", float: "number", dict: "object", list: "array",
}  # fmt: skip


class Leaf:
    """The demands of several schemas at once."""

    def __init__(self, parts: tuple[Mapping[str, Any], ...]) -> None:
        self.members = _members(parts)
        self.types = _types(parts, self.members)
        self.formats = tuple(part["format"] for part in parts if isinstance(part.get("format"), str))
        self.patterns = tuple(compiled(part["pattern"]) for part in parts if isinstance(part.get("pattern"), str))
        self._longest = min((part["maxLength"] for part in parts if "maxLength" in part), default=None)
        self._shortest = max((part["minLength"] for part in parts if "minLength" in part), default=None)
        self._bounds = tuple(bound for part in parts for bound in _bounds(part))
        self._steps = tuple(part["multipleOf"] for part in parts if part.get("multipleOf"))
        self._most = {name: _least(parts, name) for name in ("maxItems", "maxProperties")}
        self._fewest = {name: _greatest(parts, name) for name in ("minItems", "minProperties")}
        self._unique = any(part.get("uniqueItems") is True for part in parts)

    def fault(self, value: Json) -> RefusalCause | None:
        """Say what is wrong with a value, its parts aside."""
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
        """Tell whether a value is of a type that is allowed."""
        kind = _KINDS[type(value)]
        if kind in self.types or (kind == "integer" and "number" in self.types):
            return True
        return isinstance(value, float) and value.is_integer() and "integer" in self.types

    def size_fault(self, value: dict[str, Json] | list[Json]) -> RefusalCause | None:
        """Say what is wrong with the number of parts."""
        suffix = "Items" if isinstance(value, list) else "Properties"
        most, fewest = self._most[f"max{suffix}"], self._fewest[f"min{suffix}"]
        if (most is not None and len(value) > most) or (fewest is not None and len(value) < fewest):
            return RefusalCause.OUT_OF_RANGE
        return None

    def _text_fault(self, value: str) -> RefusalCause | None:
        if self._longest is not None and len(value) > self._longest:
            return RefusalCause.OUT_OF_RANGE
        if self._shortest is not None and len(value) < self._shortest:
            return RefusalCause.OUT_OF_RANGE
        if any(pattern.search(value) is None for pattern in self.patterns):
            return RefusalCause.BAD_FORMAT
        return None if all(FORMATS.conforms(value, name) for name in self.formats) else RefusalCause.BAD_FORMAT

    def _number_fault(self, value: int | float) -> RefusalCause | None:  # noqa: PYI041 - an integer is kept as one
        for name, bound in self._bounds:
            if not _within(name, value, bound):
                return RefusalCause.OUT_OF_RANGE
        for step in self._steps:
            if isinstance(step, float) or isinstance(value, float):
                quotient = value / step
                if abs(quotient) == float("inf") or int(quotient) != quotient:
                    return RefusalCause.OUT_OF_RANGE
            elif value % step:
                return RefusalCause.OUT_OF_RANGE
        return None


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


def _within(name: str, value: float, bound: float) -> bool:
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
    """Compile a pattern of a schema."""
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise UnusableSchema("a pattern in it is not a regular expression") from None
