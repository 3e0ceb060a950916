"""What a failure does next, once an attempt has ended: outcome + history + policy → status, and when to look again."""

from dataclasses import replace
from datetime import timedelta
from typing import Final, assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model import Crashed, Healed, Next, NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Status
from schemas.value import value

LONGEST_WAIT: Final = timedelta(days=7)
"""A Retry-After may name any time; by then max_age has long decided."""
PERSON_LOOKS_AGAIN: Final = timedelta(days=1)
"""A failure that waits for a person is still looked at, so that none is ever forgotten."""


@value(frozen=True, slots=True, kw_only=True)
class AttemptHistory:
    """What the outcome ends: how often it was tried before, how old it is, and what this try was."""

    attempts: int = 0
    """Attempts that acted, before this one."""
    age: timedelta = timedelta(0)
    """Since the failure was detected."""
    reads_back: bool = False
    """Its strategy can find out if an effect happened."""
    probe: bool = False
    """It tried an ill dependency on behalf of all that wait for it."""
    effect_in_doubt: bool = False
    """An effect of an earlier attempt may have happened: it is never given up without a person."""
    exhausted: bool = False
    """The strategy that it tried has used up what the catalog allows it, or has refused to act."""
    goes_on: bool = False
    """Another rung of its ladder may act."""


def next_step(outcome: Outcome, past: AttemptHistory, *, policy: WorkflowPolicy, dice: float) -> Next:
    """Say where the failure goes.

    `dice` is uniform in [0, 1): full jitter keeps a thousand failures of one cause from coming back together.
    """
    match outcome:
        case Healed():
            return Next(status=Status.RESOLVED, due_in=None, counts=True)
        case NotHealed():
            return _not_healed(outcome, replace(past, effect_in_doubt=False), policy, dice)
        case Crashed():
            return _again(past, policy, dice)
        case RetryLater(after=wait, effect_in_doubt=effect_in_doubt):
            return _later(wait, replace(past, effect_in_doubt=past.effect_in_doubt or effect_in_doubt), policy)
        case Refused(code=code):
            return _refused(code, past)
        case Unknown():
            return _unknown(past, policy, dice)
        case _:
            assert_never(outcome)


CREDITS_LOOK_AGAIN: Final = timedelta(hours=1)
"""A wallet is topped up by people and by renewals: nothing is gained by asking more often."""


def _not_healed(outcome: NotHealed, past: AttemptHistory, policy: WorkflowPolicy, dice: float) -> Next:
    if past.probe and outcome.dependency_unhealthy:
        # It was tried for the sake of all: that the dependency is still ill must not use up this one's attempts.
        return Next(status=Status.PENDING, due_in=policy.backoff * dice, counts=False)
    return _again(past, policy, dice)


def _again(past: AttemptHistory, policy: WorkflowPolicy, dice: float) -> Next:
    if past.attempts + 1 >= policy.attempts or (past.exhausted and not past.goes_on):
        return replace(given_up(effect_in_doubt=past.effect_in_doubt), counts=True)
    if past.exhausted:
        return Next(status=Status.PENDING, due_in=timedelta(0), counts=True)  # another rung: nothing to wait for
    ceiling = min(policy.backoff * 2**past.attempts, policy.backoff_cap)
    return Next(status=Status.PENDING, due_in=ceiling * dice, counts=True)


def _later(wait: timedelta, past: AttemptHistory, policy: WorkflowPolicy) -> Next:
    if past.age + wait > policy.max_age:
        # By then it would not be worth healing any more: better said now.
        return given_up(effect_in_doubt=past.effect_in_doubt)
    return Next(status=Status.DEFERRED, due_in=min(wait, LONGEST_WAIT), counts=False)


def _refused(code: Code, past: AttemptHistory) -> Next:
    if code is Code.INSUFFICIENT_CREDITS:
        return Next(status=Status.DEFERRED, due_in=CREDITS_LOOK_AGAIN, counts=False)
    if past.goes_on and not past.effect_in_doubt:
        return Next(status=Status.PENDING, due_in=timedelta(0), counts=False)
    return given_up(effect_in_doubt=past.effect_in_doubt)


def given_up(*, effect_in_doubt: bool) -> Next:
    """End a failure that nothing was done about now; where an effect may have happened before, a person has to look."""
    if effect_in_doubt:
        return Next(status=Status.NEEDS_PERSON, due_in=PERSON_LOOKS_AGAIN, counts=False)
    return Next(status=Status.GIVEN_UP, due_in=None, counts=False)


def _unknown(past: AttemptHistory, policy: WorkflowPolicy, dice: float) -> Next:
    if past.reads_back and not past.exhausted and past.attempts + 1 < policy.attempts:
        return _again(past, policy, dice)  # which begins by reading back
    return Next(status=Status.NEEDS_PERSON, due_in=PERSON_LOOKS_AGAIN, counts=True)
