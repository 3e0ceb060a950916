"""`shw repair`, as a shell runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.shw import installed_shw as shw

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["n"],
    "properties": {"n": {"type": "integer"}, "m": {"type": "integer", "default": 3}},
}


def _line(text: str, *, id_: object = 1, schema: object = SCHEMA) -> str:
    return json.dumps({"id": id_, "schema": schema, "text": text})


def _asked(*lines: str | bytes) -> bytes:
    return b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)


@pytest.fixture
def schema(tmp_path: Path) -> str:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    return str(file)


def test_one_document_is_printed_with_its_edits(schema: str) -> None:
    ran = shw("repair", "--schema", schema, stdin=b'```json\n{"N": "1,234", "m": 2}\n```')
    assert ran.code == 0, ran.err
    [answer] = ran.json
    assert (answer["status"], answer["document"]) == ("repaired", {"n": 1234, "m": 2})
    assert [edit["op"] for edit in answer["edits"]] == ["replace", "move", "replace"]
    assert all({"op", "path", "grade", "reason"} <= edit.keys() for edit in answer["edits"])


@pytest.mark.parametrize(
    ("text", "grade", "code", "status"),
    [
        ('{"n": 1}', "lossless", 0, "valid"),
        ('{"n": "1"}', "lossless", 0, "repaired"),
        ('{"n": 1, "zz": 1}', "lossless", 1, "refused"),
        ('{"n": 1, "m": null}', "inventive", 0, "repaired"),
        ('{"m": 1}', "inventive", 1, "refused"),
        ("", "inventive", 1, "refused"),
    ],
)
def test_the_exit_code_says_whether_there_is_a_document(
    text: str, grade: str, code: int, status: str, schema: str
) -> None:
    ran = shw("repair", "--schema", schema, "--grade", grade, stdin=text.encode())
    assert (ran.code, ran.json[0]["status"]) == (code, status)


def test_each_line_gets_its_answer_in_order_whatever_it_is() -> None:
    bomb = {"type": "string", "pattern": "^(a+)+$"}
    lines: list[str | bytes] = [
        _line('{"n": "5"}', id_="a"),
        "no JSON",
        "[1]",
        json.dumps({"id": 2, "text": "{}"}),
        json.dumps({"id": {"x": 1}, "schema": SCHEMA, "text": 5}),
        _line(json.dumps("a" * 60 + "!"), id_=3, schema=bomb),
        _line('{"n": 5}', id_=None),
        b'{"id": "\xff", "schema": {}, "text": ""}',
        _line('"\\ud800"', id_="half", schema={"type": "string"}),
    ]
    ran = shw("repair", "--jsonl", stdin=_asked(*lines))
    assert ran.code == 1
    told = [(one["id"], one["status"], one["cause"], one["document"]) for one in ran.json]
    assert told == [
        ("a", "repaired", None, {"n": 5}),
        (None, "refused", "unreadable_line", None),
        (None, "refused", "unreadable_line", None),
        (2, "refused", "unreadable_line", None),
        ({"x": 1}, "refused", "unreadable_line", None),
        (3, "refused", "took_too_long", None),
        (None, "valid", None, {"n": 5}),
        (None, "refused", "unreadable_line", None),
        ("half", "valid", None, "\ud800"),
    ]


def test_a_thousand_lines_share_one_child() -> None:
    lines = [_line(json.dumps({"n": str(n)}), id_=n) for n in range(1000)]
    ran = shw("repair", "--jsonl", stdin=_asked(*lines))
    assert ran.code == 0
    assert [one["document"]["n"] for one in ran.json] == list(range(1000))


@pytest.mark.parametrize("arguments", [(), ("--jsonl", "--schema", "{schema}"), ("--jsonl", "--grade", "brave")])
def test_a_command_line_that_says_too_little_or_too_much_is_usage(arguments: tuple[str, ...], schema: str) -> None:
    assert shw("repair", *(one.format(schema=schema) for one in arguments)).code == 2


def test_a_schema_file_that_is_no_json_is_usage(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text("type: object")
    ran = shw("repair", "--schema", str(file), stdin=b"{}")
    assert (ran.code, ran.out) == (2, b"")
    assert "not JSON" in ran.err
