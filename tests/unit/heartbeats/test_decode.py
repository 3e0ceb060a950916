"""One heartbeat from its record: what counts, and what is refused with a reason; nothing raises."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.catalog import parse_catalog
from consumer.heartbeats.decode import BadBeat, read_beat, read_closely
from consumer.heartbeats.quick import read_plain_beat
from consumer.model import Record
from consumer.model.live_run import Beat
from schemas.names import PoisonReason
from tests.support.paths import ROOT

ORG = UUID("6f2b7f0e-0000-4000-8000-000000000001")
DATA = {
    "org_id": str(ORG),
    "workflow_name": "orders",
    "run_id": "run-1",
    "status": "executing",
    "beat_at": "2026-03-14T12:00:00Z",
}


class Everybody:
    def may_speak(self, source: str, org_id: UUID) -> bool:
        return "stranger" not in source and org_id == ORG


def record(value: object, timestamp_ms: int = 1_000) -> Record:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Record(topic="beats", partition=3, offset=9, timestamp_ms=timestamp_ms, key=None, value=body, headers=())


def event(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    attributes = {"specversion": "1.0", "id": "1", "source": "urn:test", "type": "workflow.heartbeat.v1"}
    return attributes | {"data": DATA} | changes


def test_a_beat_is_read_bare_and_as_an_event() -> None:
    bare, whole = read_beat(record(DATA), Everybody()), read_beat(record(event()), Everybody())
    assert isinstance(bare, Beat)
    assert isinstance(whole, Beat)
    assert (bare.source, whole.source) == ("urn:kafka:beats", "urn:test")
    assert (bare.name.run_id, bare.step, bare.stamped, bare.partition, bare.offset) == ("run-1", "", 1.0, 3, 9)


def test_a_record_without_a_sane_timestamp_is_dated_by_its_own_word() -> None:
    for stamp in (-1, 0, 2**62):
        beat = read_beat(record(DATA, stamp), Everybody())
        assert isinstance(beat, Beat)
        assert beat.stamped == beat.beat_at


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xfe", PoisonReason.NOT_JSON),
        (b"", PoisonReason.NOT_JSON),
        ([], PoisonReason.WRONG_SHAPE),
        (DATA | {"status": "napping"}, PoisonReason.WRONG_SHAPE),
        (DATA | {"beat_at": "yesterday"}, PoisonReason.BAD_TIME),
        (DATA | {"beat_at": "0001-01-01T00:00:00+14:00"}, PoisonReason.BAD_TIME),
        (DATA | {"run_id": ""}, PoisonReason.WRONG_SHAPE),
        (DATA | {"progress": 2**63}, PoisonReason.TOO_LARGE),
        (DATA | {"run_epoch": 10**30}, PoisonReason.TOO_LARGE),
        (DATA | {"run_id": "\U0001f4a5" * 500, "step": "\U0001f4a5" * 12}, PoisonReason.TOO_LARGE),
        (DATA | {"padding": "x" * 70_000}, PoisonReason.TOO_LARGE),
        (DATA | {"org_id": str(UUID(int=5))}, PoisonReason.SOURCE_NOT_ALLOWED),
        (event(source="urn:stranger"), PoisonReason.SOURCE_NOT_ALLOWED),
        (event(type="workflow.failure.v1"), PoisonReason.UNKNOWN_VERSION),
        (DATA | {"run_id": "AKIAIOSFODNN7EXAMPLE"}, PoisonReason.WRONG_SHAPE),
    ],
)
def test_what_counts_for_nothing_says_why(value: object, reason: PoisonReason) -> None:
    bad = read_beat(record(value), Everybody())
    assert isinstance(bad, BadBeat)
    assert bad.reason is reason
    assert bad.message


ODD: list[Any] = [
    None,
    "",
    "x",
    0,
    -1,
    1.5,
    True,
    [],
    {},
    "completed",
    "2026-03-14T24:00:00Z",
    "2026-02-30T00:00:00Z",
    "\x00",
]
NAMES = ["org_id", "workflow_name", "run_id", "run_epoch", "step", "status", "progress", "beat_at", "more"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_what_is_read_quickly_is_read_as_by_a_closer_look(name: str, odd: object) -> None:
    for sent in (DATA | {name: odd}, event(data=DATA | {name: odd}), event(**{name: odd})):
        one = record(sent)
        quick = read_plain_beat(one)
        assert quick is None or quick == read_closely(one, Everybody())


def test_plain_beats_are_read_quickly_and_names_that_hold_secrets_are_not() -> None:
    assert read_plain_beat(record(DATA)) == read_closely(record(DATA), Everybody())
    assert read_plain_beat(record(event())) == read_closely(record(event()), Everybody())
    assert read_plain_beat(record(DATA)) is not None
    assert read_plain_beat(record(event())) is not None
    assert read_plain_beat(record(DATA | {"step": "AKIAIOSFODNN7EXAMPLE"})) is None
    assert read_plain_beat(record(event(id=""))) is None


def test_the_example_of_the_docs_sends_what_is_read_and_its_catalog_is_one() -> None:
    blocks = dict(re.findall(r"```(python|yaml)\n(.*?)```", (ROOT / "docs" / "heartbeats.md").read_text(), re.DOTALL))
    known: dict[str, Any] = {}
    exec(blocks["python"], known)
    sent: list[tuple[str, bytes, bytes]] = []

    class Producer:
        def send(self, topic: str, value: bytes, key: bytes) -> None:
            sent.append((topic, value, key))

    known["beat"](Producer(), str(ORG), "run-1", "render-4k")
    ((topic, value, key),) = sent
    beat = read_beat(record(value), Everybody())
    assert isinstance(beat, Beat)
    assert (topic, key, beat.step) == ("workflow.heartbeats", b"run-1", "render-4k")
    policy = parse_catalog(blocks["yaml"]).policy("orders.sync")
    assert policy is not None
    assert policy.heartbeats.of(beat.step) == timedelta(minutes=10)
