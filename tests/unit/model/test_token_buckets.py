"""Token buckets: what a key may spend at once and in the long run, for a bounded number of keys."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model.token_buckets import TokenBuckets

BURST = 500


@dataclass(slots=True)
class Time:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def buckets(time: Time, burst: float = BURST, per_second: float = 1, most_keys: int = 100) -> TokenBuckets:
    return TokenBuckets(burst=burst, per_second=per_second, clock=time, most_keys=most_keys)


@pytest.mark.parametrize(
    ("tokens", "passed", "given_back", "left"),
    [
        pytest.param(13, 0, 0, 13, id="nothing comes of nothing"),
        pytest.param(0, 0, 14, 14, id="what is given back is there again"),
        pytest.param(10, 4, 0, 14, id="time helps"),
        pytest.param(10, 10_000, 0, BURST, id="never above full"),
        pytest.param(BURST - 1, 0, 14, BURST, id="nor by what is given back"),
        pytest.param(10, -50, 0, 10, id="a clock that goes back takes nothing"),
        pytest.param(-20, 4, 0, -16, id="a debt is refilled too"),
    ],
)
def test_what_is_left(tokens: float, passed: float, given_back: float, left: float) -> None:
    time = Time()
    made = buckets(time)
    made.spend("a", BURST - tokens)
    time.now += passed
    if given_back:
        made.give_back("a", given_back)
    assert made.left("a") == left
    assert made.left("b") == BURST


def test_a_burst_is_let_through_and_then_so_many_a_second() -> None:
    time = Time()
    made = buckets(time, burst=3, per_second=2)
    assert [made.take("a") for _ in range(4)] == [True, True, True, False]
    assert made.wait_for("a") == pytest.approx(0.5)
    assert made.take("b")
    time.now += 0.5
    assert [made.take("a") for _ in range(2)] == [True, False]
    assert made.wait_for("a") == pytest.approx(0.5)


def test_who_was_turned_away_is_let_through_after_the_time_that_it_was_told() -> None:
    time = Time()
    made = buckets(time, burst=1, per_second=0.3)
    assert made.take("a")
    time.now += 1
    time.now += made.wait_for("a") + 1e-9
    assert made.wait_for("a") == 0
    assert made.take("a")


@given(st.lists(st.floats(0, 10), max_size=200), st.floats(0.1, 50), st.integers(1, 20))
def test_nobody_gets_more_than_the_burst_and_the_rate(times: list[float], per_second: float, burst: int) -> None:
    time = Time()
    made = buckets(time, burst=burst, per_second=per_second)
    taken = 0
    for time.now in sorted(times):
        taken += made.take("a")
    assert taken <= burst + per_second * 10 + 1


def test_too_few_tokens_are_not_taken() -> None:
    made = buckets(Time())
    made.spend("a", BURST - 13)
    assert not made.take("a", 14)
    assert made.take("a", 13)


def test_only_keys_in_debt_are_remembered_and_never_more_than_the_limit() -> None:
    made = buckets(Time(), most_keys=3)
    for key in "abc":
        made.take(key, 100)
    made.take("a", 100)
    made.take("d", 100)
    assert [made.left(key) for key in "abcd"] == [300, BURST, 400, 400]
    made.give_back("c", 100)
    made.take("e", 100)
    assert [made.left(key) for key in "acde"] == [300, BURST, 400, 400]
    assert len(made) == 3
