"""The joined metaschema of 2020-12 judges as the library does."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from consumer.repair.metaschema import check_schema
from tests.support.damaged.documents import written_schemas
from tests.support.damaged.schema_positions import Json
from tests.support.paths import DATA

_KEYWORDS: list[dict[str, Any]] = json.loads((DATA / "schema_keywords.json").read_text())
_WRONG_VALUES: tuple[Any, ...] = (None, 7, -1, 1.5, "x", "[", [], [1], [{}], {"a": 1}, {"a": {"type": "no"}}, True)


def _judged(schema: Json) -> str:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return error.message
    return ""


def _ours(schema: Json) -> str:
    try:
        check_schema(Draft202012Validator, schema)
    except SchemaError as error:
        return error.message
    return ""


@pytest.mark.parametrize("wrong", _WRONG_VALUES, ids=repr)
def test_each_keyword_with_a_value_of_each_type_is_judged_alike(wrong: Json) -> None:
    names = {name for case in _KEYWORDS if isinstance(case["schema"], dict) for name in case["schema"]}
    names |= {"$id", "$anchor", "$defs", "$comment", "title", "deprecated", "examples", "dependencies", "definitions"}
    assert len(names) > 30
    for name in sorted(names):
        for schema in (
            {name: wrong},
            {"properties": {"p": {"items": {name: wrong}}}},
            {"allOf": [{"not": {name: wrong}}]},
        ):
            assert _ours(schema) == _judged(schema), schema


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
def test_schemas_that_are_right_are_taken() -> None:
    for case in _KEYWORDS:
        assert _ours(case["schema"]) == _judged(case["schema"])
    written = [schema for schema in written_schemas() if "$schema" not in schema]
    assert len(written) > 10
    assert [schema for schema in written if _ours(schema) != _judged(schema)] == []


@pytest.mark.parametrize("schema", [True, False, {}, {"$ref": "#/$defs/a", "$defs": {"a": {"$dynamicRef": "#m"}}}])
def test_small_schemas_are_taken(schema: Json) -> None:
    assert _ours(schema) == ""
