"""A batch of CloudEvents in one record: each event for itself."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.catalog import parse_catalog
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.event_batches import MOST_EVENTS, MOST_HEADER_BYTES, MOST_HEADERS, split_batch
from consumer.model import DeadLetter, Failure, Record
from consumer.results.events import Outlet, dead_letter_message
from schemas.names import PoisonReason

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOOR = AdmissionRules(
    catalog=parse_catalog('version: 1\nsources: [{source: "*", organisations: "*"}]\n'), max_event_bytes=1 << 20
)


def event(n: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    data = {"org_id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f", "workflow_name": "w", "failure_reason": f"f{n}"}
    whole = {"specversion": "1.0", "id": f"e{n}", "source": "urn:x", "type": "workflow.failure.v1", "data": data}
    return whole | changes


def batch(value: bytes | list[Any], kind: bytes = b"application/cloudevents-batch+json; charset=UTF-8") -> Record:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Record(
        topic="t",
        partition=3,
        offset=17,
        timestamp_ms=int(NOW.timestamp() * 1000),
        key=b"k",
        value=raw,
        headers=(("Content-Type", kind), ("traceparent", b"x")),
    )


def decoded(record: Record) -> list[Failure | DeadLetter]:
    return [decode(one, DOOR, NOW) for one in split_batch(record, max_bytes=DOOR.max_event_bytes)]


def test_each_event_of_a_batch_is_a_failure_and_a_bad_one_is_a_letter() -> None:
    found = decoded(batch([event(1), {"specversion": "1.0"}, event(2), 7, event(3, type="else.v1")]))
    assert [type(one) for one in found] == [Failure, DeadLetter, Failure, DeadLetter, DeadLetter]
    assert [one.failure_reason for one in found if isinstance(one, Failure)] == ["f1", "f2"]
    letters = [one for one in found if isinstance(one, DeadLetter)]
    assert [one.reason for one in letters] == [R.WRONG_SHAPE, R.WRONG_SHAPE, R.UNKNOWN_VERSION]
    assert [(one.record.offset, one.record.part) for one in letters] == [(17, 2), (17, 4), (17, 5)]
    assert json.loads(letters[2].record.value or b"")["id"] == "e3"


R = PoisonReason


def test_a_letter_of_a_batch_has_an_id_of_its_own_and_can_be_replayed_alone() -> None:
    outlet = Outlet(results_topic="r", dlq_topic="d", max_bytes=900_000)
    letters = [one for one in decoded(batch([7, 8])) if isinstance(one, DeadLetter)]
    messages = [dead_letter_message(one, outlet, NOW) for one in letters]
    assert len({message.id for message in messages}) == 2
    again = [dead_letter_message(one, outlet, NOW + timedelta(hours=1)) for one in letters]
    assert [message.id for message in again] == [message.id for message in messages]
    assert [message.body for message in messages] == [b"7", b"8"]
    assert ("content-type", b"application/cloudevents+json") in messages[0].headers


def test_a_batch_gives_the_failures_that_its_events_give_alone() -> None:
    (whole,) = [one for one in decoded(batch([event(1)])) if isinstance(one, Failure)]
    alone = decode(batch(json.dumps(event(1)).encode(), b"application/cloudevents+json"), DOOR, NOW)
    assert isinstance(alone, Failure)
    assert whole.id == alone.id
    assert decoded(batch([event(1), event(2)])) == decoded(batch([event(1), event(2)]))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"[1, ", R.NOT_JSON),
        (b"{}", R.WRONG_SHAPE),
        (json.dumps([1] * (MOST_EVENTS + 1)).encode(), R.TOO_LARGE),
        (b"[" + b" " * (1 << 20) + b"]", R.TOO_LARGE),
        (b"[" * 300, R.TOO_DEEP),
    ],
)
def test_a_batch_that_is_none_is_one_letter(value: bytes, reason: PoisonReason) -> None:
    (letter,) = decoded(batch(value))
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.record.value, letter.record.part) == (reason, value, 0)


def test_an_empty_batch_is_nothing() -> None:
    assert decoded(batch([])) == []


def test_numbers_that_are_none_and_texts_that_were_cut_count_for_their_event_alone() -> None:
    raw = json.dumps([event(1), event(2), event(3)]).replace('"f1"', '"f1\\ud83d"').replace('"f2"', "NaN")
    first, second, third = decoded(batch(raw.encode()))
    assert isinstance(first, Failure)
    assert (first.failure_reason, first.mended, first.redactions) == ("f1\ufffd", 1, ("/failure_reason",))
    assert isinstance(second, DeadLetter)
    assert second.reason is R.BAD_NUMBER
    assert isinstance(third, Failure)
    assert third.mended == 0


def test_other_records_pass_as_they_are() -> None:
    one = batch(b"{}", b"application/json")
    assert list(split_batch(one, max_bytes=1)) == [one]


@pytest.mark.parametrize(
    "headers",
    [[("h", b"x")] * (MOST_HEADERS + 1), [("h", b"x" * MOST_HEADER_BYTES)]],
    ids=["number", "bytes"],
)
def test_a_batch_with_more_headers_than_each_event_can_carry_is_one_letter(headers: list[tuple[str, bytes]]) -> None:
    whole = batch([7] * MOST_EVENTS)
    (letter,) = decoded(replace(whole, headers=(*whole.headers, *headers)))
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.record.value, letter.record.part) == (R.TOO_LARGE, whole.value, 0)
    assert "headers" in letter.message
