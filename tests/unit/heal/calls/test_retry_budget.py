"""The retry quota: how many more calls a target gets while it fails."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.heal.calls import retry_budget
from consumer.heal.calls.retry_budget import CAPACITY, THROTTLED_COST, TRANSIENT_COST, RetryBudget, cost


@dataclass(slots=True)
class Time:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def drained(time: Time, tokens: int) -> RetryBudget:
    """A quota whose target `ill` has so many tokens left."""
    made = RetryBudget(clock=time)
    assert made.take("ill", CAPACITY - tokens)
    return made


@pytest.mark.parametrize(
    ("throttled", "price", "tries"),
    [(False, TRANSIENT_COST, 35), (True, THROTTLED_COST, 100)],
    ids=["ill", "throttled"],
)
def test_a_target_that_only_fails_gets_so_many_more_tries_and_then_none(
    *, throttled: bool, price: int, tries: int
) -> None:
    made = RetryBudget(clock=Time())
    assert cost(throttled=throttled) == price
    assert [made.take("ill", price) for _ in range(tries + 2)] == [True] * tries + [False, False]
    assert made.take("well", price)


@pytest.mark.parametrize(
    ("tokens", "passed", "given_back", "left"),
    [
        pytest.param(13, 0, 0, 13, id="nothing comes of nothing"),
        pytest.param(0, 0, 14, 14, id="a try that succeeded costs nothing"),
        pytest.param(0, 0, 1, 1, id="a first call that succeeds helps a little"),
        pytest.param(10, 4, 0, 14, id="time helps too"),
        pytest.param(10, 10_000, 0, CAPACITY, id="never above full"),
        pytest.param(CAPACITY - 1, 0, 14, CAPACITY, id="nor by what is given back"),
        pytest.param(10, -50, 0, 10, id="a clock that steps back takes nothing"),
    ],
)
def test_what_is_left(tokens: int, passed: float, given_back: int, left: float) -> None:
    time = Time(100.0)
    made = drained(time, tokens)
    time.now += passed
    if given_back:
        made.give_back("ill", given_back)
    assert made.left("ill") == left


def test_too_few_tokens_are_not_taken() -> None:
    made = drained(Time(), 13)
    assert not made.take("ill", 14)
    assert made.take("ill", 13)


def test_only_targets_in_debt_are_remembered_and_never_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_budget, "TARGETS", 3)
    made = RetryBudget(clock=Time())
    for target in "abc":
        made.take(target, 100)
    made.take("a", 100)
    made.take("d", 100)
    assert [made.left(target) for target in "abcd"] == [300, CAPACITY, 400, 400]
    made.give_back("c", 100)
    made.take("e", 100)
    assert [made.left(target) for target in "acde"] == [300, CAPACITY, 400, 400]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-20, 20), st.floats(0, 30)), max_size=60))
def test_no_order_of_events_leaves_less_than_none_or_more_than_all(steps: list[tuple[str, int, float]]) -> None:
    time = Time()
    made = RetryBudget(clock=time)
    for target, tokens, passed in steps:
        time.now += passed
        before = made.left(target)
        if tokens < 0:
            assert made.take(target, -tokens) is (before >= -tokens)
        else:
            made.give_back(target, tokens)
        assert 0 <= made.left(target) <= CAPACITY
