"""Waits: spans, moments and the headers of a rate limit; numbers that are no time are none."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model.waits import told_wait, wait_of_headers

NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (12, 12),
        (0.25, 0.25),
        ("12", 12),
        ("12s", 12),
        ("250ms", 0.25),
        ("3 minutes", 180),
        ("1m30s", 90),
        ("1h 5m", 3900),
        ("2 minutes and 5 seconds", 125),
        ("2 minutes, 5 seconds.", 125),
        ("1.5 h", 5400),
        ("1 day", 86400),
        ("00:02:10", 130),
        ("PT1M40S", 100),
        ("P1DT1H", 90000),
        ("45 Sekunden", 45),
        ("10 segundos", 10),
        ("5 минут", 300),
        ({"seconds": 38, "nanos": 0}, 38),
        ({"seconds": "7"}, 7),
    ],
)
def test_a_span_is_read(said: object, seconds: float) -> None:
    assert told_wait(said) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "said",
    ["2031-05-04T12:00:00Z", "2031-05-04 12:00:00", "2031-05-04T14:00:00+02:00", "2031-05-04T12:00:00.000Z",
     "Sun, 04 May 2031 12:00:00 GMT", 1935662400, "1935662400", 1935662400000, "1935662400.0"],
)  # fmt: skip
def test_a_moment_is_read(said: object) -> None:
    assert told_wait(said) == NOON


@pytest.mark.parametrize(
    "said",
    ["", "soon", "12 apples", "nan", "inf", "-3", -3, True, None, [], {}, "5/10", "12 sheep", "1.2.3", "12%", "0x10",
     "2031-13-45T99:99:99Z", "PT", "P", "s", "1" * 79, "9" * 400],
)  # fmt: skip
def test_what_is_no_time_is_none(said: object) -> None:
    wait = told_wait(said)
    assert wait is None or wait == timedelta(days=366)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after-ms": "1500", "retry-after": "2"}, timedelta(seconds=1.5)),
        ({"retry-after": "7", "x-ratelimit-reset": "99"}, timedelta(seconds=7)),
        ({"retry-after": "Sun, 04 May 2031 12:00:00 GMT"}, NOON),
        ({"retry-after": "Sun, 04 May 2031 12:00:00 GMT",
          "date": "Sun, 04 May 2031 11:59:00 GMT"}, timedelta(minutes=1)),
        ({"retry-after": "30s"}, timedelta(seconds=30)),
        ({"retry-after": "Sun May  4 12:00:00 2031"}, NOON),
        ({"retry-after": "Sunday, 04-May-31 12:00:00 GMT"}, NOON),
        ({"ratelimit": '"default";r=0;t=50', "ratelimit-policy": '"default";q=100;w=60'}, timedelta(seconds=50)),
        ({"ratelimit": '"default";r=3;t=50'}, None),
        ({"ratelimit": "limit=100, remaining=0, reset=12"}, timedelta(seconds=12)),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "9"}, timedelta(seconds=9)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1935662400"}, NOON),
        ({"x-rate-limit-reset": "1935662400"}, NOON),
        ({"x-ratelimit-remaining": "4", "x-ratelimit-reset": "1935662400"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s",
          "x-ratelimit-remaining-tokens": "90", "x-ratelimit-reset-tokens": "9h"}, timedelta(minutes=6)),
        ({"anthropic-ratelimit-requests-remaining": "8", "anthropic-ratelimit-requests-reset": "2031-05-04T13:00:00Z",
          "anthropic-ratelimit-tokens-remaining": "0",
          "anthropic-ratelimit-tokens-reset": "2031-05-04T12:00:00Z"}, NOON),
        ({"x-ratelimit-reset-after": "1.5", "x-ratelimit-remaining": "0"}, timedelta(seconds=1.5)),
        ({"x-ratelimit-limit": "30"}, None),
        ({"content-length": "30", "age": "9"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_headers_of_a_rate_limit_name_the_wait(headers: dict[str, str], wait: object) -> None:
    assert wait_of_headers(headers) == wait


def test_a_limit_counts_beside_another_error_only_where_nothing_is_left() -> None:
    assert wait_of_headers({"x-ratelimit-reset": "60"}, throttled=False) is None
    assert wait_of_headers({"x-ratelimit-reset": "60", "x-ratelimit-remaining": "0"}, throttled=False) is not None
    assert wait_of_headers({"retry-after": "60"}, throttled=False) == timedelta(minutes=1)


@given(
    st.text(max_size=90), st.dictionaries(st.sampled_from(["retry-after", "ratelimit", "x-ratelimit-reset"]), st.text())
)
def test_every_text_has_a_wait_or_none(said: str, headers: dict[str, str]) -> None:
    for wait in (told_wait(said), wait_of_headers(headers)):
        assert wait is None or isinstance(wait, datetime) or timedelta(0) <= wait <= timedelta(days=366)
