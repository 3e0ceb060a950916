"""An un-keyed call is made again only where all that its event tells, of every try, proves that none has run."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consumer.heal.auto_retry import AutoRetry
from consumer.heal.calls.read_back import Suspect, effect_suspect
from consumer.redact import redact_json
from schemas.context import RequestContext
from tests.support.healing import NoCalls, diagnosis, failure, policy
from tests.support.paths import DATA

STRATEGY = AutoRetry(NoCalls(), redact_json)
POST = {"method": "POST", "url": "https://api.example.com/orders", "body": {"a": 1, "status": 502, "note": "timeout"}}
REFUSED = {"error": {"code": "ECONNREFUSED"}}
TABLE = DATA / "tries.jsonl"


def cases(*, may_have_run: bool) -> list[Any]:
    """Events of both sides, a line each: what was said, and what the context held beside the call."""
    lines = [json.loads(line) for line in TABLE.read_text().splitlines()]
    return [
        pytest.param(one["failure_reason"], one["context"], id=f"line {n}")
        for n, one in enumerate(lines, 1)
        if one["may_have_run"] is may_have_run
    ]


@pytest.mark.parametrize(("reason", "context"), cases(may_have_run=True))
def test_a_try_that_may_have_run_is_enough_to_refuse(reason: str, context: dict[str, Any]) -> None:
    failed = failure({"request": POST, **context}, reason=reason)
    said = STRATEGY.refusal(failed, diagnosis(), policy())
    assert said is not None
    assert said.startswith("POST may already have had its effect")
    assert effect_suspect(failed, RequestContext.model_validate(POST)) is Suspect.THEIRS


@pytest.mark.parametrize(("reason", "context"), cases(may_have_run=False))
def test_where_every_try_is_told_and_none_has_run_it_is_made_again(reason: str, context: dict[str, Any]) -> None:
    failed = failure({"request": POST, **context}, reason=reason)
    assert STRATEGY.refusal(failed, diagnosis(), policy()) is None
    assert effect_suspect(failed, RequestContext.model_validate(POST)) is Suspect.NOBODY


def test_what_the_event_says_beside_its_context_counts_as_well() -> None:
    failed = replace(failure({"request": POST, **REFUSED}, reason="refused"), extra={"retry_count": 2})
    assert STRATEGY.refusal(failed, diagnosis(), policy()) is not None
    failed = replace(failed, extra={"extensions": {"retrycount": "2"}})
    assert STRATEGY.refusal(failed, diagnosis(), policy()) is not None


def test_more_than_is_read_proves_nothing() -> None:
    failed = failure({"request": POST, **REFUSED, "log": ["fine"] * 5000}, reason="refused")
    assert STRATEGY.refusal(failed, diagnosis(), policy()) is not None


@pytest.mark.parametrize("effect", ["none", "idempotent"])
def test_a_call_that_may_be_made_twice_is_made_again_whatever_is_told(effect: str) -> None:
    context = {"request": POST | {"effect": effect}, **REFUSED}
    failed = failure(context, reason="attempt 1: socket hang up; attempt 2: ECONNREFUSED")
    assert STRATEGY.refusal(failed, diagnosis(), policy()) is None
