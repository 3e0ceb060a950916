"""The retry quota: how many more calls a target gets while it fails."""

import pytest

from consumer.heal.calls.retry_budget import (
    CAPACITY,
    THROTTLED_COST,
    TRANSIENT_COST,
    UNASKED_REFUND,
    cost,
    retry_budget,
)


@pytest.mark.parametrize(
    ("throttled", "price", "tries"),
    [(False, TRANSIENT_COST, 35), (True, THROTTLED_COST, 100)],
    ids=["ill", "throttled"],
)
def test_a_target_that_only_fails_gets_so_many_more_tries_and_then_none(
    *, throttled: bool, price: int, tries: int
) -> None:
    made = retry_budget(lambda: 0.0)
    assert cost(throttled=throttled) == price
    assert [made.take("ill", price) for _ in range(tries + 2)] == [True] * tries + [False, False]
    assert made.take("well", price)


def test_a_first_call_that_succeeds_helps_a_target_that_has_nothing_left() -> None:
    made = retry_budget(lambda: 0.0)
    made.take("ill", CAPACITY)
    made.give_back("ill", UNASKED_REFUND)
    assert made.left("ill") == UNASKED_REFUND
