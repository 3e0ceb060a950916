"""What holds of every repair, whatever it is given."""

import json
from typing import Any, TypeAlias

from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from consumer.repair.patch import applied, undone
from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RepairStatus
from schemas.json_value import same
from schemas.names import Grade

Schema: TypeAlias = Any

NAMES = st.sampled_from(["user_id", "userId", "name", "nmae", "tags", "data", "on", "when", "x", "part", "result"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5000),
    st.sampled_from([0.5, 1.0, 1e300]),
    st.sampled_from(
        ["", "x", "42", " 7 ", "1,234", "007", "yes", "No", "null", "Open", "a,b", "2024/03/09", "03/04/2024"]
    ),
    st.sampled_from(['{"name": "x"}', '["a"]', '"x"', '{"a":', "2024-03-09T00:00:00Z", "\ud800"]),
)
DOCUMENTS: st.SearchStrategy[Json] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=8,
)
LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"type": "integer", "minimum": 0, "maximum": 2000},
        {"type": "number"},
        {"type": "boolean", "default": True},
        {"type": "string", "minLength": 1},
        {"type": ["string", "null"]},
        {"type": "string", "format": "date"},
        {"enum": ["open", "done", 3]},
        {"const": "x"},
        True,
        {},
    ]
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, required, closed: {
            "type": "object",
            "properties": properties,
            "required": sorted(required & set(properties)),
            **({"additionalProperties": False} if closed else {}),
        },
        st.dictionaries(NAMES, inner, max_size=4),
        st.sets(NAMES, max_size=2),
        st.booleans(),
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _objects(inner),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda branches: {"oneOf": branches}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda branches: {"allOf": branches}, st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=6,
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "required", "anyOf", "$ref", "pattern", "enum", "minimum", "multipleOf", "default"]
)
QUICK = settings(max_examples=120)


def _is_valid(document: Json, schema: Schema) -> bool:
    return Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(document)


@QUICK
@given(document=DOCUMENTS, schema=SCHEMAS, most=st.sampled_from(Grade))
def test_a_repair_is_valid_final_repeatable_and_can_be_undone(document: Json, schema: Schema, most: Grade) -> None:
    before = json.dumps(document)
    repair = repair_document(document, schema, most=most)
    assert json.dumps(document) == before, "the input is not touched"
    assert repair_document(document, schema, most=most) == repair
    if repair.status is RepairStatus.REFUSED:
        assert not _is_valid(document, schema), "a valid document is never refused"
        return
    assert _is_valid(repair.document, schema)
    assert same(applied(document, repair.edits), repair.document)
    assert same(undone(repair.document, repair.edits), document)
    assert all(list(Grade).index(edit.grade) <= list(Grade).index(most) for edit in repair.edits)
    again = repair_document(repair.document, schema, most=Grade.INVENTIVE)
    assert (again.status, again.edits) == (RepairStatus.VALID, ())


@QUICK
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.text(alphabet="{}[]()\"'`:,\\/*#-+.0123456789truefalsn eE\n“”", max_size=60),
        DOCUMENTS.map(json.dumps),
        DOCUMENTS.map(repr),
    ),
    schema=SCHEMAS,
    cut=st.integers(0, 5),
)
def test_no_text_makes_it_raise(text: str, schema: Schema, cut: int) -> None:
    repair = repair_text(text[cut:], schema, most=Grade.INVENTIVE)
    assert (repair.cause is None) == (repair.status is not RepairStatus.REFUSED)
    if repair.cause is None:
        assert _is_valid(repair.document, schema)


@QUICK
@given(document=DOCUMENTS, schema=st.one_of(DOCUMENTS, st.dictionaries(KEYWORDS, DOCUMENTS, max_size=3)))
def test_no_schema_makes_it_raise(document: Json, schema: Json) -> None:
    repair = repair_document(document, schema, most=Grade.INVENTIVE)
    assert (repair.cause is None) == (repair.status is not RepairStatus.REFUSED)


@QUICK
@given(document=st.dictionaries(NAMES, SCALARS, max_size=5), schema=_objects(LEAVES), path=NAMES)
@example(document={"name": "x"}, schema={"properties": {"nmae": {}}}, path="name")
@example(document={"name": "x"}, schema={"properties": {"nmae": {}}, "required": ["nmae"]}, path="name")
def test_a_guarded_member_is_never_dropped_filled_in_or_guessed(
    document: dict[str, Json], schema: Schema, path: str
) -> None:
    repair = repair_document(document, schema, most=Grade.INVENTIVE, guarded=(f"/{path}",))
    for edit in repair.edits:
        if f"/{path}" in {edit.path, edit.from_}:
            assert edit.grade is Grade.LOSSLESS
            assert edit.kind != "misspelt"
