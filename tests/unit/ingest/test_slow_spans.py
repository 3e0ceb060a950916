"""Batches that are read beside the polls: nobody waits for one, and what is read at once is bounded."""

import asyncio

import pytest

from consumer.ingest.slow_spans import MAX_AHEAD, MAX_BYTES, SlowSpans
from consumer.model import Partition

A, B = Partition("t", 0), Partition("t", 1)
HERE, THERE = frozenset((A,)), frozenset((B,))


async def given(future: asyncio.Future[str]) -> str:
    return await future


def open_future() -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_has_been_read_waits_for_nothing_that_is_still_being_read() -> None:
    spans = SlowSpans[str]()
    first, second, other = (open_future() for _ in range(3))
    spans.begin(given(first), HERE, 1)
    spans.begin(given(second), HERE, 1)
    spans.begin(given(other), THERE, 1)
    second.set_result("second")
    other.set_result("other")
    await settle()
    assert list(spans.ended()) == ["second", "other"]
    assert spans.partitions == HERE
    first.set_result("first")
    await settle()
    assert list(spans.ended()) == ["first"]
    assert not spans.partitions


async def test_what_reading_raises_is_raised() -> None:
    spans, broken = SlowSpans[str](), open_future()
    spans.begin(given(broken), HERE, 1)
    broken.set_exception(KeyError("a bug"))
    await settle()
    with pytest.raises(KeyError):
        list(spans.ended())


async def test_a_partition_is_held_when_too_much_of_it_is_stored_ahead_of_its_offset() -> None:
    spans, slow = SlowSpans[str](), open_future()
    spans.polled([(A, MAX_AHEAD + 1)])
    spans.begin(given(slow), HERE, 1)
    spans.polled([(A, MAX_AHEAD), (B, MAX_AHEAD + 1)])
    assert not spans.held
    spans.polled([(A, 1)])
    assert spans.held == HERE
    slow.set_result("read")
    await settle()
    assert list(spans.ended()) == ["read"]
    assert not spans.held
    spans.begin(given(open_future()), HERE, 1)
    assert not spans.held, "it begins to count anew"
    await spans.stop()


async def test_what_is_read_at_once_is_bounded_and_can_be_given_up() -> None:
    spans = SlowSpans[str]()
    spans.begin(given(open_future()), HERE, MAX_BYTES)
    assert not spans.held
    spans.begin(given(open_future()), HERE, 1)
    assert (spans.held, spans.is_full) == (HERE, False)
    spans.begin(given(open_future()), THERE, MAX_BYTES)
    assert (spans.held, spans.is_full) == (HERE | THERE, True)
    await spans.stop()
    assert not spans.partitions
