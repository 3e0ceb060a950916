"""Retry-After in all its forms."""

from datetime import UTC, datetime, timedelta

import pytest

from consumer.model.retry_after import retry_after, retry_after_milliseconds

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
DATE = "Fri, 01 May 2026 12:00:00 GMT"
LATER = "Fri, 01 May 2026 12:01:30 GMT"
YEAR = timedelta(days=366)


@pytest.mark.parametrize(
    ("said", "date", "now", "seconds"),
    [
        ("0", None, None, 0),
        (" 17 ", None, None, 17),
        ("1.5", None, None, 1.5),
        (30, None, None, 30),
        (2.5, None, None, 2.5),
        (LATER, DATE, None, 90),
        (LATER, None, NOW, 90),
        (LATER, DATE, NOW + timedelta(hours=1), 90),
        (LATER, "no date", NOW, 90),
        (DATE, LATER, None, 0),
        ("Fri, 01 May 2026 12:01:30", DATE, None, 90),
    ],
)
def test_it_is_read_as_seconds_or_as_a_date(
    said: str | float, date: str | None, now: datetime | None, seconds: float
) -> None:
    assert retry_after(said, date=date, now=now) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "said", [None, "", "-1", "soon", "1e9", "inf", "nan", float("inf"), "\u0661\u0667", "1 2", LATER]
)
def test_what_cannot_be_read_names_nothing(said: str | float | None) -> None:
    assert retry_after(said) is None


@pytest.mark.parametrize("said", ["9" * 400, "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_it_is_a_year_at_most(said: str) -> None:
    assert retry_after(said, now=NOW) == YEAR


def test_milliseconds_have_a_header_of_their_own() -> None:
    assert retry_after_milliseconds("1500") == timedelta(seconds=1.5)
    assert retry_after_milliseconds("-1") is retry_after_milliseconds(None) is None


@pytest.mark.parametrize("parts", [1, 1000, 1_000_000])
@pytest.mark.parametrize(("away", "seconds"), [(90, 90), (-90, 0), (86_400, 86_400)])
def test_a_number_that_is_an_epoch_is_that_moment(parts: int, away: int, seconds: int) -> None:
    moment = str((int(NOW.timestamp()) + away) * parts)
    assert retry_after(moment, now=NOW) == timedelta(seconds=seconds)
    assert retry_after(moment, date=DATE, now=NOW + timedelta(hours=1)) == timedelta(seconds=seconds)
    assert retry_after(moment) is None
    if parts > 1:
        assert retry_after_milliseconds(moment, now=NOW) == timedelta(seconds=seconds)
