"""What comes from outside never controls a terminal, and is the same value when it is read again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.cli.exits import say
from consumer.cli.tables import plain, print_json, print_rows
from schemas.json_text import to_json
from schemas.printable import escape_json, escape_line

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \x7f \u202egnp.exe\u2066 \u200b\u200f \U000e0041 é 日本 🙂"


def is_harmless(line: str) -> bool:
    return all(text.isprintable() for text in line.rstrip("\n").split("\t"))


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_escaped_json_is_the_same_value_and_prints_nothing_else(value: object) -> None:
    line = escape_json(to_json(value))
    assert json.loads(line) == value
    assert line.decode().isprintable()


@given(st.text())
def test_an_escaped_line_is_printable(text: str) -> None:
    assert escape_line(text).isprintable()


def test_what_can_be_printed_stays_as_it_is() -> None:
    assert escape_line("é 日本 🙂 a\\x1b") == "é 日本 🙂 a\\x1b"
    assert escape_json('{"a":"é 日本 🙂"}'.encode()) == '{"a":"é 日本 🙂"}'.encode()


def test_tables_json_and_messages_of_commands_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["reason"], [[HOSTILE]])
    print_json({HOSTILE: [HOSTILE]})
    say(f"Refused: {HOSTILE}")
    said = capsys.readouterr()
    lines = [*said.out.splitlines(), *said.err.splitlines()]
    assert len(lines) == 4
    assert all(map(is_harmless, lines))
    assert "\\u202e" in said.out
    assert "é 日本 🙂" in said.err
    assert json.loads(lines[2]) == {HOSTILE: [HOSTILE]}
    assert is_harmless(plain(HOSTILE))
