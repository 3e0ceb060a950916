"""What of a request an approval may change: its input, and nothing of what it does, where, and what proves it."""

from typing import Any, Final

import pytest

from consumer.heal.auto_retry.rules import other_call
from schemas.context import RequestContext

BEFORE: Final[dict[str, Any]] = {
    "method": "POST",
    "url": "https://api.example.com/orders?dry=1",
    "headers": {"accept": "application/json"},
    "body": {"order": 42},
    "idempotency_key": "key-1",
    "timeout_seconds": 8,
    "expect": {"status": [201]},
}


def judged(**changes: Any) -> str | None:  # noqa: ANN401 - JSON is anything
    return other_call(RequestContext.model_validate(BEFORE), {"request": BEFORE | changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"body": {"order": 43}},
        {"url": "https://api.example.com/v2/orders"},
        {"url": "https://API.example.com:443/orders?dry=0"},
        {"headers": {}},
        {"timeout_seconds": 3},
        {"method": "post"},
        {"effect": "keyed"},
    ],
)
def test_another_input_of_the_same_call_is_taken(changes: dict[str, Any]) -> None:
    assert judged(**changes) is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"method": "PUT"}, "method, effect"),
        ({"url": "https://other.example.com/orders"}, "the origin of url"),
        ({"url": "http://api.example.com/orders"}, "the origin of url"),
        ({"effect": "none"}, "effect"),
        ({"idempotency_key": "key-2"}, "idempotency_key"),
        ({"idempotency_header": "X-Key"}, "idempotency_key"),
        ({"expect": None}, "expect"),
        ({"read_back": {"url": "https://api.example.com/orders/42"}}, "read_back"),
    ],
)
def test_what_it_does_where_and_what_proves_it_stays(changes: dict[str, Any], named: str) -> None:
    assert judged(**changes) == f"request: {named} may not be changed"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"payload": {}}, "only another request"),
        ({"request": BEFORE, "run": {}}, "only another request"),
        ({"request": None}, "request: is null"),
        ({"request": {"method": "POST"}}, "request"),
        ({"request": BEFORE | {"url": "no url"}}, "request.url"),
        ({"request": "POST /orders"}, "request"),
    ],
)
def test_what_is_no_request_is_refused_by_its_place(changes: dict[str, Any], why: str) -> None:
    said = other_call(RequestContext.model_validate(BEFORE), changes)
    assert said is not None
    assert why in said
