"""How long a run may be silent: declared, or learnt from healthy gaps; and when it was alive, whatever clocks show."""

from datetime import timedelta

import pytest

from consumer.catalog import HeartbeatRules
from consumer.heartbeats.deadline import ENOUGH_GAPS, LEAST_LEARNT, Allowance, Gaps, allowance_of, heard_at

MINUTE = timedelta(minutes=1)
USUAL = [20.0] * ENOUGH_GAPS


def test_what_the_catalog_declares_of_a_step_counts_before_what_is_learnt() -> None:
    rules = HeartbeatRules(deadline=MINUTE, steps={"render-*": 10 * MINUTE})
    assert allowance_of(rules, "render-4k", USUAL) == Allowance(seconds=600.0, learnt=False)
    assert allowance_of(rules, "fetch", USUAL) == Allowance(seconds=60.0, learnt=False)
    assert allowance_of(rules, "", USUAL) == Allowance(seconds=60.0, learnt=False)


def test_three_times_the_longest_of_enough_gaps_is_learnt() -> None:
    assert allowance_of(HeartbeatRules(), "fetch", [*USUAL, 30.0]) == Allowance(seconds=90.0, learnt=True)
    assert allowance_of(HeartbeatRules(), "fetch", USUAL[1:]) is None
    assert allowance_of(HeartbeatRules(learn=False), "fetch", USUAL) is None


def test_nothing_shorter_than_a_pause_of_a_producer_is_learnt() -> None:
    assert allowance_of(HeartbeatRules(), "fetch", [0.1] * ENOUGH_GAPS) == Allowance(seconds=LEAST_LEARNT, learnt=True)


def test_gaps_are_the_last_hundred_and_a_long_one_is_forgotten_with_time() -> None:
    gaps = Gaps()
    for gap in (500.0, *[20.0] * 100):
        gaps.note(gap)
    assert allowance_of(HeartbeatRules(), "fetch", gaps.last) == Allowance(seconds=60.0, learnt=True)
    for _ in range(1000):
        gaps.note(20.0)
    assert len(gaps.new) <= 200


@pytest.mark.parametrize("skew", [-86_400.0, -600.0, 0.0, 600.0, 86_400.0])
def test_a_producers_clock_may_be_wrong(skew: float) -> None:
    """Read at once: heard at its time. Read after an hour's outage: at its own time too, by the gap between stamps."""
    first = heard_at(None, 1000.0 + skew, received=1000.0, not_before=999.0)
    assert first == 1000.0
    second = heard_at((first, 1000.0 + skew), 1010.0 + skew, received=1010.5, not_before=1009.5)
    assert second == pytest.approx(1010.0, abs=0.6)
    late = heard_at((second, 1010.0 + skew), 1020.0 + skew, received=4600.0, not_before=1015.0)
    assert late == pytest.approx(second + 10.0)


def test_a_clock_that_jumps_is_bounded_by_what_the_reader_knows() -> None:
    assert heard_at((1000.0, 50.0), 9_999_999.0, received=1010.0, not_before=1009.0) == 1010.0
    assert heard_at((1000.0, 50.0), -9_999_999.0, received=1010.0, not_before=1009.0) == 1009.0
    assert heard_at((1000.0, 50.0), 40.0, received=1010.0, not_before=900.0) == 1000.0
