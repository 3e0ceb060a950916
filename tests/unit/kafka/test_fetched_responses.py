"""A response that the Kafka client drops half read is freed at once: no look over the whole heap is needed for it."""

import gc
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.record.memory_records import MemoryRecords

from consumer.kafka.aiokafka_internals import FetchedResponses
from tests.support.faults.raw_records import Raw, batch

HERE = TopicPartition("workflow.failures", 0)


@pytest.fixture
def _without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def response() -> FetchResult:
    content = batch([Raw(value=b"first"), Raw(value=b"second")])
    records = PartitionRecords(HERE, MemoryRecords(content), [], 0, None, None, True, READ_COMMITTED)
    assignment = Assignment({HERE})
    assignment.state_value(HERE).seek(0)
    return FetchResult(HERE, assignment=assignment, partition_records=records, backoff=0)


def held(fetched: "OrderedDict[Any, Any]") -> "weakref.ref[Any]":
    return weakref.ref(fetched[HERE]._partition_records)  # noqa: SLF001 - there is no public way


@pytest.mark.usefixtures("_without_collector")
async def test_a_response_that_is_dropped_half_read_is_freed() -> None:
    fetched = FetchedResponses(OrderedDict({HERE: response()}))
    records = held(fetched)
    assert fetched[HERE].getone().value == b"first"
    del fetched[HERE]
    assert records() is None


@pytest.mark.usefixtures("_without_collector")
async def test_a_response_that_the_client_lets_go_of_before_it_drops_it_is_freed() -> None:
    fetched = FetchedResponses(OrderedDict())
    fetched[HERE] = response()
    records = held(fetched)
    fetched[HERE]._assignment.state_value(HERE).pause()  # noqa: SLF001 - as the member's pause does
    assert fetched[HERE].getone() is None
    assert not fetched[HERE].has_more()
    del fetched[HERE]
    assert records() is None


@pytest.mark.usefixtures("_without_collector")
async def test_a_response_that_another_takes_the_place_of_is_freed() -> None:
    fetched = FetchedResponses(OrderedDict({HERE: response()}))
    records = held(fetched)
    fetched[HERE] = response()
    assert records() is None
    assert [one.value for one in fetched[HERE].getall()] == [b"first", b"second"]


def test_an_error_in_place_of_a_response_comes_and_goes() -> None:
    fetched = FetchedResponses(OrderedDict())
    fetched[HERE] = FetchError(error=ValueError("nothing"), backoff=0)
    del fetched[HERE]
    assert not fetched
