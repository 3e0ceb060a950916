"""What is told of a refused record: by what it claims, cut and without secrets."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from consumer.ingest.claimed_event import ClaimedEvent, claimed_event
from consumer.model import DeadLetter, Record
from consumer.results.events import Outlet
from consumer.results.refusals import CURES, MAX_NAME, refusal_message
from schemas.names import PoisonReason

OUTLET = Outlet(results_topic="results", dlq_topic="dlq", max_bytes=1_000_000)
ORG = UUID(int=7)
BARE = "urn:kafka:failures"


def record(value: bytes | None, *headers: tuple[str, bytes]) -> Record:
    return Record(
        topic="failures", partition=2, offset=7, timestamp_ms=1_700_000_000_000, key=None, value=value, headers=headers
    )


EVENT = {"specversion": "1.0", "id": "e-1", "source": "urn:a", "type": "workflow.failure.v1", "data": {"text": "x"}}
STRUCTURED = json.dumps(EVENT).encode()
OF_ITSELF = ClaimedEvent(source="urn:a", event_id="e-1")


@pytest.mark.parametrize(
    ("refused", "claims"),
    [
        (record(STRUCTURED), OF_ITSELF),
        (record(STRUCTURED[:-5]), OF_ITSELF),
        (record(json.dumps(EVENT | {"data": {"text": "x" * 3_000_000}}).encode()), OF_ITSELF),
        (record(STRUCTURED, ("ce_traceparent", b"00-1-2-01")), OF_ITSELF),
        (record(b"\x00", ("ce_id", b"e-1"), ("ce-source", b"urn:a")), OF_ITSELF),
        (record(STRUCTURED, ("ce_id", b"\xff")), OF_ITSELF),
        (record(b'{"org_id": "o", "id": "of the data", "source": "of the data"}'), ClaimedEvent(source=BARE)),
        (record(b'{"specversion": "1.0", "id": 7, "source": ["urn:a"]}'), ClaimedEvent(source=BARE)),
        (
            record(json.dumps({"org_id": str(ORG), "context": 7}).encode()),
            ClaimedEvent(source=BARE, org_id=ORG),
        ),
        (
            record(json.dumps(EVENT | {"data": {"org_id": str(ORG)}}).encode()[:-1]),
            ClaimedEvent(source="urn:a", event_id="e-1", org_id=ORG),
        ),
        (record(b"not json"), ClaimedEvent(source=BARE)),
        (record(b"[" * 100_000), ClaimedEvent(source=BARE)),
        (record(None), ClaimedEvent(source=BARE)),
    ],
)
def test_a_record_claims_what_can_be_read_of_it(refused: Record, claims: ClaimedEvent) -> None:
    assert claimed_event(refused) == claims


def test_each_reason_has_a_cure() -> None:
    assert set(CURES) == set(PoisonReason)


def test_what_is_told_is_cut_whatever_a_producer_claims() -> None:
    letter = DeadLetter(record=record(b"x"), reason=PoisonReason.TOO_LARGE, message="m" * 100_000)
    claimed = ClaimedEvent(source="s" * 100_000, event_id="\U0001f600" * 100_000)
    told = refusal_message(letter, claimed, OUTLET, datetime(2026, 1, 1, tzinfo=UTC), letter_id=UUID(int=1))
    assert told.key == b"s" * MAX_NAME
    assert len(told.body or b"") < 8192
