"""Offsets: only what is durable, only of the present assignment, and never backwards."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.ingest.offsets import Epochs
from consumer.model import Partition

A, B = Partition("t", 0), Partition("t", 1)


def stamped(epochs: Epochs, partition: Partition) -> int:
    epoch = epochs.stamp(partition)
    assert epoch is not None
    return epoch


def test_what_is_durable_is_committed_once() -> None:
    epochs = Epochs()
    epochs.assign([A])
    epochs.durable(A, stamped(epochs, A), 7)
    assert epochs.to_commit() == {A: 7}
    epochs.committed({A: 7})
    assert epochs.to_commit() == {}


def test_what_an_older_assignment_read_commits_nothing_even_on_the_same_partition() -> None:
    epochs = Epochs()
    epochs.assign([A])
    old = stamped(epochs, A)
    epochs.revoke()
    assert epochs.stamp(A) is None
    epochs.durable(A, old, 5)
    epochs.assign([A])
    epochs.durable(A, old, 9)
    assert not epochs.is_current(A, old)
    assert epochs.to_commit() == {}


def test_a_partition_that_is_not_ours_has_no_stamp_and_commits_nothing() -> None:
    epochs = Epochs()
    epochs.assign([A])
    epochs.durable(B, stamped(epochs, A), 3)
    assert (epochs.stamp(B), epochs.to_commit()) == (None, {})
    assert epochs.partitions == {A}


def test_an_answer_to_a_commit_of_the_last_assignment_changes_nothing() -> None:
    epochs = Epochs()
    epochs.assign([A])
    epochs.durable(A, stamped(epochs, A), 4)
    sent = epochs.to_commit()
    epochs.revoke()
    epochs.assign([B])
    epochs.committed(sent)
    epochs.assign([A])
    epochs.durable(A, stamped(epochs, A), 4)
    assert epochs.to_commit() == {A: 4}


@given(st.lists(st.integers(min_value=0, max_value=100), min_size=1))
def test_offsets_never_go_backwards(ends: list[int]) -> None:
    epochs = Epochs()
    epochs.assign([A])
    for end in ends:
        epochs.durable(A, stamped(epochs, A), end)
    assert epochs.to_commit()[A] == max(ends)
