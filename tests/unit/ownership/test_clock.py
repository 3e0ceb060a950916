"""The database's time, carried on by a host's clock that may be wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from consumer.ownership.clock import Clock

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MS = timedelta(milliseconds=1)


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(0), -timedelta(hours=3)])
def test_the_databases_clock_counts(ahead: timedelta) -> None:
    clock = Clock()
    asked = datetime.now(UTC) + ahead
    clock.compare(asked, asked - ahead + 5 * MS, asked + 10 * MS)
    assert clock.skew == ahead
    assert abs(clock.now() - (datetime.now(UTC) - ahead)) < timedelta(seconds=1)


def test_an_answer_that_took_long_does_not_disturb_what_is_known_better() -> None:
    clock = Clock()
    clock.compare(NOON, NOON + MS, NOON + 2 * MS)
    changed = clock.compare(NOON, NOON + timedelta(seconds=3), NOON + timedelta(seconds=4))
    assert changed == timedelta(0)
    assert clock.skew == timedelta(0)


def test_a_jump_is_told_as_the_change() -> None:
    clock = Clock()
    clock.compare(NOON, NOON, NOON)
    assert clock.compare(NOON, NOON - timedelta(minutes=2), NOON) == timedelta(minutes=2)
