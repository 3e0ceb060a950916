"""A repair never gives a document another meaning: what is valid stays; limits, signs, units hold."""

import json
from typing import Any

import pytest

from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RefusalCause, RepairStatus, SlipNote
from schemas.names import Grade
from tests.support.paths import ROOT

CASES = ROOT.parent / "shared" / "cases" / "faults"
LIST: Json = {"type": "object", "properties": {"c": {"type": "array", "items": {"type": "string"}}}, "required": ["c"]}


def _only(**members: Json) -> dict[str, Json]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


@pytest.mark.parametrize("most", list(Grade))
@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ({"properties": {"min_price": {"type": "number"}}}, {"max_price": 5}),
        ({"properties": {"scripts": {"properties": {"build": {"type": "string"}}}}}, {"scripts": {"Build": "x"}}),
        ({"properties": {"customer_id": {"type": "integer"}}}, {"cusotmer_id": 3}),
        ({"properties": {"a": {"type": ["string", "integer"]}}}, {"a": 5}),
        ({"properties": {"data": {"type": "object"}, "n": {"type": "integer"}}}, {"data": {"n": "5"}}),
        ({"properties": {"tags": {"type": "array"}}}, {"Tags": "a"}),
    ],
)
def test_a_valid_document_is_handed_back_as_it_came(schema: Json, document: Json, most: Grade) -> None:
    for repair in (repair_document(document, schema, most=most), repair_text(json.dumps(document), schema, most=most)):
        assert (repair.status, repair.document, repair.edits) == (RepairStatus.VALID, document, ())


def test_what_looks_like_a_slip_in_it_is_told_and_left() -> None:
    schema: Json = {"properties": {"items": {"items": {"properties": {"unit_price": {}, "note": {}}}}}}
    told = repair_document({"items": [{"unitPrice": 5}, {"other": 1}, {"unit_prcie": 5}]}, schema, most=Grade.LOSSLESS)
    assert told.notes == (
        SlipNote(path="/items/0/unitPrice", meant="unit_price"),
        SlipNote(path="/items/2/unit_prcie", meant="unit_price"),
    )
    assert told.as_json()["notes"][0]["meant"] == "unit_price"  # type: ignore[index, call-overload]  # JSON is anything
    assert repair_document({"max_price": 5}, {"properties": {"min_price": {}}}, most=Grade.LOSSLESS).notes == ()


def test_a_valid_document_is_accepted_however_long_a_search_would_take() -> None:
    branches: Json = [{"required": [f"a{at}"]} for at in range(300)]
    assert repair_document({"a299": 1}, {"anyOf": branches}, most=Grade.LOSSLESS).status is RepairStatus.VALID


def test_a_part_that_may_stand_is_left_alone_beside_a_part_that_may_not() -> None:
    schema: Json = {"properties": {"scripts": {"properties": {"build": {}}}, "n": {"type": "integer"}}}
    repair = repair_document({"scripts": {"Build": "x"}, "n": "5"}, schema, most=Grade.INVENTIVE)
    assert repair.document == {"scripts": {"Build": "x"}, "n": 5}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"maximum": 100}, 500),
        ({"type": ["integer", "string"], "maximum": 100}, 500),
        ({"anyOf": [{"type": "integer", "maximum": 100}, {"type": "string"}]}, 500),
        ({"oneOf": [{"type": "integer", "multipleOf": 5}, {"type": "string", "minLength": 1}]}, 7),
        ({"type": ["integer", "array"], "minimum": 0}, -1),
        ({"type": ["string", "boolean"], "minLength": 2}, "f"),
        ({"type": ["string", "boolean"], "pattern": "^x"}, "off"),
        ({"enum": [False, "x"]}, "f"),
        ({"type": ["array", "integer"], "minItems": 2}, [4]),
        ({"type": ["string", "array"], "maxLength": 2}, "abc"),
        ({"type": ["string", "integer"], "maxLength": 1}, "12"),
        ({"not": {"type": "integer"}}, 5),
    ],
)
@pytest.mark.parametrize("most", list(Grade))
def test_a_limit_is_not_evaded_by_another_type(schema: Json, value: Json, most: Grade) -> None:
    assert repair_document(value, schema, most=most).status is RepairStatus.REFUSED


