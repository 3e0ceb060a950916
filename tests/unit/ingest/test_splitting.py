"""A poll's records in batches: bounded in bytes, and slow records apart from those that wait for none."""

from consumer.ingest.splitting import JUDGED_AT_ONCE, LARGE, SLOW_AT_ONCE, PollBatch, split_poll
from consumer.model import Partition, Record

HERE, THERE = Partition("t", 0), Partition("t", 1)


def record(offset: int, size: int = 1) -> Record:
    return Record(topic="t", partition=0, offset=offset, timestamp_ms=0, key=None, value=b"x" * size, headers=())


def offsets(batches: list[PollBatch]) -> list[list[int]]:
    return [[one.offset for one in batch.records] for batch in batches]


def ends(batches: list[PollBatch]) -> list[list[tuple[int, int, int]]]:
    return [[(one.partition.partition, one.end, one.batches) for one in batch.ranges] for batch in batches]


def is_slow(one: Record) -> bool:
    return len(one.value or b"") > 100


def test_batches_are_bounded_in_bytes_or_hold_one_record() -> None:
    found = {HERE: [record(n, 40) for n in range(4)], THERE: [record(7, 99)]}
    batches = split_poll(found, 80, is_slow)
    assert offsets(batches) == [[0, 1], [2, 3], [7]]
    assert ends(batches) == [[(0, 4, 2)], [(0, 4, 2)], [(1, 8, 1)]]


def test_a_slow_record_is_apart_from_those_before_and_behind_it_and_their_range_waits_for_both() -> None:
    found = {HERE: [record(0), record(1, 101), record(2)], THERE: [record(7), record(8)]}
    batches = split_poll(found, 1000, is_slow)
    assert offsets(batches) == [[0, 2, 7, 8], [1]]
    assert [batch.is_slow for batch in batches] == [False, True]
    assert ends(batches) == [[(0, 3, 2), (1, 9, 1)], [(0, 3, 2)]]


def test_slow_records_are_read_a_few_at_a_time_each_few_with_a_range_of_their_own() -> None:
    found = {HERE: [record(n, 101) for n in range(2 * SLOW_AT_ONCE + 1)]}
    batches = split_poll(found, 10**6, is_slow)
    assert [len(batch.records) for batch in batches] == [SLOW_AT_ONCE, SLOW_AT_ONCE, 1]
    assert [one for many in offsets(batches) for one in many] == list(range(2 * SLOW_AT_ONCE + 1))
    assert ends(batches) == [[(0, SLOW_AT_ONCE, 1)], [(0, 2 * SLOW_AT_ONCE, 1)], [(0, 2 * SLOW_AT_ONCE + 1, 1)]]


def test_slow_records_are_bounded_in_bytes_too() -> None:
    batches = split_poll({HERE: [record(n, 150) for n in range(3)]}, 300, is_slow)
    assert offsets(batches) == [[0, 1], [2]]
    assert ends(batches) == [[(0, 3, 2)], [(0, 3, 2)]]


def test_of_a_poll_full_of_large_records_a_part_is_judged_and_the_rest_is_read_a_few_at_a_time() -> None:
    size, judged = LARGE + 1, []

    def not_slow(one: Record) -> bool:
        judged.append(one.offset)
        return False

    small = 1000
    found = {HERE: [*(record(n, size) for n in range(small)), record(small)], THERE: [record(7, size), record(8)]}
    batches = split_poll(found, 10**9, not_slow)
    large = [n for n in judged if n < small and n not in (7, 8)]
    assert 0 < len(large) * size <= JUDGED_AT_ONCE + size
    assert {small, 8} <= set(judged), "a small one is judged all the same"
    assert sorted(n for batch in batches for n in offsets([batch])[0]) == sorted([*range(small + 1), 7, 8])
    assert all(len(batch.records) <= SLOW_AT_ONCE for batch in batches if batch.is_slow)
