"""What a careful person repairs in a text or a document: each has one reading, and what has two is refused."""

import json

import pytest

from consumer.repair.patch import undone
from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RepairStatus
from schemas.names import Grade

_ITEM: Json = {
    "type": "object",
    "properties": {"sku": {"type": "string"}, "qty": {"type": "integer"}},
    "required": ["sku"],
}
_ORDER: Json = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": _ITEM}, "note": {"type": "string"}},
    "required": ["items"],
    "additionalProperties": False,
}
_DOCUMENT: Json = {"items": [{"sku": "a", "qty": 2}]}
_WRITTEN = json.dumps(_DOCUMENT)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("{message: hello world}", {"message": "hello world"}),
        ("{\n  greeting: hello\n  next: there!\n}", {"greeting": "hello", "next": "there!"}),
        ("[a, b c, 1]", ["a", "b c", 1]),
        ("{at: 2024-05-17T10:30:00Z, v: 1.2.3, on: true}", {"at": "2024-05-17T10:30:00Z", "v": "1.2.3", "on": True}),
        ("{url: http://x.test/a?b=1, id: 6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f}",
         {"url": "http://x.test/a?b=1", "id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f"}),
        ("{a: true story, b: true}", {"a": "true story", "b": True}),
        ("{2: 1}", {"2": 1}),
        ('{"a" 1, "b" "x", "c" true}', {"a": 1, "b": "x", "c": True}),
        ('{"a" => 1, "b" = 2}', {"a": 1, "b": 2}),
        ('{a": 1, b": "x"}', {"a": 1, "b": "x"}),
        ('{"a": x", "b": y z"}', {"a": "x", "b": "y z"}),
        ('{, "a": 1}', {"a": 1}),
        ("[, 1, 2]", [1, 2]),
        ('{"a": [1, 2}, "b": {"c": 3]}', {"a": [1, 2], "b": {"c": 3}}),
        ('{"a": "x" + "y" +\n "z"}', {"a": "xyz"}),
        ('callback_1({"a": 1});', {"a": 1}),
        ("/**/ app.load ([1])", [1]),
        (r'{\"a\": \"b\", \"c\": [1]}', {"a": "b", "c": [1]}),
        (r'{\\\"a\\\": \\\"b\\\"}', {"a": "b"}),
        ("{`a`: `b`}", {"a": "b"}),
        ('{"a"2, "b"{"c"true}}', {"a": 2, "b": {"c": True}}),
        ('"a" + \'b\' +\n "c"', "abc"),
        ('on_load("a;b");', "a;b"),
        ("done(7);", 7),
        ("{n: 1_000.2_5}", {"n": 1000.25}),
        ("{&quot;a&quot;: &quot;b &amp; c&quot;}", {"a": "b & c"}),
        ("[{&#34;a&#34;: 1}]", [{"a": 1}]),
        ('"{""a"": ""b, c"", ""d"": """"}"', {"a": "b, c", "d": ""}),
        ('[{""a"": [1]}]', [{"a": [1]}]),
        (r'{"user\_id": "u\_1"}', {"user_id": "u_1"}),
        ('{"id": ObjectId("5f1"), "at": ISODate("2012-12-19T06:01:17Z"), "n": NumberLong(2)}',
         {"id": "5f1", "at": "2012-12-19T06:01:17Z", "n": 2}),
        ('{"list":[{"key": "v"], "key2": "w"}', {"list": [{"key": "v"}], "key2": "w"}),
        ('{"a": [{"p": ["Mrs."}, {"p": []}]}', {"a": [{"p": ["Mrs."]}, {"p": []}]}),
        ('[{"key":"v"}},{"key":"w"}]', [{"key": "v"}, {"key": "w"}]),
        ('{"a": {"b": [1, 2}, "c": 3}', {"a": {"b": [1, 2]}, "c": 3}),
        ('{"a": {"b": 1]}, "c": [3]}', {"a": {"b": 1}, "c": [3]}),
        ("{share: 1/3, code: 4teen}", {"share": "1/3", "code": "4teen"}),
        ('{"a": {"b": {"c": [1}, "d": 2}}', {"a": {"b": {"c": [1]}, "d": 2}}),
        ('{"a": 1; "b": [1; 2; 3]}', {"a": 1, "b": [1, 2, 3]}),
        (r'{"a": "b\n",\n\t"c": 1\n}', {"a": "b\n", "c": 1}),
        (r'{\n "a": [1,\n 2]}', {"a": [1, 2]}),
        ("{u'a': u'x', U\"b\": 1}", {"a": "x", "b": 1}),
        ("{\u00aba\u00bb: \u00abb\u00bb}", {"a": "b"}),
    ],
)  # fmt: skip
def test_a_text_that_is_nearly_json_is_read(text: str, document: Json) -> None:
    repair = repair_text(text, True, most=Grade.LOSSLESS)
    assert (repair.status, repair.document) == (RepairStatus.REPAIRED, document), repair.reason
    assert undone(repair.document, repair.edits) == text


