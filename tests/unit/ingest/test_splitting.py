"""A poll's records in batches: bounded in bytes, and slow partitions apart."""

from consumer.ingest.splitting import SLOW_AT_ONCE, split_poll
from consumer.model import Partition, Record

HERE, THERE = Partition("t", 0), Partition("t", 1)


def record(offset: int, size: int = 1) -> Record:
    return Record(topic="t", partition=0, offset=offset, timestamp_ms=0, key=None, value=b"x" * size, headers=())


def offsets(batches: list[dict[Partition, list[Record]]]) -> list[dict[int, list[int]]]:
    return [{at.partition: [one.offset for one in many] for at, many in batch.items()} for batch in batches]


def is_slow(one: Record) -> bool:
    return len(one.value or b"") > 100


def test_batches_are_bounded_in_bytes_or_hold_one_record() -> None:
    found = {HERE: [record(n, 40) for n in range(4)], THERE: [record(7, 99)]}
    assert offsets(split_poll(found, 80, is_slow)) == [{0: [0, 1]}, {0: [2, 3]}, {1: [7]}]


def test_a_partition_with_a_slow_record_comes_after_the_others_and_by_itself() -> None:
    found = {HERE: [record(0), record(1, 101), record(2)], THERE: [record(7), record(8)]}
    assert offsets(split_poll(found, 1000, is_slow)) == [{1: [7, 8]}, {0: [0, 1, 2]}]


def test_a_slow_partition_is_done_a_few_records_at_a_time() -> None:
    found = {HERE: [record(n, 101) for n in range(2 * SLOW_AT_ONCE + 1)]}
    batches = offsets(split_poll(found, 10**6, is_slow))
    assert [len(batch[0]) for batch in batches] == [SLOW_AT_ONCE, SLOW_AT_ONCE, 1]
    assert [one for batch in batches for one in batch[0]] == list(range(2 * SLOW_AT_ONCE + 1))
