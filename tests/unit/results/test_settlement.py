"""Outcomes to what is written: result, code and status hang together for every kind of end."""

from datetime import timedelta

import pytest

from consumer.model import Diagnosed, Outcome, Refuse, Wait, attempt_id
from consumer.results.events import attempt_details
from consumer.results.settlement import settle_unclaimed, strip_content
from schemas.names import Code, Result, Status, StrategyName
from tests.support.ends import DIAGNOSIS, FAILURE, OUTCOMES, OUTLET, settlement
from tests.support.healing import NOW

EXPECTED = {
    "healed": (Result.SUCCESS, None, Status.RESOLVED, True),
    "not healed": (Result.FAILED, Code.NOT_HEALED, Status.PENDING, True),
    "unverified": (Result.FAILED, Code.UNVERIFIED, Status.PENDING, True),
    "asked to wait": (Result.FAILED, Code.RETRY_LATER, Status.DEFERRED, False),
    "missing context": (Result.FAILED, Code.MISSING_CONTEXT, Status.GIVEN_UP, False),
    "no credits": (Result.FAILED, Code.INSUFFICIENT_CREDITS, Status.DEFERRED, False),
    "crashed": (Result.ERROR, Code.CRASHED, Status.PENDING, True),
    "unknown": (Result.UNKNOWN, Code.INTERRUPTED, Status.NEEDS_PERSON, True),
}


def test_every_kind_of_end_is_looked_at() -> None:
    assert set(EXPECTED) == set(OUTCOMES)


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_end_has_its_result_code_and_status(name: str) -> None:
    written = settlement(OUTCOMES[name])
    seen = (written.attempt.result, written.attempt.code, written.next.status, written.next.counts)
    assert seen == EXPECTED[name]
    assert (written.attempt.code is None) is (written.attempt.result is Result.SUCCESS)
    assert written.attempt.id == attempt_id(FAILURE.id, 0)
    assert (written.attempt.held, written.attempt.catalog_version) == (50_000, "0123456789ab")


def test_the_last_attempt_gives_up() -> None:
    assert settlement(OUTCOMES["not healed"], made=2).next.status is Status.GIVEN_UP
    assert settlement(OUTCOMES["unknown"], made=2).next.status is Status.NEEDS_PERSON
    assert settlement(OUTCOMES["asked to wait"], made=2).next.status is Status.DEFERRED


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_the_attempts_details_say_why(outcome: Outcome) -> None:
    details = attempt_details(settlement(outcome).attempt, DIAGNOSIS)
    assert (details["failureType"], details["disposition"]) == ("api_timeout", "retry_if_idempotent")
    assert details["diagnosis"]
    if reason := getattr(outcome, "reason", None):
        assert details["reason"] == reason


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_without_its_content_an_end_is_the_same_end(outcome: Outcome) -> None:
    whole = settlement(outcome)
    bare = strip_content(whole, OUTLET)
    assert (bare.attempt.id, bare.attempt.result, bare.attempt.code) == (
        whole.attempt.id,
        whole.attempt.result,
        whole.attempt.code,
    )
    assert (bare.attempt.held, bare.attempt.spent, bare.next) == (whole.attempt.held, whole.attempt.spent, whole.next)
    assert [m.id for m in bare.messages] == [m.id for m in whole.messages]
    assert (bare.attempt.recovered, bare.attempt.proofs, bare.attempt.details) == (None, (), {})
    assert strip_content(bare, OUTLET).attempt == bare.attempt


def test_a_plan_that_refuses_is_an_attempt_that_failed_and_a_failure_given_up() -> None:
    plan = Refuse(strategy=StrategyName.SCHEMA_AUTOFIX, code=Code.NOT_INSTALLED, reason="not here", catalog_version="v")
    written = settle_unclaimed(Diagnosed(failure=FAILURE, diagnosis=DIAGNOSIS, plan=plan), plan, NOW, 0.5, OUTLET)
    assert (written.attempt.result, written.attempt.code) == (Result.FAILED, Code.NOT_INSTALLED)
    assert (written.next.status, written.next.due_in, written.next.counts) == (Status.GIVEN_UP, None, False)
    assert [message.rank for message in written.messages] == [0, 1]


@pytest.mark.parametrize("seconds", [2, 90, 7200, 72000])
@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999])
def test_a_failure_comes_back_at_the_named_time_and_jitter_is_only_after_it(seconds: int, dice: float) -> None:
    named = timedelta(seconds=seconds)
    plan = Wait(strategy=StrategyName.AUTO_RETRY, after=named, reason="asked to wait", catalog_version="v")
    diagnosed = Diagnosed(failure=FAILURE, diagnosis=DIAGNOSIS, plan=plan)
    due = settle_unclaimed(diagnosed, plan, NOW, dice, OUTLET).next.due_in
    assert due is not None
    assert named <= due <= min(named * 1.1, named + timedelta(minutes=1))
