"""Batches that are read beside the polls: in order within a partition, and at nobody else's expense."""

import asyncio

import pytest

from consumer.ingest.slow_spans import AT_ONCE, SlowSpans
from consumer.model import Partition

HERE, THERE = (frozenset((Partition("t", n),)) for n in range(2))


async def given(future: asyncio.Future[str]) -> str:
    return await future


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_order_within_a_partition_stays_and_another_goes_first() -> None:
    spans = SlowSpans[str]()
    first, second, other = (asyncio.get_running_loop().create_future() for _ in range(3))
    spans.begin(given(first), HERE)
    spans.begin(given(second), HERE)
    spans.begin(given(other), THERE)
    second.set_result("second")
    other.set_result("other")
    await settle()
    assert list(spans.ended()) == [("other", THERE)]
    assert spans.partitions == HERE
    first.set_result("first")
    await settle()
    assert list(spans.ended()) == [("first", HERE), ("second", HERE)]
    assert not spans.partitions


async def test_what_reading_raises_is_raised() -> None:
    spans, broken = SlowSpans[str](), asyncio.get_running_loop().create_future()
    spans.begin(given(broken), HERE)
    broken.set_exception(KeyError("a bug"))
    await settle()
    with pytest.raises(KeyError):
        list(spans.ended())


async def test_partitions_are_bounded_and_what_is_read_can_be_given_up() -> None:
    spans = SlowSpans[str]()
    for number in range(AT_ONCE):
        assert not spans.is_full
        spans.begin(given(asyncio.get_running_loop().create_future()), frozenset((Partition("t", number),)))
    assert spans.is_full
    await spans.stop()
    assert not spans.partitions
