"""Which letters are chosen, and what would become of one that is sent again."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.catalog import parse_catalog
from consumer.cli.letter_choice import EventOrigin, LetterFilter, voice_of
from consumer.cli.replay_letters import Prospects, Sendable, StillRefused, identity
from consumer.ingest.decode import AdmissionRules
from consumer.kafka.dead_letters import Letter, original
from consumer.kafka.manual_producer import Outgoing
from consumer.model import Record
from schemas.dead_letter import RefusedRecord, dead_letter, read_headers
from schemas.names import PoisonReason

ORG = UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10")
AT = datetime(2026, 3, 1, tzinfo=UTC)
DATA = {"org_id": str(ORG), "workflow_name": "w", "failure_reason": "r"}
EVENT = {"specversion": "1.0", "id": "1", "source": "urn:a", "type": "workflow.failure.v1", "data": DATA}
BINARY = (("ce_specversion", b"1.0"), ("ce_source", b"urn:b"), ("ce_id", b"1"), ("ce_type", b"workflow.failure.v1"))


def letter(
    value: object,
    *,
    reason: PoisonReason = PoisonReason.NOT_JSON,
    headers: tuple[tuple[str, bytes], ...] = (),
    **at: int,
) -> Letter:
    refused = RefusedRecord(
        topic="failures",
        partition=at.get("partition", 3),
        offset=at.get("offset", 14),
        timestamp=None,
        value=value if isinstance(value, bytes) else json.dumps(value).encode(),
        headers=headers,
        reason=reason,
        message="m",
    )
    body, marks = dead_letter(refused, now=AT, max_value_bytes=100_000)
    record = Record(topic="dlq", partition=1, offset=2, timestamp_ms=0, key=b"k", value=body, headers=tuple(marks))
    return Letter(record=record, marks=read_headers(record.headers))


@pytest.mark.parametrize(
    ("value", "headers", "expected"),
    [
        (EVENT, (), EventOrigin(source="urn:a", organisation=ORG)),
        (DATA, (), EventOrigin(source="urn:kafka:failures", organisation=ORG)),
        (DATA, BINARY, EventOrigin(source="urn:b", organisation=ORG)),
        (b"not json", BINARY, EventOrigin(source="urn:b")),
        (b"not json", (), EventOrigin()),
        ([1], (), EventOrigin()),
        ({"data": 7, "source": 8}, (), EventOrigin()),
        (EVENT | {"type": "workflow.failure.v9"}, (), EventOrigin(source="urn:a", organisation=ORG)),
        (DATA | {"org_id": "no"}, (), EventOrigin(source="urn:kafka:failures")),
    ],
)
def test_who_spoke_is_told_as_far_as_the_bytes_tell(
    value: object, headers: tuple[tuple[str, bytes], ...], expected: EventOrigin
) -> None:
    assert voice_of(letter(value, headers=headers)) == expected


@pytest.mark.parametrize(
    ("choice", "holds"),
    [
        (LetterFilter(), True),
        (LetterFilter(reason=PoisonReason.NOT_JSON), True),
        (LetterFilter(reason=PoisonReason.TOO_LARGE), False),
        (LetterFilter(source="urn:a"), True),
        (LetterFilter(source="urn:*"), True),
        (LetterFilter(source="urn:b"), False),
        (LetterFilter(organisation=ORG), True),
        (LetterFilter(organisation=UUID(int=1)), False),
        (LetterFilter(since=AT), True),
        (LetterFilter(since=AT + timedelta(seconds=1)), False),
        (LetterFilter(until=AT), False),
        (LetterFilter(until=AT + timedelta(seconds=1)), True),
        (LetterFilter(source="urn:a", organisation=UUID(int=1)), False),
    ],
)
def test_a_letter_is_chosen_by_reason_source_organisation_and_time(choice: LetterFilter, *, holds: bool) -> None:
    assert choice.holds(letter(EVENT)) is holds


def test_who_cannot_be_read_is_of_no_source_and_no_organisation() -> None:
    assert not LetterFilter(source="*").holds(letter(b"not json"))
    assert not LetterFilter(organisation=ORG).holds(letter(b"not json"))


def test_letters_of_one_original_have_one_identity_and_others_have_another() -> None:
    assert identity(letter(DATA)) == identity(letter(DATA, reason=PoisonReason.TOO_LARGE))
    others = [letter(DATA, offset=15), letter(DATA, partition=4), letter(EVENT)]
    assert len({identity(one) for one in (letter(DATA), *others)}) == 4


def door(sources: str = "'*'", limit: int = 100_000) -> AdmissionRules:
    text = f"version: 1\nsources:\n- {{source: {sources}, organisations: '*'}}\n"
    return AdmissionRules(catalog=parse_catalog(text, "catalog", lambda _: ""), max_event_bytes=limit)


async def prospect(value: object, by: AdmissionRules | None, **more: Any) -> Sendable | StillRefused:  # noqa: ANN401 - a builder's
    sent = original(letter(value, **more), {"failures"})
    assert isinstance(sent, Outgoing)
    (found,) = await Prospects("failures", by, None).of([sent])
    assert isinstance(found, Sendable | StillRefused)
    return found


@pytest.mark.parametrize(
    ("value", "by", "said"),
    [
        (DATA, door("urn:other"), "the source is still not in the catalog: source 'urn:kafka:failures'"),
        (DATA, door(limit=10), "it is still too large: the event has"),
        (b"not json", door(), "it would be refused again (not_json)"),
        ({"workflow_name": "w"}, door(), "it would be refused again (wrong_shape)"),
        (EVENT | {"type": "workflow.failure.v9"}, door(), "it would be refused again (unknown_version)"),
        (DATA | {"detected_at": "yesterday"}, door(), "it would be refused again (bad_time)"),
    ],
    ids=["source", "size", "bytes", "shape", "version", "time"],
)
async def test_what_would_be_refused_again_is_not_sent(value: object, by: AdmissionRules, said: str) -> None:
    found = await prospect(value, by)
    assert isinstance(found, StillRefused)
    assert found.why.startswith(said)


async def test_what_would_be_accepted_is_sent_and_what_is_not_asked_about_too() -> None:
    accepted, unasked = await prospect(DATA, door()), await prospect(b"not json", None)
    assert isinstance(accepted, Sendable)
    assert accepted.failure_id is not None
    assert unasked == Sendable()
