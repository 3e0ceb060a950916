"""The wait that a failure asks for, wherever it is told: headers, fields, bodies and words."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.diagnose import diagnose
from consumer.diagnose.retry_hint import told_to_wait
from consumer.model import JsonObject
from schemas.names import Disposition

NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("please try again in 3 hours", 10800),
        ("Try again in 12s. See the dashboard.", 12),
        ("retry in 1m30s", 90),
        ("Retry after 00:01:45", 105),
        ("retry in 2 days", 172800),
        ("Try your request again after 4 minutes and 10 seconds.", 250),
        ("Wait 45 seconds before the next call", 45),
        ("You have to wait for another 15 minutes", 900),
        ("A wait of 77 seconds is required", 77),
        ("FLOOD_WAIT_31", 31),
        ("FloodWait: 420 seconds", 420),
        ("Limit resets in 20 minutes", 1200),
        ("Retry-After: 17", 17),
        ("retry_after=8", 8),
        ("retry after 8", 8),
        ('{"error": {"retry_after_ms": 2500}}', 2.5),
        ('{"message": "slow", "retryAfterSeconds": 6}', 6),
        ('{"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "23s"}]}', 23),
        ("429: retryDelay: '9.5s'", 9.5),
        ("try again in 350ms", 0.35),
        ("try again in a minute", 60),
        ("Retry after PT2M", 120),
        ("Bitte in 30 Sekunden erneut versuchen", 30),
        ("Intente de nuevo en 25 segundos", 25),
        ("Réessayez dans 10 minutes", 600),
        ("请在40秒后重试", 40),
        ("3分後に再試行してください", 180),
        ("20초 후에 다시 시도하세요", 20),
        ("backoff for 5 s", 5),
    ],
)
def test_a_wait_in_words_is_read(text: str, seconds: float) -> None:
    assert told_to_wait(text, {}) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["retry after 2031-05-04T12:00:00Z", "Try again at 2031-05-04 12:00:00 UTC", "Retry-After: 1935662400",
     "try again after Sun, 04 May 2031 12:00:00 GMT",
     '{"reset_at": "2031-05-04T12:00:00Z"}', '{"resetsAt": 1935662400}',
     "the limit resets at 2031-05-04T12:00:00+00:00", "x-ratelimit-reset: 1935662400"],
)  # fmt: skip
def test_a_moment_in_words_is_one(text: str) -> None:
    assert told_to_wait(text, {}) == NOON


@pytest.mark.parametrize(
    "text",
    ["retry 3 of 5", "Retry 2/3 failed", "retry 3 times", "retry count 4", "after 3 retries", "try again later",
     "Attempt 7, retry after 3 attempts", "retry after lunch", "retry in 5 sheep", "the limit resets 3 fields",
     "wait 5 workers", "retried in build 2026", "retry after v2.3.1", "waiting for 12 approvals",
     "try again at 14:30:00",
     "retry-budget 20%", "wait for #12", "resets 30", "retry in us-east-1", "please wait", "retry 10.0.0.7"],
)  # fmt: skip
def test_a_number_that_is_no_time_is_none(text: str) -> None:
    assert told_to_wait(text, {}) is None


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        ({"retry_after": 0.5}, timedelta(seconds=0.5)),
        ({"retry_after": "2 minutes"}, timedelta(minutes=2)),
        ({"headers": {"Retry-After-Ms": "1500"}}, timedelta(seconds=1.5)),
        ({"headers": {"X-RateLimit-Reset": "1935662400", "X-RateLimit-Remaining": "0"}}, NOON),
        ({"message": "Slow down and try again in 20 seconds"}, timedelta(seconds=20)),
        ({"body": {"error": {"details": [{"retryDelay": "38s"}]}}}, timedelta(seconds=38)),
        ({"body": {"parameters": {"retry_after": 35}}}, timedelta(seconds=35)),
        ({"body": "please retry after 9 seconds"}, timedelta(seconds=9)),
        ({"response": {"status": 429, "headers": {"retry-after": "11"}}}, timedelta(seconds=11)),
        ({"body": {"attempts": 3, "limit": 60}}, None),
        ({"retry_after": "20 days"}, timedelta(days=7)),
    ],
)
def test_a_wait_in_structure_is_read(error: JsonObject, wait: object) -> None:
    context = cast("JsonObject", {"error": {"http_status": 429, **error}})
    assert told_to_wait("step failed", context) == wait
    diagnosis = diagnose("step failed", context)
    assert diagnosis.disposition is Disposition.RETRY_AFTER
    assert (diagnosis.wait or diagnosis.until) == wait


@given(
    st.lists(st.sampled_from(["retry", "after", "in", "5", "s", "minutes", ":", "wait", "12:00:01", "-", "{", "秒后"]))
)
def test_every_text_has_a_wait_or_none(words: list[str]) -> None:
    error = {"message": "".join(words), "body": {"retry_after": words}}
    told_to_wait(" ".join(words), cast("JsonObject", {"error": error}))
