"""What a failure does next, once an attempt has ended: outcome + history + policy → status, and when to look again."""

from datetime import timedelta
from typing import Final, assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model import Crashed, Healed, Next, NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Status

LONGEST_WAIT: Final = timedelta(days=7)
"""A Retry-After may name any time; by then max_age has long decided."""
PERSON_LOOKS_AGAIN: Final = timedelta(days=1)
"""A failure that waits for a person is still looked at, so that none is ever forgotten."""


def after(outcome: Outcome, *, attempts: int, policy: WorkflowPolicy, dice: float) -> Next:
    """Say where the failure goes.

    `attempts` are those before this one, `dice` is uniform in [0, 1): full jitter keeps a thousand failures of one
    cause from coming back together.
    """
    match outcome:
        case Healed():
            return Next(status=Status.RESOLVED, due_in=None, counts=True)
        case NotHealed() | Crashed():
            return _again(attempts + 1, policy, dice)
        case RetryLater(after=wait):
            return Next(status=Status.DEFERRED, due_in=min(wait, LONGEST_WAIT), counts=False)
        case Refused(code=Code.INSUFFICIENT_CREDITS):
            return Next(status=Status.DEFERRED, due_in=CREDITS_LOOK_AGAIN, counts=False)
        case Refused():
            return Next(status=Status.GIVEN_UP, due_in=None, counts=False)
        case Unknown():
            return Next(status=Status.NEEDS_PERSON, due_in=PERSON_LOOKS_AGAIN, counts=True)
        case _:
            assert_never(outcome)


CREDITS_LOOK_AGAIN: Final = timedelta(hours=1)
"""A wallet is topped up by people and by renewals: nothing is gained by asking more often."""


def _again(made: int, policy: WorkflowPolicy, dice: float) -> Next:
    if made >= policy.attempts:
        return Next(status=Status.GIVEN_UP, due_in=None, counts=True)
    ceiling = min(policy.backoff * 2 ** (made - 1), policy.backoff_cap)
    return Next(status=Status.PENDING, due_in=ceiling * dice, counts=True)
