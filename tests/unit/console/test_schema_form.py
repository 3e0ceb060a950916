"""A form of a schema: each member has the field that fits it, and what is read back is what was meant."""

from typing import Any

import pytest

from consumer.console.schema_form import MOST_FIELDS, fields_of, with_errors, written_into

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["amount", "express", "to"],
    "properties": {
        "amount": {"type": "integer", "title": "Amount", "description": "In cents"},
        "rate": {"type": "number"},
        "express": {"type": "boolean"},
        "plan": {"enum": ["small", "large"]},
        "note": {"type": ["string", "null"]},
        "to": {"$ref": "#/$defs/place"},
        "items": {"type": "array"},
        "a/b~c": {"type": "string"},
        "gift": {"type": "boolean"},
    },
    "$defs": {"place": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}},
}
VALUE: dict[str, Any] = {
    "amount": "12", "express": False, "note": "a\r\nb", "to": {"city": "Brno"}, "items": [1, 2.50], "extra": 10**30,
}  # fmt: skip


def filled(fields: Any) -> dict[str, str]:  # noqa: ANN401 - fields within fields
    form: dict[str, str] = {}
    for field in fields:
        form |= filled(field.fields) if field.kind == "group" else {field.name: field.value}
    return form


def test_each_member_has_the_field_that_fits_it() -> None:
    fields = {field.pointer: field for field in fields_of(SCHEMA, VALUE)}
    kinds = {pointer: field.kind for pointer, field in fields.items()}
    assert kinds == {
        "/amount": "number", "/rate": "number", "/express": "flag", "/plan": "choice", "/note": "long", "/to": "group",
        "/items": "json", "/a~1b~0c": "text", "/gift": "choice", "/extra": "number",
    }  # fmt: skip
    amount = fields["/amount"]
    assert (amount.label, amount.help, amount.value, amount.is_required) == ("Amount", "In cents", "12", True)
    (city,) = fields["/to"].fields
    assert (city.pointer, city.label, city.is_required, city.name) == ("/to/city", "city", True, "at/to/city")
    assert len({field.id for field in fields.values()}) == len(fields)


def test_what_is_left_as_it_was_stays_as_it_was_but_for_what_was_no_number() -> None:
    fields = fields_of(SCHEMA, VALUE)
    made, errors = written_into(fields, VALUE, filled(fields))
    assert (made, errors) == (VALUE | {"amount": 12}, {})
    assert VALUE["amount"] == "12"


@pytest.mark.parametrize(
    ("pointer", "text", "made"),
    [
        ("amount", "7", 7), ("rate", "2.5", 2.5), ("rate", "", None), ("plan", "large", "large"), ("note", "", ""),
        ("items", "[3]", [3]), ("a~1b~0c", "x", "x"), ("gift", "true", True),
        ("express", "true", True), ("extra", "", None),
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_its_type(pointer: str, text: str, made: object) -> None:
    fields = fields_of(SCHEMA, VALUE)
    found, errors = written_into(fields, VALUE, filled(fields) | {f"at/{pointer}": text})
    assert isinstance(found, dict)
    assert errors == {}
    assert found.get(pointer.replace("~1", "/").replace("~0", "~")) == made


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        ("/amount", "seven"), ("/amount", "1.5"), ("/amount", ""), ("/amount", "true"), ("/amount", "1e999"),
        ("/rate", "NaN"),
        ("/plan", "huge"), ("/items", "[1"), ("/gift", "perhaps"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_at_its_field_and_kept(pointer: str, text: str) -> None:
    fields = fields_of(SCHEMA, VALUE)
    form = filled(fields) | {f"at{pointer}": text}
    _, errors = written_into(fields, VALUE, form)
    assert list(errors) == [pointer]
    (shown,) = (field for field in with_errors(fields, form, errors) if field.error)
    assert (shown.pointer, shown.value) == (pointer, text)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (True, {}), ({}, []), ({}, {}), (None, {"a": 1}), ({"properties": 3, "required": "a"}, "x"),
        ({"properties": {f"m{n}": {} for n in range(MOST_FIELDS + 1)}}, {}),
    ],
)  # fmt: skip
def test_what_is_no_object_of_a_few_members_has_no_form(schema: object, value: object) -> None:
    assert not fields_of(schema, value)


@pytest.mark.parametrize(
    "odd", [{"$ref": "#/properties/a"}, {"$ref": "x"}, {"type": 3}, {"enum": [1, None]}, True, [], 7]
)
def test_an_odd_schema_is_a_field_of_json_or_a_text_and_never_breaks(odd: object) -> None:
    fields = fields_of({"properties": {"a": odd}}, {"a": {"b": [1]}, "c": None})
    assert written_into(fields, {"a": {"b": [1]}, "c": None}, filled(fields)) == ({"a": {"b": [1]}, "c": None}, {})


def test_a_choice_that_is_none_is_told_though_nobody_touched_it() -> None:
    value = VALUE | {"plan": "huge"}
    fields = fields_of(SCHEMA, value)
    _, errors = written_into(fields, value, filled(fields))
    assert errors == {"/plan": "It has to be one of these: small, large."}
