"""Outcomes to settlements: what one finished step of one failure writes. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model import (
    Attempt,
    Claim,
    Crashed,
    Diagnosed,
    Diagnosis,
    Failure,
    Healed,
    Next,
    NotHealed,
    Outcome,
    Refuse,
    Refused,
    RetryLater,
    Settlement,
    Unknown,
    attempt_id,
)
from consumer.plan.after import after
from consumer.results import Outlet, messages_of
from schemas.names import Code, Result, Status, StrategyName


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A heal that has ended: what it was, when it ran, what came of it."""

    failure: Failure
    diagnosis: Diagnosis
    strategy: StrategyName
    catalog_version: str
    claim: Claim
    outcome: Outcome
    attempted_at: datetime
    finished_at: datetime


def settle_heal(ended: Ended, policy: WorkflowPolicy, dice: float, outlet: Outlet) -> Settlement:
    """Give what a finished heal writes: its attempt, where the failure goes, and what is told of it."""
    following = after(ended.outcome, attempts=ended.failure.attempts, policy=policy, dice=dice)
    attempt = _attempt(ended)
    messages = messages_of(ended.failure, ended.diagnosis, attempt, following, outlet)
    return Settlement(
        failure=ended.failure, diagnosis=ended.diagnosis, attempt=attempt, next=following, messages=messages
    )


def settle_refusal(diagnosed: Diagnosed, plan: Refuse, now: datetime, outlet: Outlet) -> Settlement:
    """Give what a plan writes that refuses: a failed attempt with its code, and the failure given up."""
    failure, diagnosis = diagnosed.failure, diagnosed.diagnosis
    attempt = Attempt(
        id=attempt_id(failure.id, failure.step),
        step=failure.step,
        strategy=plan.strategy,
        result=result_of_refusal(plan.code),
        code=plan.code,
        reason=plan.reason,
        missing=plan.missing,
        attempted_at=now,
        finished_at=now,
        catalog_version=plan.catalog_version,
    )
    following = Next(status=Status.GIVEN_UP, due_in=None, counts=False)
    messages = messages_of(failure, diagnosis, attempt, following, outlet)
    return Settlement(failure=failure, diagnosis=diagnosis, attempt=attempt, next=following, messages=messages)


def result_of_refusal(code: Code) -> Result:
    """Give the result of a step that ended with its plan: our own fault, or the failure's."""
    return Result.ERROR if code is Code.CRASHED else Result.FAILED


def _attempt(ended: Ended) -> Attempt:
    outcome = ended.outcome
    result, code = _named(outcome)
    # What an outcome carries depends on its kind; the attempt has a place for all of it.
    carried = {name: getattr(outcome, name) for name in _CARRIED if hasattr(outcome, name)}
    return Attempt(
        id=ended.claim.attempt_id,
        step=ended.claim.step,
        strategy=ended.strategy,
        result=result,
        code=code,
        attempted_at=ended.attempted_at,
        finished_at=ended.finished_at,
        held=ended.claim.held,
        catalog_version=ended.catalog_version,
        **({"reason": ""} | carried),
    )


_CARRIED = ("reason", "proofs", "recovered", "details", "missing", "spent")


def _named(outcome: Outcome) -> tuple[Result, Code | None]:
    match outcome:
        case Healed():
            return Result.SUCCESS, None
        case NotHealed(code=code) | Refused(code=code):
            return Result.FAILED, code
        case RetryLater():
            return Result.FAILED, Code.RETRY_LATER
        case Crashed():
            return Result.ERROR, Code.CRASHED
        case Unknown():
            return Result.UNKNOWN, Code.INTERRUPTED
        case _:
            assert_never(outcome)


def without_content(settlement: Settlement, outlet: Outlet) -> Settlement:
    """Give the same end without what the other side said: for a settlement that the database will not store."""
    old = settlement.attempt
    attempt = Attempt(
        id=old.id,
        step=old.step,
        strategy=old.strategy,
        result=old.result,
        code=old.code,
        reason="details left out: the database cannot store them",
        attempted_at=old.attempted_at,
        finished_at=old.finished_at,
        held=old.held,
        spent=old.spent,
        catalog_version=old.catalog_version,
    )
    messages = messages_of(settlement.failure, settlement.diagnosis, attempt, settlement.next, outlet)
    return Settlement(
        failure=settlement.failure,
        diagnosis=settlement.diagnosis,
        attempt=attempt,
        next=settlement.next,
        messages=messages,
    )
