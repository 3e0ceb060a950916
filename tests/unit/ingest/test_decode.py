"""Bytes to a failure or a dead letter: never an exception, and the same id for every delivery."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.catalog import parse_catalog
from consumer.ingest.decode import AdmissionRules, decode
from consumer.model import DeadLetter, Failure, Record
from schemas.json_text import MAX_DEPTH
from schemas.names import PoisonReason
from tests.support.pipeline import catalog, event

ORG = UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MADE = datetime(2026, 3, 1, 11, 59, 58, tzinfo=UTC)
DOOR = AdmissionRules(catalog=parse_catalog(catalog()), max_event_bytes=100_000)


def record(value: object, **changes: Any) -> Record:  # noqa: ANN401 - a record's fields
    raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    whole = Record(
        topic="workflow.failures",
        partition=3,
        offset=41,
        timestamp_ms=int(MADE.timestamp() * 1000),
        key=None,
        value=raw,
        headers=(),
    )
    return replace(whole, **changes)


def accepted(value: object, **changes: Any) -> Failure:  # noqa: ANN401 - a record's fields
    decoded = decode(record(value, **changes), DOOR, NOW)
    assert isinstance(decoded, Failure), decoded
    return decoded


def test_an_event_keeps_its_id_wherever_and_whenever_it_is_delivered() -> None:
    first = accepted(event(ORG, 7))
    again = accepted(event(ORG, 7), partition=0, offset=9, timestamp_ms=5)
    assert first.id == again.id
    assert first.digest == again.digest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(event(ORG, 8), id="another id"),
        pytest.param(event(ORG, 7) | {"source": "urn:other"}, id="another source"),
        pytest.param(event(UUID(int=1), 7), id="another organisation"),
    ],
)
def test_organisation_source_and_id_tell_events_apart(other: dict[str, Any]) -> None:
    assert accepted(event(ORG, 7)).id != accepted(other).id


def test_source_and_id_do_not_run_together() -> None:
    assert accepted(event(ORG, "c") | {"source": "a:b"}).id != accepted(event(ORG, "b:c") | {"source": "a"}).id


def test_the_same_id_with_other_content_has_another_digest() -> None:
    one, other = accepted(event(ORG, 7)), accepted(event(ORG, 7, context={"n": 1}))
    assert (one.id, one.digest) != (other.id, other.digest)
    assert one.id == other.id


@pytest.mark.parametrize("changes", [{"partition": 4}, {"offset": 42}, {"timestamp_ms": 1}, {"topic": "other"}])
def test_a_bare_event_is_known_by_its_place(changes: dict[str, Any]) -> None:
    bare = event(ORG)["data"]
    assert accepted(bare).id == accepted(bare).id
    assert accepted(bare).id != accepted(bare, **changes).id
    assert accepted(bare).source == "urn:kafka:workflow.failures"


def test_binary_and_structured_forms_of_one_event_are_one_failure() -> None:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"7"),
        ("ce_source", b"urn:test"),
        ("ce_type", b"workflow.failure.v1"),
    )
    assert accepted(event(ORG)["data"], headers=headers).id == accepted(event(ORG, 7)).id


@pytest.mark.parametrize(
    ("timestamp_ms", "told", "expected"),
    [
        pytest.param(int(MADE.timestamp() * 1000), "2026-03-01T10:00:00+02:00", NOW - timedelta(hours=4), id="told"),
        pytest.param(int(MADE.timestamp() * 1000), None, MADE, id="the record's time"),
        pytest.param(-1, None, NOW, id="a record without one"),
        pytest.param(2**62, None, NOW, id="a wild clock"),
        pytest.param(int(NOW.timestamp() * 1000) + 60_000, None, NOW, id="a clock ahead"),
    ],
)
def test_the_time_of_detection(timestamp_ms: int, told: str | None, expected: datetime) -> None:
    more = {"detected_at": told} if told else {}
    assert accepted(event(ORG, **more), timestamp_ms=timestamp_ms).detected_at == expected


def test_what_it_does_not_know_is_kept_and_the_trace_carried_on() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    failed = accepted(event(ORG, tier="gold") | {"traceparent": trace, "region": "eu"})
    assert failed.extra == {"tier": "gold", "extensions": {"region": "eu"}}
    assert failed.trace is not None
    assert failed.trace.traceparent == trace


def test_secrets_are_taken_out_at_the_door_and_the_digest_is_of_the_whole() -> None:
    told = event(
        ORG,
        7,
        context={"note": {"password": "hunter2-secret"}},
        failure_reason="timeout, api_key=sk-12345678901234567890",
    )
    failed = accepted(told)
    assert "hunter2" not in json.dumps(failed.context)
    assert "sk-1234567890" not in failed.failure_reason
    assert "/context/note/password" in failed.redactions
    assert failed.digest == accepted(told).digest


def test_an_event_above_the_limit_is_not_even_parsed() -> None:
    letter = decode(record(b"{" * 200_000), DOOR, NOW)
    assert isinstance(letter, DeadLetter)
    assert letter.reason is PoisonReason.TOO_LARGE


def test_a_source_that_may_not_speak_is_named_in_the_refusal() -> None:
    strict = replace(DOOR, catalog=parse_catalog(catalog().replace("{source: '*',", "{source: 'urn:mine',")))
    letter = decode(record(event(ORG)), strict, NOW)
    assert isinstance(letter, DeadLetter)
    assert letter.reason is PoisonReason.SOURCE_NOT_ALLOWED
    assert "urn:test" in letter.message


@given(
    st.binary(max_size=200) | st.none(), st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=10)), max_size=4)
)
def test_no_bytes_raise_anything(value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    assert isinstance(decode(record(value, headers=tuple(headers)), DOOR, NOW), DeadLetter)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=10), below, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["org_id", "workflow_name", "failure_reason", "context", "detected_at", "x"]), JSON)
)
def test_no_json_raises_anything(changes: dict[str, Any]) -> None:
    told = event(ORG)
    told["data"] |= changes
    assert isinstance(decode(record(told), DOOR, NOW), Failure | DeadLetter)


@pytest.mark.parametrize(
    "name", ["password:\nhunter2x9", "x\u200b password=hunter2x9", "пароль: hunter2x9", "token\t=\thunter2x9"]
)
def test_a_dead_letters_message_is_redacted_before_it_is_escaped(name: str) -> None:
    closed = parse_catalog(catalog().replace("source: '*'", "source: 'urn:trusted'"))
    of_stranger = decode(record(event(ORG) | {"source": name}), replace(DOOR, catalog=closed), NOW)
    of_depth: Any = "end"
    for _ in range(MAX_DEPTH + 1):
        of_depth = {name: of_depth}
    for letter in (of_stranger, decode(record(event(ORG, context=of_depth)), DOOR, NOW)):
        assert isinstance(letter, DeadLetter)
        assert "hunter2x9" not in letter.message
        assert "[redacted]" in letter.message