@pytest.mark.parametrize(
    ("listed", "given"),
    [
        (["+1", "-1"], "1"),
        (["O+", "O-"], "O"),
        (["O+"], "o"),
        (["A-", "B-"], "A"),
        (["UTC+3", "UTC-3"], "UTC3"),
        (["UTC-3"], "utc 3"),
        (["v1.1"], "v11"),
        (["2024-01"], "202401"),
        (["MW"], "mW"),
        (["Mb", "kb"], "MB"),
        (["5'"], '5"'),
        (["<5"], "5"),
        (["C#"], "c"),
    ],
)
def test_a_listed_value_keeps_its_sign_its_digits_and_its_unit(listed: Json, given: str) -> None:
    repair = repair_document({"s": given}, _only(s={"enum": listed}), most=Grade.INVENTIVE)
    assert repair.cause in {RefusalCause.AMBIGUOUS, RefusalCause.UNKNOWN_VALUE}


@pytest.mark.parametrize(
    ("listed", "given", "meant"),
    [
        (["in-progress"], "In Progress", "in-progress"),
        (["utf-8"], "UTF8", "utf-8"),
        (["EUR"], "eur", "EUR"),
        (["gpt_4"], "GPT 4", "gpt_4"),
        ([1, 2], "2", 2),
        ([True, False], "yes", True),
    ],
)
def test_a_listed_value_in_other_words_is_still_found(listed: Json, given: str, meant: Json) -> None:
    assert repair_document({"s": given}, _only(s={"enum": listed}), most=Grade.LOSSLESS).document == {"s": meant}


@pytest.mark.parametrize("most", list(Grade))
@pytest.mark.parametrize(
    "beside",
    [
        {"unit": "s"},
        {"currency": "EUR"},
        {"uom": "kg"},
        {"scale": 3},
        {"currency_code": "usd"},
        {"timezone": "UTC"},
        {"type": "ms"},
        {"kind": "percent"},
        {"exponent": -2},
        {"status": "ok", "unit": "s"},
    ],
)
def test_a_unit_is_never_dropped(beside: dict[str, Json], most: Grade) -> None:
    for schema in (_only(n={"type": "integer"}), _only(n=_only(value={"type": "integer"}))):
        repair = repair_document({"n": {"value": 30, **beside}}, schema, most=most)
        assert repair.status is RepairStatus.REFUSED, repair.document


def test_an_envelope_around_a_number_that_says_nothing_of_it_is_taken_off() -> None:
    schema = _only(n={"type": "integer"})
    assert repair_document({"n": {"value": 30}}, schema, most=Grade.LOSSLESS).document == {"n": 30}
    assert repair_document({"n": {"value": 30, "ok": True}}, schema, most=Grade.LOSSY).document == {"n": 30}
    told: list[dict[str, Json]] = [{"status": "estimated"}, {"of": "total"}, {"type": "share"}]
    for beside in told:
        assert repair_document({"n": {"value": 30, **beside}}, schema, most=Grade.LOSSY).status is RepairStatus.REFUSED


def test_what_is_said_beside_an_envelope_is_dropped_only_where_it_is_about_the_call() -> None:
    schema = _only(v={"type": "integer"})
    call: dict[str, Json] = {"status": "ok", "requestId": "r-1", "took_ms": 4, "errors": []}
    assert repair_document({"data": {"v": 5}, **call}, schema, most=Grade.LOSSY).document == {"v": 5}
    told: list[dict[str, Json]] = [{"amount": 7}, {"currency": "EUR"}, {"note": "half of it"}]
    for beside in told:
        assert repair_document({"data": {"v": 5}, **beside}, schema, most=Grade.LOSSY).status is RepairStatus.REFUSED


