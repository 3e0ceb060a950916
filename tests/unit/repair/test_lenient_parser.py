"""What is read from a text that is not plain JSON, and what is not."""

import json
from typing import Any

import pytest

from consumer.repair.patch import applied, undone
from consumer.repair.repair import repair_text
from consumer.repair.values import Json, RefusalCause, RepairStatus
from schemas.names import Grade

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "n": {"type": ["number", "null"]},
        "on": {"type": "boolean"},
        "items": {"type": "array", "items": {"type": "integer"}},
        "part": {"type": "object", "additionalProperties": False, "properties": {"name": {"type": "string"}}},
    },
}
WHOLE: dict[str, Json] = {"name": "Ann", "n": 1.5, "on": True, "items": [1, 2]}
PLAIN = json.dumps(WHOLE)
ESCAPED = json.dumps(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"```json\n{PLAIN}\n```", id="fence"),
        pytest.param(f"Here it is:\n\n```\n{PLAIN}\n```\nAnything else?", id="fence in prose"),
        pytest.param(f"```python\nprint('x')\n```\nprints\n```json\n{PLAIN}\n```", id="two fences"),
        pytest.param(f"Sure! {PLAIN}", id="prose before"),
        pytest.param(f"{PLAIN} I hope that helps :-)", id="prose after"),
        pytest.param(PLAIN.replace(" ", "\u00a0"), id="white space of another kind"),
        pytest.param(f"As [noted] in {{this}}: {PLAIN}", id="brackets in prose"),
        pytest.param(f"<think>maybe {{1}}</think>{PLAIN}", id="thoughts"),
        pytest.param(f"\ufeff{PLAIN}", id="byte order mark"),
        pytest.param(ESCAPED, id="encoded"),
        pytest.param(json.dumps(ESCAPED), id="encoded twice"),
        pytest.param(f"The answer is {ESCAPED}.", id="encoded, in prose"),
        pytest.param(json.dumps(f"The answer is {PLAIN}."), id="prose, encoded"),
        pytest.param(ESCAPED[1:-1], id="escaped without its quotes"),
        pytest.param(repr(WHOLE), id="Python"),
        pytest.param("{'name': 'Ann', 'n': 1.5, 'on': True, 'items': (1, 2)}", id="Python with a tuple"),
        pytest.param("{name: 'Ann', n: 1.5, on: true, items: [1, 2]}", id="JavaScript"),
        pytest.param("const x = {name: 'Ann', n: 1.5, on: true, items: [1, 2]};", id="JavaScript statement"),
        pytest.param('{"name": "Ann", "n": 1.5, "on": true, "items": [1, 2,],}', id="trailing commas"),
        pytest.param('{"name": "Ann" "n": 1.5\n"on": true, "items": [1 2]}', id="commas left out"),
        pytest.param('{"name": "Ann", /* a */ "n": 1.5, // b\n "on": true, # c\n "items": [1, 2]}', id="comments"),
        pytest.param("{“name”: “Ann”, “n”: 1.5, “on”: true, “items”: [1, 2]}", id="typographic quotes"),
        pytest.param('{"name": "Ann", "n": +1.5, "on": TRUE, "items": [1, 2]}', id="other notations"),
        pytest.param('{"name": "Ann", "n": 1.5, "n": 1.5, "on": true, "items": [1, 2]}', id="equal keys, equal values"),
    ],
)
def test_a_document_is_found_in_its_text(text: str) -> None:
    repair = repair_text(text, SCHEMA, most=Grade.LOSSLESS)
    assert (repair.status, repair.document) == (RepairStatus.REPAIRED, WHOLE), repair.reason
    given = _parsed(text)
    assert applied(given, repair.edits) == WHOLE
    assert undone(WHOLE, repair.edits) == given


def _parsed(text: str) -> Json:
    """What the edits start from: the document, or where there is none to a strict reader, the text itself."""
    edits = repair_text(text, SCHEMA, most=Grade.LOSSLESS).edits
    return text if edits[0].kind == "text" else json.loads(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param('{"name": "a\nb\tc"}', "a\nb\tc", id="raw line break and tab"),
        pytest.param("{'name': 'it's'}", "it's", id="apostrophe"),
        pytest.param("{'name': 'it\\'s'}", "it's", id="escaped apostrophe"),
        pytest.param("{'name': '\\x41\\u00e9'}", "Aé", id="escapes of other languages"),
        pytest.param("{'name': 'C:\\dir'}", "C:\\dir", id="lone backslash"),
        pytest.param(
            '{"name": "// no # comment, {no: brackets]",}', "// no # comment, {no: brackets]", id="signs in a text"
        ),
        pytest.param("{'name': '\\ud83d\\ude00'}", "\U0001f600", id="a surrogate pair"),
        pytest.param("{name: 007}", "007", id="an id without its quotes"),
    ],
)
def test_a_string_keeps_what_it_says(text: str, name: str) -> None:
    assert repair_text(text, SCHEMA, most=Grade.LOSSLESS).document == {"name": name}


@pytest.mark.parametrize("cut", range(1, len(PLAIN)))
@pytest.mark.parametrize("written", [PLAIN, repr(WHOLE), f"```json\n{PLAIN}"], ids=["JSON", "Python", "fence"])
def test_a_text_that_is_cut_off_is_never_closed(written: str, cut: int) -> None:
    repair = repair_text(written[:-cut], SCHEMA, most=Grade.INVENTIVE)
    assert repair.status is RepairStatus.REFUSED
    begun = "{" in written[:-cut]
    assert repair.cause in ({RefusalCause.TRUNCATED} if begun else {RefusalCause.NOT_JSON, RefusalCause.TRUNCATED}), (
        repair.reason
    )


