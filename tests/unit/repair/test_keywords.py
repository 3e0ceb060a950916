"""Each keyword of JSON Schema 2020-12: what it accepts and refuses, judged by the repair and by the proof alike."""

import json
from typing import Any

import pytest

from consumer.heal.schema_check.worker import check_body, check_schema
from consumer.repair.keywords import is_multiple
from consumer.repair.prepared_schema import with_nullable
from consumer.repair.repair import repair_document
from consumer.repair.values import Json, RefusalCause, RepairStatus
from schemas.names import Grade
from tests.support.paths import DATA

_CASES: list[dict[str, Any]] = json.loads((DATA / "schema_keywords.json").read_text())
_OUTSIDE = [
    {"$ref": "https://example.com/s.json"},
    {"$id": "https://example.com/a", "$ref": "b"},
    {"properties": {"a": {"$dynamicRef": "other.json#x"}}},
    {"$ref": "file:///etc/passwd"},
    {"items": {"$ref": "//host/x"}},
]


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [pytest.param(case["schema"], case["valid"], case["invalid"], id=case["keyword"]) for case in _CASES],
)
def test_a_keyword_accepts_and_refuses_what_it_should(schema: Json, valid: list[Json], invalid: list[Json]) -> None:
    for document in valid:
        repair = repair_document(document, schema, most=Grade.LOSSLESS)
        assert (repair.status, repair.document) == (RepairStatus.VALID, document), (document, repair.reason)
        assert check_body(schema, document)[0] == "passed", document
    for document in invalid:
        assert repair_document(document, schema, most=Grade.LOSSLESS).status is not RepairStatus.VALID, document
        assert check_body(schema, document)[0] == "failed", document


@pytest.mark.parametrize("schema", _OUTSIDE)
def test_a_reference_to_elsewhere_is_refused_with_its_name(schema: dict[str, Any]) -> None:
    repair = repair_document({"a": 1}, schema, most=Grade.LOSSLESS)
    assert repair.cause is RefusalCause.UNUSABLE_SCHEMA
    assert "outside itself" in (repair.reason or "")
    assert check_schema(schema)[0] == "unusable"
    assert "outside itself" in check_schema(schema)[1]


def test_a_reference_below_an_id_leads_a_repair_as_well() -> None:
    schema: Json = {
        "$id": "http://x.test/order",
        "type": "object",
        "properties": {"lines": {"type": "array", "items": {"$ref": "line"}}},
        "$defs": {"line": {"$id": "line", "type": "object", "required": ["qty"], "properties": {"qty": {"$ref": "#n"}},
                           "$defs": {"n": {"$anchor": "n", "type": "integer"}}}},
    }  # fmt: skip
    assert repair_document({"lines": [{"Qty": "5"}]}, schema, most=Grade.LOSSLESS).document == {"lines": [{"qty": 5}]}


def test_a_dynamic_reference_that_depends_on_its_caller_is_judged_as_one() -> None:
    generic: Json = {
        "$id": "list",
        "type": "array",
        "items": {"$dynamicRef": "#T"},
        "$defs": {"T": {"$dynamicAnchor": "T"}},
    }
    schema: Json = {
        "$id": "http://x.test/two",
        "properties": {"numbers": {"$ref": "numbers"}, "texts": {"$ref": "texts"}},
        "$defs": {
            "g": generic,
            "n": {"$id": "numbers", "$ref": "list", "$defs": {"T": {"$dynamicAnchor": "T", "type": "number"}}},
            "t": {"$id": "texts", "$ref": "list", "$defs": {"T": {"$dynamicAnchor": "T", "type": "string"}}},
        },
    }
    assert repair_document({"numbers": [1], "texts": ["a"]}, schema, most=Grade.LOSSLESS).status is RepairStatus.VALID
    assert repair_document({"numbers": ["a"]}, schema, most=Grade.LOSSLESS).status is RepairStatus.REFUSED


def test_a_property_that_nobody_knows_makes_a_schema_unusable() -> None:
    repair = repair_document("x", {"pattern": r"\p{Klingon}"}, most=Grade.LOSSLESS)
    assert repair.cause is RefusalCause.UNUSABLE_SCHEMA
    assert "Klingon" in (repair.reason or "")


def test_older_drafts_ignore_what_stands_beside_a_reference() -> None:
    schema: Json = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"a": {"$ref": "#n", "maximum": 3}},
        "definitions": {"n": {"$id": "#n", "type": "integer"}},
    }
    assert repair_document({"a": 9}, schema, most=Grade.LOSSLESS).status is RepairStatus.VALID
    assert repair_document({"a": "9"}, schema, most=Grade.LOSSLESS).document == {"a": 9}


def test_decimals_are_compared_as_they_are_written() -> None:
    assert is_multiple(19.99, 0.01)
    assert is_multiple(0.3, 0.1)
    assert is_multiple(10**400, 0.5)
    assert not is_multiple(0.35, 0.1)
    assert repair_document({"p": "19.99"}, {"properties": {"p": {"type": "number", "multipleOf": 0.01}}},
                           most=Grade.LOSSLESS).document == {"p": 19.99}  # fmt: skip


def test_nullable_allows_null_only_where_it_is_asked_for() -> None:
    schema: Json = {
        "properties": {
            "a": {"type": "string", "nullable": True, "enum": ["x"]},
            "b": {"type": "integer", "nullable": False},
            "nullable": True,
        },
        "const": {"type": "x", "nullable": True},
    }
    assert with_nullable(schema) == {
        "properties": {
            "a": {"type": ["string", "null"], "nullable": True, "enum": ["x", None]},
            "b": {"type": "integer", "nullable": False},
            "nullable": True,
        },
        "const": {"type": "x", "nullable": True},
    }
    assert repair_document({"a": None}, {"properties": {"a": {"type": "string", "nullable": True}}},
                           most=Grade.LOSSLESS).status is RepairStatus.REFUSED  # fmt: skip