@pytest.mark.parametrize(
    "text",
    [
        "{a: nil}",
        "{a: etc}",
        "{a: tru}",
        "{a: fasle}",
        "{a: [object Object]}",
        '{"a": "see "http://x.test", b: 1}',
        "{a: x b: 2}",
        "{a: hel",
        '{"a": x "y" z}',
        '{"a": foo "b": 1}',
        '{"a": <b>}',
        '{"a": {{name}}}',
        '{"a": f(1, 2)}',
        '{"a": [1, 2}',
        '{"a": {"b": [1, 2}}',
        '{"a": [1, 2}, "b": 3',
        '{"a": 10-20}',
        '{"a": "x}, "b": [1, 2}, "c": 3}',
        '{"a": 1L}',
        '{"a": 10n}',
        '{"a": 0xFF}',
        '{"a": 1/}',
        '{"a": 5 kg}',
        '{"a": 1e}',
        "[1 2; 3 4]",
        "[1, 2; 3, 4]",
        '{"a": 1,; "b": 2}',
        r'{"a": \n}',
        r'{"a": x\ny}',
        '{"a": 1}}',
        '{"a": 1}, "b": 2',
        '{"a": 1}, "b": 2}',
        '{"a": 1}, {"b": 2}}',
        '{"a": "apple "bee" carrot"}',
        '{"text": "The TV has a 24" screen"}',
        '{"a: 1, "b": 2}',
        '{"a": "x" + b}',
        '{"a": 3 4}',
        '{"price": 1,234}',
        "[1,,2]",
        "hello world",
    ],
)
def test_a_text_of_two_readings_or_of_none_is_refused(text: str) -> None:
    assert repair_text(text, True, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


def test_a_word_in_brackets_is_a_remark_where_other_text_stands_around_it() -> None:
    assert repair_text('See [note] and {this}: {"a": 1}', True, most=Grade.LOSSLESS).document == {"a": 1}


@pytest.mark.parametrize(
    "given",
    [
        {"content": f"```json\n{_WRITTEN}\n```"},
        {"output": f"Here it is:\n\n```\n{_WRITTEN}\n```\nAnything else?"},
        {"role": "assistant", "content": [{"type": "text", "text": _WRITTEN}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": _WRITTEN}, "finish_reason": "stop"}]},
        {"type": "function", "function": {"name": "f", "arguments": _WRITTEN}},
        {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": _WRITTEN}}]},
        {"data": _WRITTEN.replace('"', '\\"')},
    ],
    ids=range(7),
)
def test_a_document_within_an_envelopes_text_is_found(given: Json) -> None:
    repair = repair_document(given, _ORDER, most=Grade.LOSSY)
    assert repair.document == _DOCUMENT, repair.reason
    assert undone(repair.document, repair.edits) == given


@pytest.mark.parametrize(
    "given",
    [
        {"content": f"```json\n{_WRITTEN}\n```\nor\n```json\n{_WRITTEN}\n```"},
        {"content": f"```json\n{_WRITTEN[:-3]}\n```"},
        {"tool_calls": [{"function": {"arguments": _WRITTEN}}, {"function": {"arguments": _WRITTEN}}]},
        {"choices": [{"message": {"content": _WRITTEN}}, {"message": {"content": _WRITTEN}}]},
        {"error": "failed", "content": _WRITTEN},
    ],
    ids=range(5),
)
def test_two_documents_a_cut_one_and_a_failure_are_refused(given: Json) -> None:
    assert repair_document(given, _ORDER, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


def test_a_bare_list_is_put_into_the_object_whose_only_list_it_is() -> None:
    repair = repair_document([{"sku": "a", "qty": "2"}], _ORDER, most=Grade.LOSSLESS)
    assert repair.document == _DOCUMENT
    assert undone(repair.document, repair.edits) == [{"sku": "a", "qty": "2"}]


@pytest.mark.parametrize(
    "change",
    [
        {"required": ["items", "note"]},
        {"properties": {"items": {"type": "array"}, "lines": {"type": "array"}}, "required": []},
        {"properties": {"items": {"type": "array"}, "any": {}}, "required": ["items"]},
        {"properties": {"items": {"type": "array", "items": {"type": "integer"}}}},
    ],
    ids=range(4),
)
def test_a_bare_list_that_may_be_something_else_is_refused(change: dict[str, Json]) -> None:
    schema: Json = {**_ORDER, **change}  # type: ignore[dict-item]  # an object
    given: Json = [{"sku": "a"}, {"sku": "b"}]
    assert repair_document(given, schema, most=Grade.LOSSY).status is RepairStatus.REFUSED


@pytest.mark.parametrize(("given", "meant"), [([["a", "b"]], ["a", "b"]), ([["a"]], ["a"]), ([[["a"]]], ["a"])])
def test_a_list_within_a_list_is_taken_out(given: Json, meant: Json) -> None:
    schema: Json = {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}
    repair = repair_document({"tags": given}, schema, most=Grade.LOSSLESS)
    assert repair.document == {"tags": meant}
    assert undone(repair.document, repair.edits) == {"tags": given}


def test_arguments_that_are_a_text_are_decoded_where_an_object_belongs() -> None:
    schema: Json = {"type": "object", "properties": {"name": {"type": "string"}, "arguments": _ORDER}}
    repair = repair_document({"name": "f", "arguments": _WRITTEN}, schema, most=Grade.LOSSLESS)
    assert repair.document == {"name": "f", "arguments": _DOCUMENT}


@pytest.mark.parametrize(
    "text",
    [
        "{&quot;a&quot;: 1, b&c: 2}",  # not escaped throughout
        '{""a"": "b"}',
        r'{"user\_id": 1, "team_id": 2}',
        "done(7)",
        "Error(404)",
        '{"a"b}',
        "1, 2, 3",
    ],
)
def test_what_was_not_done_throughout_is_not_undone(text: str) -> None:
    repair = repair_text(text, {"type": ["integer", "object"], "properties": {"user_id": {}}, "required": ["user_id"]},
                         most=Grade.INVENTIVE)  # fmt: skip
    assert repair.status is RepairStatus.REFUSED, repair.document


def test_a_closing_bracket_too_many_is_left_out_where_the_document_is_whole() -> None:
    assert repair_text(f"{_WRITTEN}}}\n}}", _ORDER, most=Grade.LOSSLESS).document == _DOCUMENT
    assert repair_text(f"{_WRITTEN}]}}", _ORDER, most=Grade.INVENTIVE).status is RepairStatus.REFUSED
    # Without a demand for a member, it may be the inner end of a larger document.
    assert repair_text('{"qty": 2}}', {"type": "object"}, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


def test_items_one_a_line_are_the_list_that_is_demanded() -> None:
    schema: Json = {"type": "array", "items": _ITEM}
    lines = '{"sku": "a"}\n{"sku": "a", "qty": "2"}\n'
    assert repair_text(lines, schema, most=Grade.LOSSLESS).document == [{"sku": "a"}, {"sku": "a", "qty": 2}]
    assert repair_text(lines.replace("\n", ",\n"), schema, most=Grade.LOSSLESS).document is not None
    assert repair_text(f"{lines}or {lines}", schema, most=Grade.INVENTIVE).status is RepairStatus.REFUSED
    assert repair_text(lines, _ITEM, most=Grade.INVENTIVE).status is RepairStatus.REFUSED


@pytest.mark.parametrize(
    "answer",
    [
        {"role": "assistant", "content": [{"type": "text", "text": json.dumps([_DOCUMENT])}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": json.dumps([_DOCUMENT])}}]},
    ],
)
def test_a_list_in_the_one_part_of_an_answer_is_taken_out(answer: Json) -> None:
    schema: Json = {"type": "array", "items": _ORDER}
    assert repair_document(answer, schema, most=Grade.LOSSY).document == [_DOCUMENT]


def test_a_name_beside_arguments_that_have_one_of_their_own_is_the_tools() -> None:
    schema: Json = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
        "required": ["name", "size"],
    }
    call: Json = {"name": "save", "arguments": json.dumps({"name": "box", "size": 3})}
    assert repair_document(call, schema, most=Grade.LOSSY).document == {"name": "box", "size": 3}


def test_another_casing_throughout_is_undone_throughout() -> None:
    schema: Json = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "engines": {"type": "object", "properties": {"node": {"type": "string"}}},
            "files": {"type": "array", "items": {"properties": {"path": {"type": "string"}}}},
        },
        "required": ["name", "version"],
    }
    document: Json = {"name": "kiosk", "version": "1", "engines": {"node": "20"}, "files": [{"path": "a"}]}
    shouted: Json = {"NAME": "kiosk", "VERSION": "1", "ENGINES": {"NODE": "20"}, "FILES": [{"PATH": "a"}]}
    repair = repair_document(shouted, schema, most=Grade.LOSSLESS)
    assert repair.document == document
    assert undone(repair.document, repair.edits) == shouted
    # One key is no casing of the whole, and what is valid is left.
    one: Json = {"NAME": "kiosk", "version": "1", "engines": {"Node": "20"}}
    expected: Json = {"name": "kiosk", "version": "1", "engines": {"Node": "20"}}
    assert repair_document(one, schema, most=Grade.LOSSLESS).document == expected
