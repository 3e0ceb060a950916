"""Offsets: only what is durable, only of the present assignment, and never past a range that is not."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.ingest.offsets import Epochs, ReadRange
from consumer.model import Partition

A, B = Partition("t", 0), Partition("t", 1)


def read(epochs: Epochs, partition: Partition, end: int, batches: int = 1) -> ReadRange:
    one = ReadRange(partition=partition, end=end, batches=batches)
    epochs.read(one)
    return one


def test_what_is_durable_is_committed_once() -> None:
    epochs = Epochs()
    epochs.assign([A])
    assert epochs.durable(read(epochs, A, 7)) == 7
    assert epochs.to_commit() == {A: 7}
    epochs.committed({A: 7})
    assert epochs.to_commit() == {}


def test_what_is_stored_ahead_of_an_open_range_is_committed_with_it() -> None:
    epochs = Epochs()
    epochs.assign([A])
    slow, behind = read(epochs, A, 5, batches=2), read(epochs, A, 9)
    assert epochs.durable(behind) is None
    assert epochs.durable(slow) is None, "one of its two batches"
    assert epochs.to_commit() == {}
    assert epochs.durable(slow) == 9
    assert epochs.to_commit() == {A: 9}


def test_what_an_older_assignment_read_commits_nothing_even_on_the_same_partition() -> None:
    epochs = Epochs()
    epochs.assign([A])
    old = read(epochs, A, 5)
    epochs.revoke()
    assert epochs.durable(old) is None
    epochs.assign([A])
    new = read(epochs, A, 3)
    assert epochs.durable(old) is None
    assert not epochs.is_current(old)
    assert epochs.to_commit() == {}
    assert epochs.durable(new) == 3


def test_a_partition_that_is_not_ours_commits_nothing() -> None:
    epochs = Epochs()
    epochs.assign([A])
    other = read(epochs, B, 3)
    assert epochs.durable(other) is None
    assert not epochs.is_current(other)
    assert epochs.to_commit() == {}
    assert epochs.partitions == {A}


def test_an_answer_to_a_commit_of_the_last_assignment_changes_nothing() -> None:
    epochs = Epochs()
    epochs.assign([A])
    epochs.durable(read(epochs, A, 4))
    sent = epochs.to_commit()
    epochs.revoke()
    epochs.assign([B])
    epochs.committed(sent)
    epochs.assign([A])
    epochs.durable(read(epochs, A, 4))
    assert epochs.to_commit() == {A: 4}


@given(st.permutations(range(1, 8)))
def test_an_offset_is_committed_when_all_below_it_is_durable_and_not_before(order: list[int]) -> None:
    epochs = Epochs()
    epochs.assign([A])
    ranges = {end: read(epochs, A, end) for end in range(1, 8)}
    done: set[int] = set()
    for end in order:
        epochs.durable(ranges[end])
        done.add(end)
        whole = next(below for below in range(8) if below + 1 not in done)
        assert epochs.to_commit().get(A, 0) == whole
