"""A form made from a JSON Schema: a field for each member that a person can write, and what they wrote read back. Pure.

A field is shown for a text, a number, a flag and a choice; objects are groups of fields, and everything else (lists,
combined schemas, what lies deeper) is a field of JSON. What a person leaves as it was stays exactly as it was.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final

from schemas.errors import EnvelopeError
from schemas.json_text import parse_json
from schemas.json_value import pointer, steps_of, value_at

MOST_FIELDS: Final = 60
"""Fields of one form: a larger input is written as JSON."""
DEEPEST: Final = 3
PREFIX: Final = "at"
"""Begins the names of fields; the JSON Pointer of what they are about follows."""
_LONGEST: Final = 4000
_LONG: Final = 80
_ABSENT: Final = object()
_KINDS: Final = {"string": "text", "integer": "number", "number": "number", "boolean": "flag"}
_CHOICES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaField:
    """One field, or a group of them."""

    pointer: str
    label: str
    kind: str
    """`text`, `long`, `number`, `flag`, `choice`, `json`, or `group`."""
    types: Sequence[str]
    """What it may be, in words of the schema; of a member that none declares what it is."""
    value: str
    is_required: bool
    help: str
    choices: Sequence[str] = ()
    error: str = ""
    fields: Sequence["SchemaField"] = ()

    @property
    def name(self) -> str:
        """Its name in the form."""
        return f"{PREFIX}{self.pointer}"

    @property
    def id(self) -> str:
        """Its id in the page: letters and digits of its pointer, which may hold anything."""
        return f"field-{self.pointer.encode().hex()}"


def fields_of(schema: object, value: object) -> Sequence[SchemaField]:
    """Return the fields of an input under its schema; none where it is no object, or has too many of them."""
    if not isinstance(schema, Mapping) or not isinstance(value, Mapping):
        return ()
    fields = _members(schema, value, "", schema)
    return fields if 0 < sum(1 for _ in _leaves(fields)) <= MOST_FIELDS else ()


def written_into(
    fields: Sequence[SchemaField], value: object, form: Mapping[str, str]
) -> tuple[object, Mapping[str, str]]:
    """Return an input with what a form has for its fields, and what is wrong with each that cannot be read."""
    made, errors = deepcopy(value), dict[str, str]()
    for field in _leaves(fields):
        text = form.get(field.name)
        if text is None and field.kind != "flag":
            continue  # it was not in the form
        text = text.replace("\r\n", "\n") if text is not None else "false"
        try:
            _put(made, field, _read(field, text, value_at(value, field.pointer, _ABSENT)))
        except _WrongError as error:
            errors[field.pointer] = str(error)
    return made, errors


def with_errors(
    fields: Sequence[SchemaField], form: Mapping[str, str], errors: Mapping[str, str]
) -> Sequence[SchemaField]:
    """Return the fields as somebody filled them in, each with what is wrong with it."""
    return [
        replace(
            field,
            value=form.get(field.name, "false" if field.kind == "flag" else field.value),
            error=errors.get(field.pointer, ""),
            fields=with_errors(field.fields, form, errors),
        )
        for field in fields
    ]


class _WrongError(Exception):
    """What was written into a field is none of what it takes."""


def _members(
    schema: Mapping[str, Any], value: Mapping[str, Any], place: str, root: Mapping[str, Any]
) -> list[SchemaField]:
    declared = schema.get("properties")
    declared = declared if isinstance(declared, Mapping) else {}
    required = schema.get("required")
    required = set(map(str, required)) if isinstance(required, list) else set()
    names = [*map(str, declared), *(name for name in value if name not in declared)]
    return [
        _field(
            _resolved(declared.get(name, {}), root),
            value.get(name, _ABSENT),
            place + pointer((name,)),
            name,
            root,
            is_required=name in required,
        )
        for name in names
    ]


def _field(
    schema: Mapping[str, Any], value: object, place: str, name: str, root: Mapping[str, Any], *, is_required: bool
) -> SchemaField:
    types = schema.get("type")
    given = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    types = [one for one in given if isinstance(one, str)] or [_type_of(value)]
    plain = [one for one in types if one != "null"]
    told = schema.get("title"), schema.get("description")
    field = SchemaField(
        pointer=place,
        label=told[0] if isinstance(told[0], str) and told[0] else name,
        kind="json",
        types=types,
        value="" if value is _ABSENT else json.dumps(value, ensure_ascii=False, indent=2),
        is_required=is_required,
        help=told[1] if isinstance(told[1], str) else "",
    )
    if plain == ["object"] and isinstance(value, Mapping) and value and place.count("/") < DEEPEST:
        return replace(field, kind="group", fields=_members(schema, value, place, root))
    if {"anyOf", "oneOf", "allOf", "not", "if", "const"} & set(schema) or isinstance(value, Mapping | list):
        return field
    choices = schema.get("enum")
    if isinstance(choices, list) and 0 < len(choices) <= _CHOICES:
        if all(isinstance(one, str) for one in choices) and (value is _ABSENT or isinstance(value, str)):
            return replace(field, kind="choice", choices=choices, value="" if value is _ABSENT else str(value))
        return field
    if len(plain) != 1 or plain[0] not in _KINDS or value is None:
        return field
    return _plain(field, _KINDS[plain[0]], value)


def _plain(field: SchemaField, kind: str, value: object) -> SchemaField:
    text = "" if value is _ABSENT else value if isinstance(value, str) else json.dumps(value)
    if kind == "flag" and not (isinstance(value, bool) and field.is_required):
        return replace(field, kind="choice", choices=("true", "false"), value=text)
    if kind == "text" and (len(text) > _LONG or "\n" in text):
        return replace(field, kind="long", value=text) if len(text) <= _LONGEST else field
    return replace(field, kind=kind, value=text)


def _read(field: SchemaField, text: str, before: object) -> object:
    """Return what a text of a field stands for; _WrongError where it is none of it."""
    is_offered = field.kind != "choice" or text in field.choices
    if is_offered and text == field.value.replace("\r\n", "\n") and _fits(before, field.types):
        return before
    is_text = "string" in field.types and field.kind in {"text", "long"}
    if not text.strip() and not (is_text and before is not _ABSENT):
        if field.is_required:
            raise _WrongError("It has to be there.")
        return _ABSENT
    return _meant(field, text)


def _meant(field: SchemaField, text: str) -> object:
    match field.kind:
        case "number":
            return _number(text, is_whole="integer" in field.types and "number" not in field.types)
        case "json":
            return _json(text)
        case "choice" if text not in field.choices:
            raise _WrongError(f"It has to be one of these: {', '.join(field.choices)}.")
        case "flag" | "choice" if "boolean" in field.types:
            return text == "true"
        case _:
            return text


def _number(text: str, *, is_whole: bool) -> object:
    try:
        found = parse_json(text.strip().encode())
    except EnvelopeError:
        found = None
    if isinstance(found, bool) or not isinstance(found, int | float) or (is_whole and isinstance(found, float)):
        raise _WrongError("It has to be a whole number." if is_whole else "It has to be a number, like 12.5.")
    return found


def _json(text: str) -> object:
    try:
        return parse_json(text.encode())
    except EnvelopeError as error:
        raise _WrongError(f"It {error}.") from None


def _fits(value: object, types: Sequence[str]) -> bool:
    found = _type_of(value)
    return found in types or (found == "integer" and "number" in types) or (found == "" and value is not _ABSENT)


def _type_of(value: object) -> str:  # noqa: PLR0911 - one for each type
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case Mapping():
            return "object"
        case None:
            return "null"
        case _:
            return ""


def _resolved(schema: object, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference within the schema, a few steps of it."""
    for _ in range(DEEPEST):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            break
        place = schema["$ref"].removeprefix("#")
        schema = value_at(root, place, {}) if place.startswith("/") else {}
    return schema if isinstance(schema, Mapping) else {}


def _put(made: Any, field: SchemaField, value: object) -> None:  # noqa: ANN401 - JSON is anything
    *outer, last = steps_of(field.pointer)
    for step in outer:
        made = made[step]
    if value is _ABSENT:
        made.pop(last, None)
    else:
        made[last] = value


def _leaves(fields: Sequence[SchemaField]) -> Iterator[SchemaField]:
    for field in fields:
        yield from _leaves(field.fields) if field.kind == "group" else (field,)
