import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from consumer.cli.dead_letters import shown, shown_value
from consumer.kafka.dead_letters import Letter, original
from consumer.kafka.manual_producer import Outgoing
from consumer.model import Record
from schemas.dead_letter import RefusedRecord, cut_letter, dead_letter, read_headers
from schemas.names import PoisonReason
from schemas.replay import First, mark

SECRET = "hunter2secret"


def _letter(value: bytes, *, limit: int = 1000, headers: tuple[tuple[str, bytes], ...] = ()) -> Letter:
    refused = RefusedRecord(
        topic="failures",
        partition=3,
        offset=14,
        timestamp=None,
        value=value,
        headers=headers,
        reason=PoisonReason.WRONG_SHAPE,
        message="data.org_id: missing",
    )
    body, marks = dead_letter(refused, now=datetime(2026, 3, 1, tzinfo=UTC), max_value_bytes=limit)
    record = Record(topic="dlq", partition=1, offset=2, timestamp_ms=0, key=b"run", value=body, headers=tuple(marks))
    return Letter(record=record, marks=read_headers(record.headers))


def test_a_letter_goes_back_as_it_came() -> None:
    headers = (("ce_id", b"1"), ("x", b"\xff\x00"))
    first = First(topic="failures", partition=3, offset=14, timestamp_ms=-1, replayed=1)
    assert original(_letter(b"\x00raw", headers=headers), {"failures"}) == Outgoing(
        topic="failures", key=b"run", value=b"\x00raw", headers=(*headers, *mark(first))
    )


def test_a_cut_letter_is_not_sent_as_if_it_were_whole() -> None:
    why = original(_letter(b"x" * 20, limit=10), {"failures"})
    assert isinstance(why, str)
    assert why.startswith("it is cut (10 of 20 bytes")


def test_a_letter_whose_key_or_headers_were_cut_is_not_sent_as_if_it_were_whole() -> None:
    letter = _letter(b"{}", headers=(("x", bytes(9000)), ("small", b"")))
    record = letter.record
    key, value, marks = cut_letter(b"k" * 9000, record.value or b"", record.headers, 4096)
    short = replace(record, key=key, value=value, headers=tuple(marks))
    why = str(original(Letter(record=short, marks=read_headers(marks)), {"failures"}))
    digest = sha256(b"k" * 9000).hexdigest()
    assert f"of the 9000 bytes of its key, SHA-256 {digest}; 1 of its headers left out" in why


def test_a_letter_goes_to_no_topic_that_is_not_ours() -> None:
    assert "does not read" in str(original(_letter(b"{}"), {"elsewhere"}))


def test_a_record_without_the_healer_s_headers_is_shown_and_not_replayed() -> None:
    letter = _letter(b"{}")
    foreign = replace(letter, record=replace(letter.record, headers=()), marks=None)
    assert "the healer did not write it" in str(original(foreign, {"failures"}))
    assert shown(foreign)["reason"] is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(json.dumps({"data": {"context": {"password": SECRET}}}).encode(), id="JSON"),
        pytest.param(b'{"pass\\u0077ord": "%s"}' % SECRET.encode(), id="JSON with an escape"),
        pytest.param(b'{"pass\\u0077ord": "%s' % SECRET.encode(), id="cut JSON with an escape"),
        pytest.param(b"password=%s and more" % SECRET.encode(), id="text"),
        pytest.param(f"password={SECRET}".encode("utf-16"), id="another encoding"),
        pytest.param(b"pass\0word=%s" % SECRET.encode(), id="text with NUL"),
        pytest.param(b'{"n": 1e999, "password": "%s"' % SECRET.encode(), id="a bad number"),
        pytest.param(b'{"a": ' * 500 + b'{"password": "%s"}' % SECRET.encode() + b"}" * 500, id="too deep"),
        pytest.param(json.dumps({"data_base64": "eyJwYXNzd29yZCI6ICJodW50ZXIyc2VjcmV0In0="}).encode(), id="base64"),
    ],
)
def test_a_secret_in_a_letter_is_not_shown(value: bytes) -> None:
    said = json.dumps(shown_value(value))
    assert SECRET not in said
    assert "eyJwYXNz" not in said


def test_a_letter_s_own_headers_and_key_are_shown_without_secrets() -> None:
    letter = _letter(b"{}", headers=(("authorization", SECRET.encode()), ("ce_id", b"1")))
    letter = replace(letter, record=replace(letter.record, key=f"token={SECRET}9".encode()))
    found = shown(letter)
    assert found["headers"] == {"authorization": "[redacted]", "ce_id": "1"}
    assert SECRET not in json.dumps(found)
    assert (found["place"], found["from"], found["bytes"]) == ("1:2", "failures 3:14", 2)
