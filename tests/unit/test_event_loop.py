"""Exponential back-off, on a clock that a test moves."""

from datetime import timedelta

import pytest

from consumer import event_loop
from consumer.event_loop import BackOff


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_each_failure_doubles_the_rest_up_to_the_longest_and_a_success_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(event_loop, "time", clock)
    back_off = BackOff(first=timedelta(seconds=1), longest=timedelta(seconds=8))
    assert not back_off.rests
    for most in (1, 2, 4, 8, 8, 8):
        back_off.failed()
        assert timedelta(seconds=most / 2) <= back_off.rest() <= timedelta(seconds=most)
    clock.now += 9
    assert not back_off.rests
    back_off.failed()
    back_off.succeeded()
    assert (back_off.rests, back_off.failures) == (False, 0)
    back_off.failed()
    assert back_off.rest() <= timedelta(seconds=1)
