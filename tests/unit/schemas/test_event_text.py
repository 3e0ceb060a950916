"""Texts that no database stores: mended, and told."""

import json

import pytest

from schemas.envelope import EnvelopeError, Form, parse
from schemas.event_text import MOST_MENDED, load_event
from schemas.names import PoisonReason


@pytest.mark.parametrize(
    ("raw", "text", "characters"),
    [
        (rb'"a\u0000b"', "a\ufffdb", 1),
        (b'"a\x00b"', "a\ufffdb", 1),
        (rb'"cut \ud83d"', "cut \ufffd", 1),
        (rb'"\ude00 cut"', "\ufffd cut", 1),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600", 1),
        (rb'"\udc00\ud800"', "\ufffd\ufffd", 2),
        (rb'"cut \ud8"', "cut \ufffd", 1),
        (rb'"\\u0000 \\ud800"', "\\u0000 \\ud800", 0),
        (rb'"\\\u0000"', "\\\ufffd", 1),
        (b'"cut \xf0"', "cut \ufffd", 1),
        (b'"cut \xf0\x9f"', "cut \ufffd", 1),
        (b'"cut \xf0\x9f\x98"', "cut \ufffd", 1),
        (b'"cut \xe4\xbd..."', "cut \ufffd...", 1),
        (b'"cut \xf0\x9f ... truncated"', "cut \ufffd ... truncated", 1),
        (b'"cut \xf0\x9f (truncated)"', "cut \ufffd (truncated)", 1),
        (b'"a \xed\xa0\xbd\xed\xb8\x80 b"', "a \U0001f600 b", 0),
        (b'"a\xc0\x80b"', "a\ufffdb", 1),
        (b'"\x98\x80 cut"', "\ufffd\ufffd cut", 2),
        (rb'"a \ud83d\ude00 b"', "a \U0001f600 b", 0),
        ('"a \U0001f600 \ufffd"'.encode(), "a \U0001f600 \ufffd", 0),
    ],
)
def test_a_piece_of_a_character_becomes_a_mark(raw: bytes, text: str, characters: int) -> None:
    assert load_event(b'{"a": [%s]}' % raw) == ({"a": [text]}, characters)


@pytest.mark.parametrize(
    "value",
    [
        '{"a": "café au lait"}'.encode("latin-1"),
        '{"a": "日本語のテキスト"}'.encode("shift-jis"),
        '{"a": "x"}'.encode("utf-16"),
        b'{"a": "' + rb"\u0000" * 10 + b"\x00" * (MOST_MENDED + 1) + b'"}',
        b'{"a": "x',
        b'{"a": "\x01"}',
        b"\x00",
        b'{"a": "\xff\xfe"}',
        '{"a": "Müll"}'.encode("latin-1"),
    ],
)
def test_what_is_another_encoding_or_no_json_is_refused(value: bytes) -> None:
    with pytest.raises(EnvelopeError) as caught:
        load_event(value)
    assert caught.value.kind in {PoisonReason.NOT_JSON, PoisonReason.BAD_TEXT}


def test_mended_text_is_counted_wherever_it_stands() -> None:
    document = {
        "specversion": "1.0",
        "id": "e",
        "source": "urn:x",
        "type": "workflow.failure.v1",
        "data": {"a\0": "b\0"},
    }
    event = parse(json.dumps(document).encode(), [])
    assert (event.form, event.data, event.mended) == (Form.STRUCTURED, {"a\ufffd": "b\ufffd"}, 2)


@pytest.mark.parametrize("name", ["id", "source"])
def test_what_tells_events_apart_is_never_mended(name: str) -> None:
    document = {"specversion": "1.0", "id": "e", "source": "urn:x", "type": "workflow.failure.v1", "data": {}}
    with pytest.raises(EnvelopeError) as caught:
        parse(json.dumps(document | {name: "x\0"}).encode(), [])
    assert caught.value.kind is PoisonReason.BAD_TEXT


def test_other_faults_stay_what_they_are() -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse(rb'{"a": "\u0000", "b": NaN}', [])
    assert caught.value.kind is PoisonReason.BAD_NUMBER
