"""The wait in a heal's answer is the one that the diagnosis of the same answer reads."""

import json
from datetime import timedelta
from typing import Any

import pytest

from consumer.diagnose.diagnosis import diagnose
from consumer.heal.calls.asked_wait import asked_wait
from consumer.model.call import Answer
from tests.support.healing import NOW

RETRY_INFO = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}],
    }
}
IN_90 = str(int(NOW.timestamp()) + 90)


def answer(status: int, body: Any = None, **headers: str) -> Answer:  # noqa: ANN401 - JSON is anything
    named = tuple((name.replace("_", "-"), said) for name, said in headers.items())
    raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(status=status, headers=named, body=raw, truncated=False, elapsed=timedelta(0))


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (answer(429, RETRY_INFO), 34),
        (answer(503, {"retry_after": 12}), 12),
        (answer(429, {"message": "Rate limit reached. Please try again in 20s."}), 20),
        (answer(429, "Too many requests, retry after 7 seconds"), 7),
        (answer(429, None, X_RateLimit_Remaining="0", X_RateLimit_Reset=IN_90), 90),
        (answer(403, None, X_RateLimit_Remaining="0", X_RateLimit_Reset=IN_90), 90),
        (answer(429, None, RateLimit="limit=10, remaining=0, reset=15"), 15),
        (answer(429, RETRY_INFO, Retry_After="2"), 2),
        (answer(403, None, Retry_After="2"), 2),
        (answer(503, None, Retry_After=IN_90), 90),
    ],
)
def test_a_wait_is_read_wherever_it_stands_and_as_in_the_diagnosis(told: Answer, seconds: int) -> None:
    wait = asked_wait(told, NOW)
    assert wait == timedelta(seconds=seconds)
    context: dict[str, Any] = {
        "error": {"http_status": told.status, "headers": dict(told.headers), "body": json.loads(told.body or b"null")}
        if told.body[:1] in (b"", b"{")
        else {"http_status": told.status, "headers": dict(told.headers), "message": told.body.decode()}
    }
    text = told.body.decode() if told.body else "call failed"
    diagnosis = diagnose(text, context)
    until = diagnosis.until
    assert (wait if until is None else until - NOW) == (diagnosis.wait if until is None else wait)


@pytest.mark.parametrize(
    "told",
    [
        answer(429, None, X_RateLimit_Remaining="7", X_RateLimit_Reset=IN_90),
        answer(429, {"message": "retry 3 of 5"}),
        answer(404, {"retry_after": 12}),
        answer(503, "<html>wait 20 seconds"),
        answer(503),
    ],
)
def test_what_names_no_wait_names_none(told: Answer) -> None:
    assert asked_wait(told, NOW) is None
