import pytest

from consumer.ingest.lag import Lag
from consumer.model import Partition

HERE, THERE = Partition("workflow.failures", 0), Partition("workflow.failures", 1)


def assigned(*partitions: Partition) -> Lag:
    lag = Lag()
    lag.assign(partitions or (HERE,))
    return lag


def records(lag: Lag) -> dict[Partition, int]:
    return dict(lag.records())


def test_an_idle_partition_lags_by_nothing() -> None:
    lag = assigned()
    lag.seen(HERE, position=10, end=10, at=100)
    assert records(lag) == {HERE: 0}
    assert lag.seconds(1_000) == 0


def test_a_partition_of_which_nothing_is_known_yet_is_left_out() -> None:
    lag = assigned(HERE, THERE)
    lag.seen(HERE, position=None, end=10, at=100)
    lag.seen(THERE, position=3, end=None, at=100)
    assert records(lag) == {}
    assert lag.seconds(1_000) == 0


def test_what_is_read_and_not_durable_still_lags_from_its_first_record() -> None:
    """With the database away everything may have been read, and nothing is safe."""
    lag = assigned()
    lag.seen(HERE, position=0, end=0, at=10)
    lag.read(HERE, (0, 20.0), (4, 24.0))
    lag.read(HERE, (5, 30.0), (9, 34.0))
    lag.seen(HERE, position=10, end=10, at=40)
    assert records(lag) == {HERE: 10}
    assert lag.seconds(50) == 30
    lag.stored(HERE, 5)
    assert records(lag) == {HERE: 5}
    assert lag.seconds(50) == 20
    lag.stored(HERE, 10)
    assert records(lag) == {HERE: 0}
    assert lag.seconds(50) == 0


def test_a_paused_partition_lags_by_what_has_come_since() -> None:
    lag = assigned()
    lag.read(HERE, (0, 20.0), (4, 24.0))
    lag.stored(HERE, 5)
    lag.seen(HERE, position=5, end=5, at=60)
    assert lag.seconds(70) == 0
    lag.seen(HERE, position=5, end=8, at=90)
    assert records(lag) == {HERE: 3}
    assert lag.seconds(100) == 40, "it came after the end was last met at 60, not after the last record of 24"


def test_a_backlog_that_is_being_read_is_as_old_as_what_is_read() -> None:
    lag = assigned()
    lag.read(HERE, (0, 20.0), (4, 24.0))
    lag.stored(HERE, 5)
    lag.seen(HERE, position=5, end=1_000, at=90)
    assert lag.seconds(100) == 76


def test_after_a_restart_with_a_backlog_it_is_asked_when_the_first_record_came() -> None:
    lag = assigned()
    lag.seen(HERE, position=5, end=1_000, at=90)
    assert records(lag) == {HERE: 995}
    assert lag.undated() == {HERE: 5}
    lag.dated(HERE, 5, 30.0)
    assert lag.undated() == {}
    assert lag.seconds(100) == 70


def test_an_answer_about_a_position_that_was_left_meanwhile_is_void() -> None:
    lag = assigned()
    lag.seen(HERE, position=5, end=1_000, at=90)
    lag.read(HERE, (5, 80.0), (9, 84.0))
    lag.dated(HERE, 5, 30.0)
    lag.stored(HERE, 10)
    assert lag.seconds(100) == 16


def test_the_oldest_of_all_partitions_counts() -> None:
    lag = assigned(HERE, THERE)
    lag.read(HERE, (0, 20.0), (4, 90.0))
    lag.read(THERE, (0, 70.0), (4, 95.0))
    for partition in (HERE, THERE):
        lag.seen(partition, position=5, end=5, at=96)
    assert lag.seconds(100) == 80


def test_after_a_rebalance_nothing_of_the_old_assignment_counts() -> None:
    lag = assigned(HERE, THERE)
    lag.read(HERE, (0, 20.0), (4, 90.0))
    lag.seen(HERE, position=5, end=50, at=96)
    lag.assign([THERE])
    lag.read(HERE, (5, 20.0), (6, 90.0))
    lag.stored(HERE, 7)
    lag.seen(HERE, position=7, end=50, at=97)
    lag.dated(HERE, 7, 1.0)
    assert records(lag) == {}
    assert lag.seconds(100) == 0


def test_a_record_from_the_future_has_no_age() -> None:
    lag = assigned()
    lag.read(HERE, (0, 500.0), (0, 500.0))
    lag.seen(HERE, position=1, end=1, at=100)
    assert lag.seconds(100) == 0


@pytest.mark.parametrize(("position", "end", "unread"), [(5, 8, {HERE: 5}), (8, 8, {}), (None, 8, {})])
def test_unread_is_what_no_poll_has_given(position: int | None, end: int, unread: dict[Partition, int]) -> None:
    lag = assigned()
    lag.seen(HERE, position=position, end=end, at=1)
    assert lag.unread() == unread
