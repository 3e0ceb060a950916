"""Who watches hears each change once, in order; who was away hears what followed, or is told to read anew."""

import json
from typing import Any
from uuid import uuid4

from consumer.api.moments import KEPT, Moments
from consumer.model import FailureId
from consumer.store.live import SeenFailure, SeenState
from schemas.names import Status

ONE, OTHER = FailureId(uuid4()), FailureId(uuid4())


def seen(**steps: int) -> list[SeenState]:
    named = {"one": ONE, "other": OTHER}
    failures = {
        named[name]: SeenFailure(status=Status.PENDING, step=step, healing=False) for name, step in steps.items()
    }
    return [SeenState(counts={Status.PENDING: len(failures)}, failures=failures)]


def read(event: bytes) -> tuple[str, dict[str, Any]]:
    lines = dict(line.partition(": ")[::2] for line in event.decode().strip().splitlines())
    return lines["event"], json.loads(lines["data"])


def test_a_stranger_is_told_to_read_anew_and_then_hears_what_changed() -> None:
    moments = Moments()
    assert moments.since(None) == (None, [])
    assert moments.add(seen(one=1))
    last, (first,) = moments.since(None)
    assert read(first)[0] == "snapshot"
    assert moments.since(last) == (last, [])
    assert not moments.add(seen(one=1))
    assert moments.add(seen(one=2, other=0))
    now, (later,) = moments.since(last)
    kind, told = read(later)
    assert kind == "moved"
    assert {one["id"] for one in told["changed"]} == {str(ONE), str(OTHER)}
    assert told["counts"]["byStatus"] == {"pending": 2}
    assert now != last


def test_who_comes_back_hears_each_moment_between_in_order_whatever_process_answers() -> None:
    here, there = Moments(), Moments()
    for step in range(3):
        here.add(seen(one=step))
        there.add(seen(one=step))
        if step == 0:
            last, _ = here.since(None)
    newest, events = there.since(last)
    assert [json.loads(event.split(b"data: ")[1])["changed"][0]["id"] for event in events] == [str(ONE)] * 2
    assert (newest, []) == here.since(newest)


def test_who_was_away_for_longer_than_is_kept_is_told_to_read_anew() -> None:
    moments = Moments()
    moments.add(seen(one=0))
    last, _ = moments.since(None)
    for step in range(1, KEPT + 1):
        moments.add(seen(one=step))
    _, events = moments.since(last)
    assert [read(event)[0] for event in events] == ["snapshot"]
    assert len(moments.since("unknown")[1]) == 1


def test_a_stream_of_one_failure_counts_nothing() -> None:
    moments = Moments()
    moments.add([SeenState(counts={}, failures={ONE: SeenFailure(status=Status.PENDING, step=0, healing=True)})])
    assert read(moments.since(None)[1][0])[1]["counts"] is None
