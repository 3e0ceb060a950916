"""Every value of a document with the part of the schema that it follows."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from jsonschema import Draft202012Validator, FormatChecker

Json: TypeAlias = Any
"""What `json.loads` gives: a measure of JSON handles any of it."""
Schema: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str | int, ...]

_FORMATS: Final = FormatChecker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A value, where it stands, and what the schema says about it there."""

    path: Path
    value: Json
    schema: Schema

    def allows(self, kind: str) -> bool:
        """Say whether a value of this JSON type may stand here; with no type named, anything may."""
        named = self.schema.get("type")
        return named is None or kind == named or (isinstance(named, list) and kind in named)

    @property
    def declared(self) -> Mapping[str, Schema]:
        """The properties that an object here has by name."""
        found: Mapping[str, Schema] = self.schema.get("properties", {})
        return found

    @property
    def required(self) -> frozenset[str]:
        """The keys that an object here must have."""
        return frozenset(self.schema.get("required", ()))

    @property
    def closed(self) -> bool:
        """Whether an object here may have declared keys only."""
        return self.schema.get("additionalProperties") is False and "patternProperties" not in self.schema


def valid(document: Json, schema: Schema) -> bool:
    """Say whether a document follows a schema, formats included."""
    return Draft202012Validator(schema, format_checker=_FORMATS).is_valid(document)


def places(document: Json, schema: Schema) -> Iterator[Place]:
    """Yield the document and everything in it, outermost first."""
    yield from _places(document, schema, schema, ())


def _places(value: Json, schema: Schema, root: Schema, path: Path) -> Iterator[Place]:
    here = followed(value, schema, root)
    yield Place(path=path, value=value, schema=here)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, _of_key(here, key), root, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _places(inner, here.get("items", {}), root, (*path, at))


def followed(value: Json, schema: Schema, root: Schema) -> Schema:
    """Return the schema without references, in the alternative that the value follows."""
    schema = dereferenced(schema, root)
    for word in ("anyOf", "oneOf"):
        for branch in schema.get(word, ()):
            if _valid_within(value, branch, root):
                rest = {key: inner for key, inner in schema.items() if key != word}
                return {**rest, **followed(value, branch, root)}
    return schema


def dereferenced(schema: Schema, root: Schema) -> Schema:
    """Return what the schema's reference, if it is one, points at."""
    while "$ref" in schema:
        target: Schema = root
        for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
            target = target[part] if part else target
        schema = target
    return _together(schema, root) if "allOf" in schema else schema


def _together(schema: Schema, root: Schema) -> Schema:
    made = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        more = dereferenced(part, root)
        properties = {**made.get("properties", {}), **more.get("properties", {})}
        required = [*made.get("required", ()), *more.get("required", ())]
        made = {**more, **made, "properties": properties, "required": required}
    if made.get("unevaluatedProperties") is False:
        made["additionalProperties"] = False
    return made


def _valid_within(value: Json, branch: Schema, root: Schema) -> bool:
    named: Schema = {word: root[word] for word in ("$defs", "definitions") if word in root}
    return valid(value, {**branch, **named})


def _of_key(schema: Schema, key: str) -> Schema:
    found: Schema | None = schema.get("properties", {}).get(key)
    if found is None:
        found = next(iter(schema.get("patternProperties", {}).values()), None)
    if found is None:
        rest = schema.get("additionalProperties", {})
        found = rest if isinstance(rest, dict) else {}
    return found


def replaced(document: Json, path: Path, value: Json) -> Json:
    """Return a copy of the document with another value at the path."""
    if not path:
        return copy.deepcopy(value)
    changed = copy.deepcopy(document)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = copy.deepcopy(value)
    return changed


def renamed(node: Mapping[str, Json], old: str, new: str) -> dict[str, Json]:
    """Return an object with one key called otherwise, in the same order."""
    return {new if key == old else key: value for key, value in node.items()}


def without(node: Mapping[str, Json], gone: str) -> dict[str, Json]:
    """Return an object without one key."""
    return {key: value for key, value in node.items() if key != gone}


def same(one: Json, other: Json) -> bool:
    """Compare as JSON, and strictly: 1, 1.0 and true are three values; the order of keys means nothing."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def parsed(text: str) -> tuple[bool, Json]:
    """Return whether a text is strict JSON, and what it says."""
    try:
        return True, json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False, None


def _refuse(word: str) -> None:
    raise ValueError(word)
