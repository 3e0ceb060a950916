"""Which refusal of a repeated call says that the call before it has worked."""

import json
from datetime import timedelta
from typing import Any

import pytest

from consumer.heal.calls.body import content_of
from consumer.heal.calls.done_before import done_before, leaves_in_doubt, may_have_run
from consumer.model.call import Ambiguous, Answer, CallResult, NotSent
from schemas.context import RequestContext
from tests.support.healing import failure


def answer(status: int, body: Any = None, kind: str = "application/json") -> Answer:  # noqa: ANN401 - JSON is anything
    raw = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    headers = (("Content-Type", kind),)
    return Answer(status=status, headers=headers, body=raw, truncated=False, elapsed=timedelta(0))


def done(told: Answer, **given: Any) -> bool:  # noqa: ANN401 - JSON is anything
    request = {"method": "POST", "url": "https://a.example/x", "idempotency_key": "k"} | given
    return done_before(told, content_of(told), RequestContext.model_validate(request)) is not None


@pytest.mark.parametrize(
    "body",
    [
        {"error": "order already exists"},
        {"code": "ALREADY_EXISTS"},
        {"error": {"code": "ResourceAlreadyExists"}},
        {"code": "resource_already_exists"},
        {"message": "This request has already been processed."},
        {"message": "Duplicate entry '17' for key 'orders.PRIMARY'"},
        {"title": "duplicate transaction"},
        "The specified container already exists.",
        {"message": "violates unique constraint orders_pkey"},
        {"message": "Order with this reference was already placed"},
        {"error": "order_exists"},
        {"error": "An order with this id exists"},
        {"error": "Cannot create order 17: it already exists"},
        {"message": "charge ch_1 already refunded"},
        {"sqlstate": "23505"},
        {"message": "Der Auftrag wurde bereits angelegt"},
        {"message": "commande déjà enregistrée"},
        {"message": "pedido já existe"},
        {"message": "订单已存在"},
        {"message": "уже существует"},
        {"errors": {"reference": ["has already been taken"]}},
    ],
)
def test_a_conflict_that_says_that_it_exists_is_the_end_of_a_keyed_call(body: object) -> None:
    assert done(answer(409, body))
    assert not done(answer(409, body), idempotency_key=None)
    assert not done(answer(400, body))


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"error": "conflict"},
        {"code": "idempotency_key_in_use"},
        {"message": "The key was already used with another body"},
        {"message": "a request with this key is already being processed"},
        {"message": "already processed with a different payload"},
        {"message": "the row was modified by another transaction"},
        {"message": "the account is locked, and already exists"},
        {"message": "The order cannot be cancelled, it is already paid"},
        {"message": "No such order exists"},
        {"message": "it is too late: already booked"},
        {"message": "The room is already booked by someone else"},
        {"message": "Seat 4A has already been taken by another passenger"},
        {"message": "Pedido já existe, criado por outro usuário"},
        "<html><title>409</title>already exists</html>",
    ],
)
def test_another_conflict_says_nothing_of_the_effect(body: object) -> None:
    assert not done(answer(409, body))


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_the_end_of_a_deletion_and_of_nothing_else(status: int) -> None:
    assert done(answer(status, {"error": "not found"}), method="DELETE", idempotency_key=None)
    assert done(answer(status), method="DELETE", idempotency_key=None)
    assert not done(answer(status, "<html>no route", "text/html"), method="DELETE", idempotency_key=None)
    assert not done(answer(status, {"error": "not found"}))
    assert not done(answer(status, {"message": "no Route matched with those values"}), method="DELETE")
    assert not done(answer(status, "default backend - 404", "text/plain"), method="DELETE")
    assert not done(answer(status, {"detail": "Method not found"}), method="DELETE")
    assert not done(answer(status), method="PUT", idempotency_key=None)


def test_an_unmet_condition_is_the_end_of_a_call_that_creates_only_what_is_not_there() -> None:
    assert done(answer(412), method="PUT", headers={"If-None-Match": "*"})
    assert not done(answer(412), method="PUT", headers={"If-Match": '"x"'})


@pytest.mark.parametrize(
    ("error", "doubt"),
    [
        ({"type": "httpx.ReadTimeout"}, True),
        ({"http_status": 502}, True),
        ({"http_status": 408}, True),
        ({}, True),
        ({"http_status": 404}, False),
        ({"http_status": 409}, False),
        ({"http_status": 429}, False),
        ({"code": "ECONNREFUSED"}, False),
    ],
)
def test_a_call_that_was_refused_or_never_left_has_not_run(error: dict[str, Any], *, doubt: bool) -> None:
    assert may_have_run(failure({"error": error}, reason="call failed")) is doubt


@pytest.mark.parametrize(
    ("result", "doubt"),
    [
        (answer(500), True),
        (answer(408), True),
        (answer(429), False),
        (answer(409), False),
        (Ambiguous(kind="ReadTimeout", reason="x", elapsed=timedelta(0)), True),
        (NotSent(kind="ConnectError", reason="x", elapsed=timedelta(0)), False),
    ],
)
def test_a_try_of_ours_leaves_its_effect_in_doubt_or_not(result: CallResult, *, doubt: bool) -> None:
    assert leaves_in_doubt(result) is doubt