def test_a_declared_member_that_is_invalid_is_not_replaced_by_its_own_content() -> None:
    hook: Json = {"type": "object", "required": ["run"]}
    schema: Json = {
        "type": "object",
        "properties": {"hooks": {"type": "object", "properties": {"pre": {"type": "array", "items": hook}}}},
    }
    for most in Grade:
        assert repair_document({"hooks": {"pre": ["bad"]}}, schema, most=most).status is RepairStatus.REFUSED


@pytest.mark.parametrize(
    "joined",
    [
        "a,b",
        "New York, Los Angeles",
        "",
        "  ",
        "- red\n- green",
        "a;b",
        "a | b",
        "salt and pepper",
        "a@x.io b@y.io",
        "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f,7f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f",
        "x\ty",
        "read:a write:b",
        "red/green",
        "red&green",
        "1) red 2) green",
        "red \u2192 green",
        "none",
        "n/a",
        "a / b",
    ],
)
def test_a_list_written_as_one_text_is_no_list_of_one(joined: str) -> None:
    assert repair_document({"c": joined}, LIST, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


@pytest.mark.parametrize("one", ["red", "New York", "https://x.test/a/b", "text/html", "/var/log", "x.test/a", "C++"])
def test_one_text_where_a_list_belongs_is_its_only_item(one: str) -> None:
    assert repair_document({"c": one}, LIST, most=Grade.LOSSLESS).document == {"c": [one]}


def test_numbers_beside_each_other_are_no_grouped_number_in_a_list() -> None:
    numbers = _only(c={"type": "array", "items": {"type": "integer"}})
    assert repair_document({"c": "100 200"}, numbers, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


def test_equal_documents_in_one_text_are_two() -> None:
    for text in ('{"a": 1} {"a": 1}', 'one: {"a": 1}\ntwo: {"a": 1}', '{"a": "1"}\n{"a": "1"}'):
        repair = repair_text(text, _only(a={"type": "integer"}), most=Grade.INVENTIVE)
        assert repair.cause is RefusalCause.AMBIGUOUS


@pytest.mark.parametrize(
    "text",
    [
        '<think>maybe {"a": 1} but let me check the other',
        '<think>maybe {"a": 1}',
        'Well: <thinking> {"a": 1} or {"a": 2}?',
        '<reasoning>one</reasoning><reasoning>{"a": 1}',
        '<think>{"a": 1}</think>',
    ],
)
def test_a_draft_within_thoughts_is_no_answer(text: str) -> None:
    repair = repair_text(text, _only(a={"type": "integer"}), most=Grade.INVENTIVE)
    assert repair.cause is RefusalCause.TRUNCATED


@pytest.mark.parametrize(
    "text",
    [
        '<think>maybe {"a": 2}?</think>{"a": 1}',
        'so {"a": 2} it is not </think>\n{"a": 1}',
        '<think>a <think>b</think> {"a": 2}</think> {"a": 1}',
    ],
)
def test_the_answer_after_the_thoughts_is_one(text: str) -> None:
    assert repair_text(text, _only(a={"type": "integer"}), most=Grade.LOSSLESS).document == {"a": 1}


@pytest.mark.parametrize("key", ["X-Request-Id", "xRequest", "x_request", "-x-note", "xx-a", "c-a"])
def test_a_key_near_a_pattern_is_not_dropped(key: str) -> None:
    schema = _only(a={"type": "integer"}) | {"patternProperties": {"^x-": {"type": "string"}}}
    assert repair_document({"a": 1, key: "r"}, schema, most=Grade.INVENTIVE).cause is RefusalCause.AMBIGUOUS
    dropped = repair_document({"a": 1, "remark": "r"}, schema, most=Grade.LOSSY)
    assert dropped.document == {"a": 1}


def _shared() -> list[Any]:
    found = [(path, json.loads(path.read_text())) for path in sorted(CASES.glob("*.json"))] if CASES.is_dir() else []
    return [pytest.param(told, id=path.stem) for path, told in found if "shw repair" in told["how_to_run"]]


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases from outside are not here")
@pytest.mark.parametrize("case", _shared() or [None])
def test_the_cases_from_outside_hold(case: dict[str, Any]) -> None:
    asked = case["input"]
    repair = repair_text(asked["text"], asked["schema"], most=Grade(asked["grade"]))
    valid = "valid" in case["expected"].split(":")[0] or "left unchanged" in case["expected"]
    assert repair.status is (RepairStatus.VALID if valid else RepairStatus.REFUSED), repair.document
    assert not repair.edits


def test_a_slip_beside_another_key_that_may_be_meant_is_no_sure_one() -> None:
    schema: Json = {"properties": {"seat_count": {"type": "integer"}}, "required": ["seat_count"]}
    repair = repair_document({"set_count": 1, "seat_countt": 2}, schema, most=Grade.INVENTIVE)
    assert repair.cause is RefusalCause.AMBIGUOUS
    assert repair_document({"seat_countt": 2}, schema, most=Grade.LOSSLESS).document == {"seat_count": 2}


def test_a_null_under_a_key_that_may_be_misspelt_is_not_dropped() -> None:
    schema: Json = {"properties": {"exit_code": {"type": ["string", "null"]}}, "additionalProperties": False}
    assert repair_document({"exit_cod": None}, schema, most=Grade.LOSSY).status is RepairStatus.REFUSED


@pytest.mark.parametrize("key", ["draft", "example", "old_order", "deletedOrder", "if_approved", "expected", "not"])
def test_an_envelope_that_sets_its_content_aside_is_not_taken_off(key: str) -> None:
    schema = _only(sku={"type": "string"})
    assert repair_document({"order": {"sku": "a"}}, schema, most=Grade.LOSSLESS).document == {"sku": "a"}
    assert repair_document({key: {"sku": "a"}}, schema, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("error", "no stock"),
        ("errors", ["x"]),
        ("success", False),
        ("price_eur", 6),
        ("priceCents", 500),
        ("price_kg", 1),
    ],
)
def test_a_key_that_tells_of_a_failure_or_of_another_measure_is_not_dropped(key: str, value: Json) -> None:
    schema = _only(price={"type": "integer"})
    repair = repair_document({"price": 5, key: value}, schema, most=Grade.INVENTIVE)
    assert repair.cause is RefusalCause.AMBIGUOUS
    assert repair_document({"price": 5, "error": None, "shelf": 3}, schema, most=Grade.LOSSY).document == {"price": 5}


@pytest.mark.parametrize("text", ["A\u2192B", "a -> b", "a => b", r"a\nb", "x\u21d2y"])
def test_items_joined_by_arrows_are_no_list_of_one(text: str) -> None:
    assert repair_document({"c": text}, LIST, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


def test_a_key_in_another_style_of_a_pattern_is_not_dropped() -> None:
    schema: Json = {**_only(a={"type": "integer"}), "patternProperties": {"_id$": {"type": "string"}}}
    for key in ("userId", "user-id", "USER_ID"):
        assert repair_document({"a": 1, key: "b"}, schema, most=Grade.INVENTIVE).cause is RefusalCause.AMBIGUOUS


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("imsi", "imei"),
        ("isni", "isin"),
        ("ssid", "bssid"),
        ("gtin_code", "gstin_code"),
        ("icd", "cid"),
        ("ssn", "issn"),
        ("otp", "hotp"),
        ("patientMrn", "patientMrr"),
        ("device_eid", "device_euid"),
    ],
)
def test_letters_of_another_identifier_are_no_slip(key: str, name: str) -> None:
    schema: Json = {"properties": {name: {"type": "string"}}, "required": [name], "additionalProperties": False}
    repair = repair_document({key: "x"}, schema, most=Grade.INVENTIVE)
    assert repair.cause is RefusalCause.AMBIGUOUS
