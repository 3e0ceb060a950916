"""Is it the dependency? Each other cause is ruled out by its evidence, and names the right rung."""

from datetime import timedelta
from typing import Any

import pytest

from consumer.heal.dependency_replacement.illness import (
    RIGHT_RUNG,
    IllnessSign,
    OtherCause,
    Strikes,
    of_failure,
    of_health,
    of_input,
    of_network,
    of_strikes,
    verdict,
)
from consumer.model import Diagnosis, Evidence
from consumer.model.call import NOT_PERMITTED, Ambiguous, Answer, CallResult, EgressRefused, NotSent
from schemas.names import Disposition, FailureType
from tests.support.healing import failure

NO_TIME = timedelta(0)
TIMED_OUT = NotSent(kind="ConnectTimeout", reason="no connection", elapsed=NO_TIME)
CUT = Ambiguous(kind="ReadError", reason="cut", elapsed=NO_TIME)


def answered(status: int) -> Answer:
    return Answer(status=status, headers=(), body=b"", truncated=False, elapsed=NO_TIME)


def diagnosed(disposition: Disposition = Disposition.RETRY_NOW) -> Diagnosis:
    evidence = (Evidence(rule="r", source="reason", text="timed out", weight=1.0),)
    return Diagnosis(failure_type=FailureType.API_TIMEOUT, disposition=disposition, evidence=evidence)


def told(
    *,
    error: dict[str, Any] | None = None,
    disposition: Disposition = Disposition.RETRY_NOW,
    strikes: Strikes | None = None,
    health: CallResult = TIMED_OUT,
    declared: bool | None = None,
    fault: str | None = None,
    candidates: tuple[int, int] = (1, 0),
) -> list[IllnessSign]:
    failed = failure({} if error is None else {"error": error})
    return [
        of_failure(failed, diagnosed(disposition)),
        *of_strikes(strikes or Strikes()),
        of_input(fault),
        of_health(health, as_declared=declared),
        of_network(candidates=candidates[0], unreachable=candidates[1], health=health),
    ]


@pytest.mark.parametrize("health", [TIMED_OUT, CUT, answered(500), answered(503), answered(504)], ids=repr)
@pytest.mark.parametrize("error", [None, {"http_status": 503}, {"http_status": 504}], ids=repr)
def test_a_failure_and_a_health_call_that_agree_prove_it(health: CallResult, error: dict[str, Any] | None) -> None:
    said = verdict(told(health=health, error=error))
    assert said.is_ill
    assert {one["source"] for one in said.told if one["says"] == "ill"} == {"failure", "health"}


def test_an_answer_that_is_not_the_declared_one_counts_as_ill() -> None:
    assert verdict(told(health=answered(200), declared=False)).is_ill


def test_the_organisations_own_breaker_agrees_where_the_failure_tells_nothing() -> None:
    unclear: dict[str, Any] = {"error": {"http_status": 418}}
    assert verdict(told(**unclear)).cause is OtherCause.UNPROVEN
    assert verdict(told(**unclear, strikes=Strikes(own=5, is_open=True))).is_ill


def test_strikes_of_others_are_told_and_decide_nothing() -> None:
    said = verdict(told(error={"http_status": 418}, strikes=Strikes(others=40)))
    assert said.cause is OtherCause.UNPROVEN
    assert any(one["source"] == "others" and "40" in str(one["detail"]) for one in said.told)


CAUSES: list[tuple[str, dict[str, Any], OtherCause]] = [
    ("the failed call was refused a credential", {"error": {"http_status": 401}}, OtherCause.KEY),
    ("the failed call was forbidden", {"error": {"http_status": 403}}, OtherCause.KEY),
    ("the health call is refused a credential", {"health": answered(401), "declared": False}, OtherCause.KEY),
    ("the diagnosis needs a credential", {"disposition": Disposition.NEEDS_CREDENTIAL}, OtherCause.KEY),
    ("the failed call was refused for what it sent", {"error": {"http_status": 422}}, OtherCause.INPUT),
    ("the request misses the contract", {"fault": "q is required"}, OtherCause.INPUT),
    ("the diagnosis needs a repair", {"disposition": Disposition.NEEDS_REPAIR}, OtherCause.INPUT),
    ("the failed call was throttled", {"error": {"http_status": 429}}, OtherCause.QUOTA),
    ("the failed call has to be paid", {"error": {"http_status": 402}}, OtherCause.QUOTA),
    ("the health call is throttled", {"health": answered(429), "declared": False}, OtherCause.QUOTA),
    ("the diagnosis needs money", {"disposition": Disposition.NEEDS_MONEY}, OtherCause.QUOTA),
    ("nothing answers us", {"candidates": (2, 2)}, OtherCause.NETWORK),
    ("the health call is well", {"health": answered(200), "declared": True}, OtherCause.NOTHING),
    ("the health call is at a wrong address", {"health": answered(404), "declared": False}, OtherCause.UNPROVEN),
    ("the health call is not allowed", {"health": EgressRefused(reason="no host")}, OtherCause.UNPROVEN),
    (
        "the health call never left",
        {"health": NotSent(kind=NOT_PERMITTED, reason="revoked", elapsed=NO_TIME)},
        OtherCause.UNPROVEN,
    ),
]


@pytest.mark.parametrize(("given", "cause"), [one[1:] for one in CAUSES], ids=[one[0] for one in CAUSES])
def test_what_else_it_is_rules_the_dependency_out(given: dict[str, Any], cause: OtherCause) -> None:
    said = verdict(
        told(**({"strikes": Strikes(own=9, is_open=True)} if cause is not OtherCause.UNPROVEN else {}) | given)
    )
    assert said.cause is cause
    assert RIGHT_RUNG[cause] in said.reason


def test_a_first_that_was_reached_is_no_network_of_ours() -> None:
    assert verdict(told(health=answered(503), candidates=(2, 2))).is_ill
    assert verdict(told(health=CUT, candidates=(2, 2))).is_ill