@pytest.mark.parametrize("cut", range(1, len(PLAIN)))
def test_a_text_that_lacks_its_beginning_is_no_smaller_document(cut: int) -> None:
    outer = json.dumps({"a": 1, "part": {"name": "inner"}, "b": {"c": [1, 2]}})
    schema: Json = {"type": "object", "properties": {"name": {"type": "string"}, "c": {}}}
    assert repair_text(outer[min(cut, len(outer) - 1) :], schema, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        pytest.param("", RefusalCause.NOT_JSON, id="empty"),
        pytest.param(" \n\t", RefusalCause.NOT_JSON, id="blank"),
        pytest.param("Sorry, I cannot do that.", RefusalCause.NOT_JSON, id="prose"),
        pytest.param("42", RefusalCause.WRONG_TYPE, id="a number"),
        pytest.param("null", RefusalCause.WRONG_TYPE, id="null"),
        pytest.param(f"<!DOCTYPE html><html><body>{PLAIN}</body></html>", RefusalCause.NOT_JSON, id="a page"),
        pytest.param('502 Bad Gateway <html>{"name": "nginx"}</html>', RefusalCause.NOT_JSON, id="a page in prose"),
        pytest.param(f'{PLAIN}\n{{"name": "Bob"}}', RefusalCause.AMBIGUOUS, id="two documents"),
        pytest.param('{"name": "Ann", "name": "Bob"}', RefusalCause.AMBIGUOUS, id="equal keys, two values"),
        pytest.param("{'name': 'Ann', 'name': 'Bob'}", RefusalCause.AMBIGUOUS, id="the same in another language"),
        pytest.param('{"name": "Ann", "items": [1,,2]}', RefusalCause.NOT_JSON, id="nothing between two commas"),
        pytest.param('{"name": "Ann", "items": [1, ...]}', RefusalCause.TRUNCATED, id="something left out"),
        pytest.param('{"name": "Ann", "items": [1, 2}', RefusalCause.TRUNCATED, id="brackets that do not match"),
        pytest.param('{"name": "Ann"}]}', RefusalCause.TRUNCATED, id="brackets of another kind too many"),
        pytest.param('{"name": "He said "no" to me"}', RefusalCause.NOT_JSON, id="quotes within quotes"),
        pytest.param("{'name': 'C:\\dir\\new'}", RefusalCause.NOT_JSON, id="backslashes of two kinds"),
        pytest.param('{"name": nil}', RefusalCause.NOT_JSON, id="a word that stands for nothing"),
        pytest.param('{"name": $name}', RefusalCause.NOT_JSON, id="a variable"),
        pytest.param('{"name": `${name}`}', RefusalCause.NOT_JSON, id="a template"),
        pytest.param('{"name": "Ann, "n": 1}', RefusalCause.NOT_JSON, id="a closing quote that is missing"),
        pytest.param('{"items": ["a,"b"]}', RefusalCause.NOT_JSON, id="the same in a list"),
        pytest.param('{"name": "a"b"}', RefusalCause.NOT_JSON, id="a quote within a word"),
        pytest.param('{"name": "a" "b" "c"}', RefusalCause.NOT_JSON, id="texts beside each other"),
        pytest.param('{"items": [10-20]}', RefusalCause.NOT_JSON, id="a range of numbers"),
        pytest.param('{"name": "Ann", "n": 12:30}', RefusalCause.NOT_JSON, id="half a time"),
        pytest.param('{"name": "Ann", "n": Infinity}', RefusalCause.OUT_OF_RANGE, id="infinity"),
        pytest.param('{"name": "Ann", "n": 1e999}', RefusalCause.OUT_OF_RANGE, id="beyond a double"),
        pytest.param("[" * 100_000, RefusalCause.TOO_DEEP, id="deep"),
        pytest.param("[" * 100_000 + "]" * 100_000, RefusalCause.TOO_DEEP, id="deep and closed"),
        pytest.param("{'a':" * 100_000, RefusalCause.TOO_DEEP, id="deep in single quotes"),
        pytest.param("x" * (5 * 1024 * 1024), RefusalCause.TOO_LARGE, id="large"),
        pytest.param("```" * 100_000, RefusalCause.NOT_JSON, id="nothing but fences"),
        pytest.param("<think>" * 100_000, RefusalCause.TRUNCATED, id="nothing but thoughts"),
    ],
)
def test_a_text_is_refused(text: str, cause: RefusalCause) -> None:
    repair = repair_text(text, SCHEMA, most=Grade.INVENTIVE)
    assert (repair.status, repair.cause) == (RepairStatus.REFUSED, cause), repair.reason


def test_a_number_that_is_none_is_null_at_a_loss() -> None:
    text = '{"name": "Ann", "n": NaN}'
    assert repair_text(text, SCHEMA, most=Grade.LOSSY).document == {"name": "Ann", "n": None}
    assert repair_text(text, SCHEMA, most=Grade.LOSSLESS).cause is RefusalCause.NEEDS_MORE


def test_a_text_edit_names_each_liberty() -> None:
    [edit] = repair_text("{name: 'Ann', /* x */ on: True,}", SCHEMA, most=Grade.LOSSLESS).edits
    assert (edit.op, edit.path, edit.kind, edit.old) == ("replace", "", "text", "{name: 'Ann', /* x */ on: True,}")
    assert edit.reason == (
        "the text is not plain JSON: another language's word, comment, quotes of another kind, trailing comma,"
        " unquoted key (2)"
    )
