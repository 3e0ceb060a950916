"""The mark of a replayed record: a bare event keeps the identity of where it lay first, and no mark can steal one."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from consumer.catalog import Catalog, parse_catalog
from consumer.ingest.decode import AdmissionRules, decode
from consumer.kafka.dead_letters import Letter, original
from consumer.kafka.manual_producer import Outgoing
from consumer.model import DeadLetter, Failure, Record, original_position, without_producer_metadata
from consumer.results.events import Outlet, dead_letter_message
from schemas.dead_letter import read_headers
from schemas.names import PoisonReason
from schemas.replay import MARKS, First, mark, read_mark

ORG = UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOPIC = "failures"
OUTLET = Outlet(results_topic="results", dlq_topic="dlq", max_bytes=900_000)
FIRST = First(topic=TOPIC, partition=3, offset=14, timestamp_ms=1_700_000_000_123, replayed=2)


def catalog(sources: str = "'*'") -> Catalog:
    return parse_catalog(
        f"version: 1\nsources:\n- {{source: {sources}, organisations: '*'}}\n", "catalog", lambda _: ""
    )


def record(name: str = "orders.sync", **changes: Any) -> Record:  # noqa: ANN401 - a record's own fields
    value = json.dumps({"org_id": str(ORG), "workflow_name": name, "failure_reason": "timeout"}).encode()
    made = Record(
        topic=TOPIC, partition=3, offset=14, timestamp_ms=1_700_000_000_123, key=b"k", value=value, headers=()
    )
    return replace(made, **changes)


def accepted(read: Record, door: Catalog | None = None) -> Failure:
    failure = decode(read, AdmissionRules(catalog=door or catalog(), max_event_bytes=100_000), NOW)
    assert isinstance(failure, Failure)
    return failure


def refused(read: Record) -> Letter:
    """The letter of a record, as it lies in the dead-letter topic."""
    message = dead_letter_message(
        DeadLetter(record=read, reason=PoisonReason.UNKNOWN_ORGANISATION, message="m"), OUTLET, NOW
    )
    lies = Record(
        topic="dlq", partition=0, offset=7, timestamp_ms=0, key=message.key, value=message.body, headers=message.headers
    )
    return Letter(record=lies, marks=read_headers(lies.headers))


def replayed(letter: Letter, offset: int) -> Record:
    """What a replay appends to the topic, as it is read there."""
    sent = original(letter, {TOPIC})
    assert isinstance(sent, Outgoing)
    return Record(
        topic=sent.topic,
        partition=0,
        offset=offset,
        timestamp_ms=1_700_009_999_000 + offset,
        key=sent.key,
        value=sent.value,
        headers=sent.headers,
    )


def test_a_bare_event_is_the_same_failure_after_any_number_of_replays() -> None:
    read = first = record(headers=(("traceparent", b"00-x"), ("x", b"\xff")))
    for n in range(1, 6):
        letter = refused(read)
        assert letter.marks is not None
        place = letter.marks.shw_dlq_partition, letter.marks.shw_dlq_offset, letter.marks.shw_dlq_replayed
        assert place == (3, 14, n - 1)
        assert letter.own_headers == first.headers
        read = replayed(letter, 100 + n)
        assert original_position(read)[1] == n
        assert accepted(read).id == accepted(first).id
        assert accepted(read).detected_at == accepted(first).detected_at


@pytest.mark.parametrize("timestamp", [-1, 0, 1_700_000_000_001])
def test_a_time_that_is_absent_or_odd_survives(timestamp: int) -> None:
    first = record(timestamp_ms=timestamp)
    assert accepted(replayed(refused(replayed(refused(first), 1)), 2)).id == accepted(first).id


def test_each_replay_that_fails_is_a_letter_of_its_own_and_each_delivery_is_not() -> None:
    once, twice = replayed(refused(record()), 100), replayed(refused(record()), 101)
    ids = [
        dead_letter_message(DeadLetter(record=one, reason=PoisonReason.NOT_JSON, message=""), OUTLET, NOW).id
        for one in (record(), once, once, twice)
    ]
    assert len(set(ids)) == 3
    assert ids[1] == ids[2]


def test_a_letter_that_an_older_release_wrote_of_a_replayed_record_keeps_the_first_place_too() -> None:
    # It knows of no mark: the mark stays among the record's own headers, and the place is the last one.
    letter = refused(record(partition=0, offset=900))
    older = replace(letter.record, headers=(*mark(FIRST), *letter.record.headers))
    sent = original(Letter(record=older, marks=read_headers(older.headers)), {TOPIC})
    assert isinstance(sent, Outgoing)
    assert read_mark(sent.headers, TOPIC) == replace(FIRST, replayed=3)


def test_a_mark_never_lets_other_content_pass_for_a_failure_that_is_there() -> None:
    victim = accepted(record("victim"))
    forged = accepted(record("attacker", partition=9, offset=99, headers=mark(FIRST)))
    assert forged.id != victim.id
    # The very same bytes are the very same event: what is suppressed is a copy.
    copy = accepted(record("victim", partition=9, offset=99, headers=mark(FIRST)))
    assert copy.id == victim.id


def test_a_mark_never_lends_another_source() -> None:
    headers = mark(replace(FIRST, topic="trusted"))
    door = AdmissionRules(catalog=catalog("urn:kafka:trusted"), max_event_bytes=100_000)
    found = decode(record(headers=headers), door, NOW)
    assert isinstance(found, DeadLetter)
    assert found.reason is PoisonReason.SOURCE_NOT_ALLOWED


def test_an_event_with_an_id_is_that_event_whatever_its_mark_says() -> None:
    event = {"specversion": "1.0", "id": "e1", "source": "urn:a", "type": "workflow.failure.v1"}
    data = {"org_id": str(ORG), "workflow_name": "w", "failure_reason": "r"}
    value = json.dumps(event | {"data": data}).encode()
    assert accepted(record(value=value, headers=mark(FIRST))).id == accepted(record(value=value, offset=77)).id


BROKEN: list[tuple[str, dict[str, bytes | None]]] = [
    ("another topic", {"shw_first_topic": b"other"}),
    ("no topic", {"shw_first_topic": None}),
    ("no partition", {"shw_first_partition": None}),
    ("no offset", {"shw_first_offset": None}),
    ("no count", {"shw_replayed": None}),
    ("a count of none", {"shw_replayed": b"0"}),
    ("a count beyond the most", {"shw_replayed": b"10000"}),
    ("a negative offset", {"shw_first_offset": b"-1"}),
    ("a leading zero", {"shw_first_offset": b"014"}),
    ("a sign", {"shw_first_offset": b"+14"}),
    ("white space", {"shw_first_offset": b"14 "}),
    ("a new line", {"shw_first_offset": b"14\n"}),
    ("other digits", {"shw_first_offset": "١٤".encode()}),
    ("a partition beyond 32 bits", {"shw_first_partition": b"2147483648"}),
    ("an offset beyond 64 bits", {"shw_first_offset": b"9223372036854775808"}),
    ("a thousand digits", {"shw_first_offset": b"9" * 1000}),
    ("a negative time", {"shw_first_timestamp": b"-1"}),
    ("an empty time", {"shw_first_timestamp": b""}),
    ("not UTF-8", {"shw_first_offset": b"\xff"}),
]


@pytest.mark.parametrize("changes", [pytest.param(one, id=name) for name, one in BROKEN])
def test_a_mark_that_is_not_whole_and_exact_counts_for_nothing(changes: dict[str, bytes | None]) -> None:
    written = {**dict(mark(FIRST)), **changes}
    headers = tuple((name, content) for name, content in written.items() if content is not None)
    assert read_mark(headers, TOPIC) is None
    marked = record(offset=50, headers=headers)
    assert accepted(marked).id == accepted(record(offset=50)).id
    assert refused(marked).own_headers == ()


def test_a_mark_that_stands_there_twice_counts_for_nothing() -> None:
    assert read_mark((*mark(FIRST), ("shw_first_offset", b"14")), TOPIC) is None
    assert read_mark(mark(FIRST), TOPIC) == FIRST
    assert read_mark((), TOPIC) is None


def test_the_count_has_an_end() -> None:
    assert read_mark(mark(replace(FIRST, replayed=12_345)), TOPIC) == replace(FIRST, replayed=9999)


def test_what_is_kept_of_a_record_that_the_database_refuses_is_its_value_and_its_mark() -> None:
    marked = record(headers=(("x", b"1"), *mark(FIRST)))
    assert {name for name, _ in without_producer_metadata(marked).headers} == MARKS
    assert without_producer_metadata(record(headers=(("x", b"1"),))).headers == ()
