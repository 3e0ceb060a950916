"""Token buckets of the API."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.api.rates import RateLimit, address_key


def test_a_burst_is_let_through_and_then_so_many_a_second() -> None:
    limit = RateLimit(per_second=2, burst=3)
    assert [limit.take("a", 10.0) for _ in range(3)] == [0, 0, 0]
    assert limit.take("a", 10.0) == pytest.approx(0.5)
    assert limit.take("b", 10.0) == 0
    assert limit.take("a", 10.5) == 0
    assert limit.take("a", 10.5) == pytest.approx(0.5)


def test_who_was_turned_away_is_let_through_after_the_time_that_it_was_told() -> None:
    limit = RateLimit(per_second=0.3, burst=1)
    assert limit.take("a", 0.0) == 0
    wait = limit.take("a", 1.0)
    assert limit.take("a", 1.0 + wait + 1e-9) == 0


@given(st.lists(st.floats(0, 10), max_size=200), st.floats(0.1, 50), st.integers(1, 20))
def test_nobody_gets_more_than_the_burst_and_the_rate(times: list[float], per_second: float, burst: int) -> None:
    limit = RateLimit(per_second=per_second, burst=burst)
    taken = sum(limit.take("a", now) == 0 for now in sorted(times))
    assert taken <= burst + per_second * 10 + 1


def test_the_number_of_buckets_is_bounded() -> None:
    limit = RateLimit(per_second=1, burst=1, most_keys=10)
    for index in range(1000):
        limit.take(index, 0.0)
    assert len(limit._buckets) == 10  # noqa: SLF001 - nothing else tells


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    limit = RateLimit(per_second=1, burst=1)
    assert limit.take("a", 10.0) == 0
    assert limit.take("a", 5.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_the_network_that_one_host_has_to_itself(host: str, key: str) -> None:
    assert address_key(host) == key
