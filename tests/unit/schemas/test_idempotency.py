"""A key that stands among the headers only is the caller's key."""

from typing import Any

import pytest

from schemas.context import ContextFault, RequestContext, request_of
from schemas.names import Effect


def request(**given: Any) -> RequestContext:  # noqa: ANN401 - JSON is anything
    found = request_of({"request": {"method": "POST", "url": "https://a.example/x"} | given})
    assert isinstance(found, RequestContext)
    return found


@pytest.mark.parametrize(
    "header",
    [
        "Idempotency-Key",
        "idempotency-key",
        "IDEMPOTENCY-KEY",
        "X-Idempotency-Key",
        "PayPal-Request-Id",
        "Idempotence-Key",
        "X-Acme-Idempotency-Key",
        "Idempotency-Id",
    ],
)
def test_a_key_in_the_headers_is_the_key(header: str) -> None:
    found = request(headers={"accept": "*/*", header: "order-17"})
    assert (found.idempotency_key, found.idempotency_header) == ("order-17", header)
    assert found.effect_or_default is Effect.KEYED


def test_a_header_that_is_named_for_it_counts_first() -> None:
    headers = {"Idempotency-Key": "a", "X-Command-Id": "b"}
    assert request(headers=headers, idempotency_header="x-command-id").idempotency_key == "b"


def test_what_tells_of_a_replay_is_no_key() -> None:
    assert request(headers={"Idempotent-Replayed": "true", "X-Idempotency-Expiry": "60"}).idempotency_key is None


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "secret://KEY", "schl\u00fcssel"])
def test_what_can_be_no_key_is_none(key: str) -> None:
    assert request(headers={"Idempotency-Key": key}).effect_or_default is Effect.UNSAFE


def test_a_key_that_is_given_stays() -> None:
    found = request(headers={"Idempotency-Key": "a"}, idempotency_key="b")
    assert (found.idempotency_key, found.idempotency_header) == ("b", "Idempotency-Key")


def test_an_effect_that_is_declared_stays() -> None:
    assert request(headers={"Idempotency-Key": "a"}, effect="unsafe").effect_or_default is Effect.UNSAFE


@pytest.mark.parametrize("headers", [None, [], "x"])
def test_headers_that_are_none_are_a_fault_as_before(headers: object) -> None:
    found = request_of({"request": {"method": "POST", "url": "https://a.example/x", "headers": headers}})
    assert isinstance(found, ContextFault)
