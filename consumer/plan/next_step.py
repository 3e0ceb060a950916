"""Computes the next status and due time of a failure after an attempt, from outcome, history and policy. Pure."""

from dataclasses import replace
from datetime import timedelta
from typing import Final, assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model import Crashed, Healed, Next, NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Status
from schemas.value import value

LONGEST_WAIT: Final = timedelta(days=7)
"""Upper bound of a wait: a Retry-After may name any time, and by then max_age has long decided."""
PERSON_LOOKS_AGAIN: Final = timedelta(days=1)
"""Due time of a failure that waits for a person: it is still looked at, so that none is ever forgotten."""


PAUSE_LOOKS_AGAIN: Final = timedelta(minutes=1)
"""Due time of a failure that a pause holds, should nobody wake it: it is looked at, and goes on waiting."""


@value(frozen=True, slots=True, kw_only=True)
class AttemptHistory:
    """The history of the failure at an outcome: earlier attempts, age, and what kind of attempt this one was."""

    attempts: int = 0
    """Attempts that acted, before this one."""
    age: timedelta = timedelta(0)
    """Time since the failure was detected."""
    reads_back: bool = False
    """Its strategy can read back whether an effect happened."""
    probe: bool = False
    """It was the probe of an unhealthy dependency, on behalf of all failures that wait for it."""
    effect_in_doubt: bool = False
    """An effect of an earlier attempt may have happened: it is never given up without a person."""
    exhausted: bool = False
    """Its strategy has used up the attempts that the catalog allows it, or has refused to act."""
    goes_on: bool = False
    """Another rung of its ladder may act."""


def next_step(outcome: Outcome, past: AttemptHistory, *, policy: WorkflowPolicy, dice: float) -> Next:
    """Compute the next status and due time.

    `dice` is uniform in [0, 1): full jitter keeps a thousand failures of one cause from coming back together.
    """
    match outcome:
        case Healed():
            return Next(status=Status.RESOLVED, due_in=None, counts=True)
        case NotHealed():
            return _after_not_healed(outcome, replace(past, effect_in_doubt=False), policy, dice)
        case Crashed():
            return _retry(past, policy, dice)
        case RetryLater():
            return _defer(outcome, past, policy)
        case Refused(code=code):
            return _after_refusal(code, past, policy)
        case Unknown():
            return _after_unknown(past, policy, dice)
        case _:
            assert_never(outcome)


CREDITS_LOOK_AGAIN: Final = timedelta(hours=1)
"""Retry delay without credits: a wallet is topped up by people and by renewals, so asking more often gains nothing."""


def _after_not_healed(outcome: NotHealed, past: AttemptHistory, policy: WorkflowPolicy, dice: float) -> Next:
    if past.probe and outcome.dependency_unhealthy:
        # A probe is for all that wait: a dependency that is still unhealthy must not use up this failure's attempts.
        return Next(status=Status.PENDING, due_in=policy.backoff * dice, counts=False)
    return _retry(past, policy, dice)


def _retry(past: AttemptHistory, policy: WorkflowPolicy, dice: float) -> Next:
    if past.attempts + 1 >= policy.attempts or (past.exhausted and not past.goes_on):
        return replace(given_up(effect_in_doubt=past.effect_in_doubt), counts=True)
    if past.exhausted:
        return Next(status=Status.PENDING, due_in=timedelta(0), counts=True)  # another rung: nothing to wait for
    ceiling = min(policy.backoff * 2**past.attempts, policy.backoff_cap)
    return Next(status=Status.PENDING, due_in=ceiling * dice, counts=True)


def _defer(outcome: RetryLater, past: AttemptHistory, policy: WorkflowPolicy) -> Next:
    wait = outcome.after
    if outcome.pause is not None:
        return Next(status=Status.DEFERRED, due_in=PAUSE_LOOKS_AGAIN, counts=False, waits_on=outcome.pause)
    if past.age + wait > policy.max_age:
        # By then it would be too old to heal, so it is given up now.
        return given_up(effect_in_doubt=past.effect_in_doubt or outcome.effect_in_doubt)
    return Next(status=Status.DEFERRED, due_in=min(wait, LONGEST_WAIT), counts=False)


def _after_refusal(code: Code, past: AttemptHistory, policy: WorkflowPolicy) -> Next:
    if code is Code.AWAITING_APPROVAL and policy.approval is not None:
        return Next(status=Status.AWAITING_APPROVAL, due_in=policy.approval.valid_for, counts=False)
    if code in {Code.UNANSWERED, Code.SHADOW}:
        return for_person()
    if past.goes_on and not past.effect_in_doubt:
        return Next(status=Status.PENDING, due_in=timedelta(0), counts=False)
    if code is Code.NEEDS_PERSON:
        return for_person()
    if code is Code.INSUFFICIENT_CREDITS:
        return Next(status=Status.DEFERRED, due_in=CREDITS_LOOK_AGAIN, counts=False)
    return given_up(effect_in_doubt=past.effect_in_doubt)


def given_up(*, effect_in_doubt: bool) -> Next:
    """Return the end of a failure without an effect now; where an earlier effect is in doubt, a person has to look."""
    if effect_in_doubt:
        return for_person()
    return Next(status=Status.GIVEN_UP, due_in=None, counts=False)


def for_person() -> Next:
    """Return where a failure stands that only a person moves on."""
    return Next(status=Status.NEEDS_PERSON, due_in=PERSON_LOOKS_AGAIN, counts=False)


def _after_unknown(past: AttemptHistory, policy: WorkflowPolicy, dice: float) -> Next:
    if past.reads_back and not past.exhausted and past.attempts + 1 < policy.attempts:
        return _retry(past, policy, dice)  # the retry begins by reading back
    return Next(status=Status.NEEDS_PERSON, due_in=PERSON_LOOKS_AGAIN, counts=True)
