"""What a repair does to a document, what it leaves to a person, and what it never does."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from consumer.repair.patch import applied, undone
from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RefusalCause, Repair, RepairStatus
from schemas.names import Grade

ORDER: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["order_id", "quantity"],
    "properties": {
        "order_id": {"type": "string", "minLength": 1},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 5000},
        "weight": {"type": "number"},
        "express": {"type": "boolean"},
        "state": {"enum": ["open", "in_progress", "done"]},
        "placed_on": {"type": "string", "format": "date"},
        "paid_at": {"type": "string", "format": "date-time"},
        "trace": {"type": "string", "format": "uuid"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "note": {"type": ["string", "null"]},
        "retries": {"type": "integer", "default": 3},
        "description": {"type": "string"},
        "address": {
            "type": "object",
            "additionalProperties": False,
            "required": ["city"],
            "properties": {"city": {"type": "string"}, "zip_code": {"type": "string"}},
        },
    },
}
VALID: dict[str, Json] = {"order_id": "o-1", "quantity": 2}


def repaired(
    document: Json, schema: Json = ORDER, *, most: Grade = Grade.INVENTIVE, guarded: Sequence[str] = ()
) -> Repair:
    return repair_document(document, schema, most=most, guarded=tuple(guarded))


def _with(**members: Json) -> dict[str, Json]:
    return VALID | members


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        pytest.param(_with(quantity="42"), _with(quantity=42), id="quoted number"),
        pytest.param(_with(quantity=" 42 "), _with(quantity=42), id="padded number"),
        pytest.param(_with(quantity="1,234"), _with(quantity=1234), id="grouped integer"),
        pytest.param(_with(quantity="12.0"), _with(quantity=12), id="whole number with a fraction"),
        pytest.param(_with(weight="1.50"), _with(weight=1.5), id="quoted fraction"),
        pytest.param(_with(weight="1,234.5"), _with(weight=1234.5), id="grouped fraction"),
        pytest.param(_with(express="Yes"), _with(express=True), id="a word for true"),
        pytest.param(_with(express="off"), _with(express=False), id="a word for false"),
        pytest.param(_with(express=0), _with(express=False), id="nought for false"),
        pytest.param(_with(state=" Open "), _with(state="open"), id="padded enum in another case"),
        pytest.param(_with(state="In Progress"), _with(state="in_progress"), id="enum in other words"),
        pytest.param(_with(placed_on="2024/03/09"), _with(placed_on="2024-03-09"), id="date with slashes"),
        pytest.param(_with(placed_on="20240309"), _with(placed_on="2024-03-09"), id="basic date"),
        pytest.param(_with(placed_on="2024-03-09T00:00:00Z"), _with(placed_on="2024-03-09"), id="midnight"),
        pytest.param(_with(placed_on="25/12/2024"), _with(placed_on="2024-12-25"), id="a day that is no month"),
        pytest.param(_with(placed_on="03/03/2024"), _with(placed_on="2024-03-03"), id="a day equal to its month"),
        pytest.param(_with(paid_at="2024-03-09 10:11:12Z"), _with(paid_at="2024-03-09T10:11:12Z"), id="time"),
        pytest.param(
            _with(trace="0F59BBD8a86845eaa113444329d35586"),
            _with(trace="0F59BBD8-a868-45ea-a113-444329d35586"),
            id="id without dashes",
        ),
        pytest.param(_with(tags="new"), _with(tags=["new"]), id="scalar in place of a list"),
        pytest.param(_with(tags='["a", "b"]'), _with(tags=["a", "b"]), id="encoded list"),
        pytest.param(_with(order_id=["o-1"]), VALID, id="list of one in place of a scalar"),
        pytest.param(_with(order_id=71), _with(order_id="71"), id="string without quotes"),
        pytest.param({"orderId": "o-1", "Quantity": 2}, VALID, id="names in another casing"),
        pytest.param({"order_id": "o-1", "quantiyt": 2}, VALID, id="two letters swapped"),
        pytest.param({"order_id": "o-1", "quantty": "2"}, VALID, id="a letter lost, and a quoted number"),
        pytest.param(_with(descripton="x"), _with(description="x"), id="a misspelt optional key is not dropped"),
        pytest.param(_with(trace_parent="00-1"), VALID, id="a key that may not stand there"),
        pytest.param(_with(quantity_old=3), VALID, id="a key that may not stand there, called after another"),
        pytest.param(_with(retries=None), _with(retries=3), id="null where there is a default"),
        pytest.param(_with(weight=None), VALID, id="null where there is none, and nothing is demanded"),
        pytest.param(
            _with(address={"city": "Rome", "zipCode": 153}), _with(address={"city": "Rome", "zip_code": "153"})
        ),
        pytest.param(_with(address='{"city": "Rome"}'), _with(address={"city": "Rome"}), id="encoded part"),
        pytest.param({"data": VALID}, VALID, id="envelope"),
        pytest.param({"result": VALID, "status": "ok"}, VALID, id="envelope with its status"),
        pytest.param({"anything": VALID}, VALID, id="envelope of any name"),
        pytest.param([VALID], VALID, id="list of one"),
        pytest.param({"response": [{"data": VALID}]}, VALID, id="envelopes within one another"),
    ],
)
def test_a_document_is_restored(broken: Json, whole: Json) -> None:
    repair = repaired(broken)
    assert (repair.status, repair.document, repair.cause) == (RepairStatus.REPAIRED, whole, None)
    assert applied(broken, repair.edits) == whole
    assert undone(whole, repair.edits) == broken
    assert repaired(whole).status is RepairStatus.VALID


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        pytest.param({"order_id": "o-1"}, RefusalCause.MISSING_REQUIRED, id="a required value that nothing names"),
        pytest.param({}, RefusalCause.MISSING_REQUIRED, id="nothing at all"),
        pytest.param(_with(quantity=5001), RefusalCause.OUT_OF_RANGE, id="too large"),
        pytest.param(_with(quantity="5001"), RefusalCause.OUT_OF_RANGE, id="too large, in quotes"),
        pytest.param(_with(order_id=""), RefusalCause.OUT_OF_RANGE, id="too short"),
        pytest.param(_with(state="opened"), RefusalCause.UNKNOWN_VALUE, id="an unknown word"),
        pytest.param(_with(quantity="007"), RefusalCause.AMBIGUOUS, id="an id with leading zeros"),
        pytest.param(_with(quantity="1.000"), RefusalCause.AMBIGUOUS, id="one, or a thousand"),
        pytest.param(_with(quantity="1.234"), RefusalCause.WRONG_TYPE, id="no integer"),
        pytest.param(_with(weight="1,234"), RefusalCause.AMBIGUOUS, id="groups, or a decimal comma"),
        pytest.param(_with(weight="$5"), RefusalCause.WRONG_TYPE, id="a currency"),
        pytest.param(_with(order_id=19.90), RefusalCause.WRONG_TYPE, id="a number that may have lost its last digit"),
        pytest.param(_with(order_id=True), RefusalCause.WRONG_TYPE, id="a truth value for a text"),
        pytest.param(_with(placed_on="03/04/2024"), RefusalCause.AMBIGUOUS, id="March or April"),
        pytest.param(
            _with(placed_on="2024-03-09T10:11:12Z"), RefusalCause.BAD_FORMAT, id="a time of day would be lost"
        ),
        pytest.param(_with(placed_on="2024-02-30"), RefusalCause.BAD_FORMAT, id="no day"),
        pytest.param(_with(paid_at="2024-03-09"), RefusalCause.BAD_FORMAT, id="no time of day"),
        pytest.param(_with(paid_at="2024-03-09T10:11:12"), RefusalCause.BAD_FORMAT, id="no offset"),
        pytest.param(_with(tags=[["a", "b"], "c"]), RefusalCause.WRONG_TYPE, id="a list where a text belongs"),
        pytest.param(_with(tags="red,green"), RefusalCause.WRONG_TYPE, id="a list written as one text"),
        pytest.param(_with(tags='["a", "b'), RefusalCause.TRUNCATED, id="an encoded part that is cut off"),
        pytest.param({"orderId": "a", "order-id": "b", "quantity": 1}, RefusalCause.AMBIGUOUS, id="two keys for one"),
        pytest.param(
            {"orderId": "a", "order-id": "a", "quantity": 1}, RefusalCause.AMBIGUOUS, id="two equal ones for one"
        ),
        pytest.param(_with(orderId="o-2"), RefusalCause.AMBIGUOUS, id="a key and its variant"),
        pytest.param(_with(quantityy=7), RefusalCause.AMBIGUOUS, id="a key and its misspelling"),
        pytest.param(_with(desc="x"), RefusalCause.AMBIGUOUS, id="a shortened optional key is not dropped"),
        pytest.param(
            _with(descripton=[1, 2]), RefusalCause.AMBIGUOUS, id="nor a misspelt one whose value does not fit"
        ),
        pytest.param(_with(more={"weight": 1}), RefusalCause.AMBIGUOUS, id="nor what holds declared members"),
        pytest.param({"data": VALID, "status": "error"}, RefusalCause.AMBIGUOUS, id="an envelope that says it failed"),
        pytest.param({"data": VALID, "result": _with(quantity=3)}, RefusalCause.AMBIGUOUS, id="two documents"),
    ],
)
def test_a_document_is_refused(broken: Json, cause: RefusalCause) -> None:
    repair = repaired(broken)
    assert (repair.status, repair.document, repair.edits) == (RepairStatus.REFUSED, None, ())
    assert repair.cause is cause, repair.reason
    assert repair.reason is not None
    assert repair.reason.startswith(f"{cause.value}: ")


def test_a_valid_document_is_handed_back_as_it_came() -> None:
    document = _with(note="  42 ", description="yes")
    repair = repaired(document)
    assert (repair.status, repair.edits, repair.reason) == (RepairStatus.VALID, (), None)
    assert repair.document == document


@pytest.mark.parametrize(
    ("broken", "needed"),
    [
        (_with(quantity="2"), Grade.LOSSLESS),
        (_with(descripton="x"), Grade.LOSSLESS),
        (_with(trace_parent="x"), Grade.LOSSY),
        ({"data": VALID, "status": "ok"}, Grade.LOSSY),
        (_with(retries=None), Grade.INVENTIVE),
    ],
)
def test_no_edit_is_made_above_the_grade_that_is_allowed(broken: Json, needed: Grade) -> None:
    grades = list(Grade)
    for most in grades:
        repair = repaired(broken, most=most)
        if grades.index(most) < grades.index(needed):
            assert repair.cause is RefusalCause.NEEDS_MORE
        else:
            assert max(grades.index(edit.grade) for edit in repair.edits) == grades.index(needed)


@pytest.mark.parametrize(
    ("broken", "guarded", "cause"),
    [
        ({"order_id": "o-1", "Quantity": "2"}, "/quantity", None),
        ({"order_id": "o-1", "quantiyt": 2}, "/quantity", RefusalCause.AMBIGUOUS),
        (_with(retries=None), "/retries", RefusalCause.GUARDED),
        (_with(retries=None), "/*", RefusalCause.GUARDED),
        (_with(weight=None), "/weight", RefusalCause.GUARDED),
        (_with(trace_parent="x"), "/trace_parent", RefusalCause.GUARDED),
        (_with(trace_parent="x"), "/quantity", None),
        (_with(address={"city": "Rome", "floor": 3}), "/address/*", RefusalCause.GUARDED),
        (_with(address={"city": "Rome", "floor": 3}), "/address/city", None),
    ],
)
def test_a_guarded_field_is_touched_by_lossless_edits_only(
    broken: Json, guarded: str, cause: RefusalCause | None
) -> None:
    assert repaired(broken).status is RepairStatus.REPAIRED
    assert repaired(broken, guarded=[guarded]).cause is cause


OPEN: dict[str, Json] = {
    "type": "object",
    "required": ["first_name"],
    "properties": {"first_name": {"type": "string"}, "last_name": {"type": "string"}, "line1": {"type": "string"}},
}


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        pytest.param({"firstName": "A", "lastName": "B"}, {"first_name": "A", "last_name": "B"}, id="another casing"),
        pytest.param({"first_name": ["A"], "last_nmae": "B"}, {"first_name": "A", "last_name": "B"}, id="misspelt"),
        pytest.param({"first_name": "A", "lastName": "B"}, {"first_name": "A", "lastName": "B"}, id="valid as it came"),
        pytest.param({"first_name": "A", "nick": "B"}, {"first_name": "A", "nick": "B"}, id="a stranger stays"),
        pytest.param({"first_name": "A", "line2": "B"}, {"first_name": "A", "line2": "B"}, id="digits tell apart"),
        pytest.param({"first_name": "A", "lastName": 1.5}, {"first_name": "A", "lastName": 1.5}, id="of another kind"),
        pytest.param(
            {"first_name": "A", "lastName": "B", "last-name": "C"},
            {"first_name": "A", "lastName": "B", "last-name": "C"},
            id="valid with two for one",
        ),
    ],
)
def test_where_strangers_are_welcome_only_a_declared_name_is_restored(given: Json, whole: Json) -> None:
    assert repaired(given, OPEN).document == whole


def test_a_default_is_filled_in_only_where_the_rest_shows_what_it_is() -> None:
    schema: Json = {
        "type": "object",
        "required": ["on"],
        "properties": {"on": {"default": True}, "n": {"type": "integer"}},
    }
    assert repaired({"n": 3}, schema).document == {"n": 3, "on": True}
    strangers: list[Json] = [{}, {"message": "Internal Server Error"}, {"n": 3, "data": {"on": False}}]
    for stranger in strangers:
        assert repaired(stranger, schema).cause is RefusalCause.MISSING_REQUIRED


def test_a_default_is_not_filled_in_beside_the_value_that_it_would_stand_for() -> None:
    schema: Json = {
        "type": "object",
        "required": ["member_volume", "id"],
        "properties": {"member_volume": {"type": "integer", "default": 7}, "id": {}},
    }
    assert repaired({"id": 1, "memberVolume": "0021"}, schema).cause is RefusalCause.AMBIGUOUS
    assert repaired({"id": 1, "memberVolume": None}, schema).document == {"id": 1, "member_volume": 7}
    assert repaired({"id": 1}, schema, guarded=["/member_volume"]).cause is RefusalCause.GUARDED


def test_a_document_that_is_valid_loses_nothing_for_the_sake_of_a_name() -> None:
    schema: Json = {"type": "object", "properties": {"homeAddress": ORDER["properties"]["address"]}}
    given: Json = {"home_address": {"city": "Rome", "floor": 3}}
    assert repaired(given, schema).document == given
    assert repaired({"home_address": {"city": "Rome"}}, schema).document == {"home_address": {"city": "Rome"}}


def test_a_limit_of_the_schema_does_not_decide_how_a_number_is_read() -> None:
    assert repaired("1,234", {"type": "number", "maximum": 500}).cause is RefusalCause.AMBIGUOUS


def test_a_const_is_filled_in_and_an_enum_of_one_is_not() -> None:
    told: list[tuple[Json, Json]] = [({"const": "v1"}, {"n": 1, "kind": "v1"}), ({"enum": ["v1"]}, None)]
    for named, whole in told:
        schema: Json = {"type": "object", "required": ["kind"], "properties": {"kind": named, "n": {}}}
        assert repaired({"n": 1}, schema).document == whole


def test_a_default_that_its_own_schema_refuses_is_not_used() -> None:
    schema: Json = {"properties": {"n": {"type": "integer", "default": "none"}, "m": {}}, "required": ["n"]}
    assert repaired({"m": 1}, schema).cause is RefusalCause.MISSING_REQUIRED


def test_a_misspelt_key_whose_property_is_taken_is_not_taken_for_a_farther_one() -> None:
    names = ("shipmentCapacity", "paymentCapacity")
    schema: Json = {
        "type": "object",
        "additionalProperties": False,
        "required": ["shipmentCapacity"],
        "properties": {name: {"type": "integer"} for name in names},
    }
    for other in ("shipmentCapacityy", "shipmentCapacity"):
        assert repaired({"shpmentCapacity": 43, other: 44}, schema).cause is RefusalCause.AMBIGUOUS
    assert repaired({"shpmentCapacity": 43}, schema).document == {"shipmentCapacity": 43}


CONDITION: Json = {
    "oneOf": [
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["metric"],
            "properties": {"metric": {"type": "string"}},
        },
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["all", "of"],
            "properties": {"all": {"type": "boolean"}, "of": {"type": "array", "items": {"$ref": "#"}}},
        },
    ]
}


def test_a_level_of_a_nested_document_is_never_taken_for_an_envelope() -> None:
    assert repaired({"of": [{"metric": "m"}]}, CONDITION).status is RepairStatus.REFUSED
    assert repaired({"all": "maybe", "of": [{"metric": "m"}]}, CONDITION).status is RepairStatus.REFUSED
    whole = {"all": True, "of": [{"metric": "m"}]}
    assert repaired({"all": "yes", "of": {"Metric": "m"}}, CONDITION).document == whole


def test_a_map_of_free_keys_has_no_envelope() -> None:
    schema: Json = {"type": "object", "additionalProperties": {"type": "string"}}
    assert repaired({"a": "x", "b": {}}, schema).status is RepairStatus.REFUSED


@pytest.mark.parametrize(
    ("schema", "broken", "whole"),
    [
        pytest.param({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "5", 5, id="anyOf"),
        pytest.param({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "null", None, id="anyOf, null"),
        pytest.param({"allOf": [{"type": "integer"}, {"minimum": 3}]}, "5", 5, id="allOf"),
        pytest.param(
            {"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "object", "properties": {"n": {"type": "integer"}}}}},
            {"n": "5"},
            {"n": 5},
            id="ref",
        ),
        pytest.param({"prefixItems": [{"type": "integer"}], "items": {"type": "boolean"}}, ["5", "no"], [5, False]),
        pytest.param({"items": [{"type": "integer"}], "additionalItems": {"type": "boolean"}}, ["5", "no"], [5, False]),
        pytest.param(
            {"type": "object", "patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": False},
            {"n_1": "5", "m": 1},
            {"n_1": 5},
            id="patternProperties",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"kind": {"enum": ["a", "b"]}, "n": {}},
                "if": {"properties": {"kind": {"const": "a"}}},
                "then": {"properties": {"n": {"type": "integer"}}},
                "else": {"properties": {"n": {"type": "boolean"}}},
            },
            {"kind": "b", "n": "1"},
            {"kind": "b", "n": True},
            id="if, then, else",
        ),
        pytest.param(
            {
                "allOf": [{"$ref": "#/$defs/base"}],
                "properties": {"m": {"type": "integer"}},
                "unevaluatedProperties": False,
                "$defs": {"base": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            },
            {"n": "5", "M": "6"},
            {"n": 5, "m": 6},
            id="unevaluatedProperties",
        ),
    ],
)
def test_schemas_are_followed_through_their_references_and_alternatives(
    schema: Json, broken: Json, whole: Json
) -> None:
    assert repaired(broken, schema).document == whole


def test_two_alternatives_at_the_same_cost_are_no_choice() -> None:
    schema: Json = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}
    assert repaired("42", schema).cause is RefusalCause.AMBIGUOUS


def test_of_two_listed_words_the_one_in_the_same_case_is_meant() -> None:
    assert repaired(" a", {"enum": ["a", "A"]}).document == "a"
    assert repaired("New", {"enum": ["new", "NEW"]}).cause is RefusalCause.AMBIGUOUS


def test_no_digit_is_lost_on_the_way() -> None:
    schema: Json = {"type": "array", "items": {"type": "number"}}
    long = 2**80 + 1
    assert repaired([str(long), "0.10"], schema).document == [long, 0.1]
    assert repaired(["0.1234567890123456789"], schema).status is RepairStatus.REFUSED


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(5, id="a number"),
        pytest.param({"type": "wurst"}, id="an unknown type"),
        pytest.param({"$ref": "https://example.com/s.json"}, id="elsewhere"),
        pytest.param({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, id="a file"),
        pytest.param({"$ref": "#/$defs/none"}, id="nowhere"),
        pytest.param({"pattern": "("}, id="no pattern"),
    ],
)
def test_a_schema_that_is_none_is_said_to_be_none(schema: Json) -> None:
    assert repaired({"a": "x"}, schema).cause is RefusalCause.UNUSABLE_SCHEMA


def test_a_move_onto_an_item_of_a_list_is_told_as_a_replacement() -> None:
    schema: Json = {"type": "array", "items": {"type": "integer"}}
    [edit] = repaired([[1], 2], schema).edits
    assert (edit.op, edit.path, edit.value, edit.old) == ("replace", "/0", 1, [1])


def test_an_edit_is_told_as_a_patch_with_its_reason() -> None:
    [edit] = repaired({"order_id": "o-1", "Quantity": 2}).edits
    assert json.loads(json.dumps(edit.as_json())) == {
        "op": "move",
        "path": "/quantity",
        "from": "/Quantity",
        "old": None,
        "grade": "lossless",
        "kind": "recased",
        "reason": "a name in another casing",
    }


def test_a_refusal_names_the_place_and_quotes_no_value() -> None:
    repair = repair_text('{"order_id": "o-1", "quantity": "seventeen"}', ORDER, most=Grade.INVENTIVE)
    assert repair.reason == "wrong_type: /quantity: of another type than the schema wants"
