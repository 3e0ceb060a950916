"""The one table of statuses that may pass, read by the diagnosis and by the call made again."""

from datetime import timedelta

import pytest

from consumer.diagnose.diagnosis import diagnose
from consumer.heal.calls.status_verdict import Repeat, judge, signals_unhealthy
from consumer.model import JsonObject
from consumer.model.call import Answer
from consumer.model.http_status import PASSING, Passing, passing
from schemas.names import Disposition, Effect

RETRIED = {Disposition.RETRY_NOW, Disposition.RETRY_AFTER, Disposition.RETRY_IF_IDEMPOTENT}


def answer(status: int, **headers: str) -> Answer:
    named = tuple((name.replace("_", "-"), said) for name, said in headers.items())
    return Answer(status=status, headers=named, body=b"", truncated=False, elapsed=timedelta(0))


@pytest.mark.parametrize("status", range(400, 600))
def test_the_diagnosis_retries_a_status_exactly_where_the_call_is_made_again(status: int) -> None:
    repeated = isinstance(judge(answer(status), Effect.IDEMPOTENT, None), Repeat)
    assert repeated is (status in PASSING)
    context: JsonObject = {"error": {"http_status": status}}
    assert (diagnose("", context).disposition in RETRIED) is repeated


@pytest.mark.parametrize("status", [403])
@pytest.mark.parametrize(
    ("headers", "is_limit"),
    [
        ({"Retry_After": "2"}, True),
        ({"retry_after_ms": "20"}, True),
        ({"X_RateLimit_Remaining": "0"}, True),
        ({"X_RateLimit_Remaining": "12"}, False),
        ({"X_RateLimit_Remaining_Requests": "0"}, True),
        ({"Anthropic_RateLimit_Tokens_Remaining": "0"}, True),
        ({"Seats_Remaining": "0"}, False),
        ({}, False),
    ],
)
def test_a_refusal_that_names_a_limit_is_a_limit(status: int, headers: dict[str, str], *, is_limit: bool) -> None:
    told = answer(status, **headers)
    assert passing(status, told.named_headers) is (Passing.THROTTLED if is_limit else None)
    assert signals_unhealthy(told, timedelta(seconds=9)) is is_limit
    context: JsonObject = {"error": {"http_status": status, "headers": dict(told.headers)}}
    assert (diagnose("call failed", context).disposition in RETRIED) is is_limit
    for effect in Effect:
        judged = judge(told, effect, None)
        assert isinstance(judged, Repeat) is is_limit
        assert not isinstance(judged, Repeat) or judged.throttled


@pytest.mark.parametrize("status", [500, 502, 503, 504, 509, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 429])
def test_a_dependency_that_answers_so_is_ill(status: int) -> None:
    assert signals_unhealthy(answer(status), timedelta(seconds=9))


@pytest.mark.parametrize("status", [200, 207, 400, 401, 404, 408, 409, 410, 422, 423, 425, 499, 501, 505, 511])
def test_a_dependency_that_answers_so_is_well(status: int) -> None:
    assert not signals_unhealthy(answer(status), timedelta(seconds=9))
