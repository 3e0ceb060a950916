"""What an outcome means: the attempt's result, the dependency's health, whether an effect is in doubt. Pure."""

from typing import assert_never

from consumer.model import Crashed, Healed, NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Result


def result_and_code(outcome: Outcome) -> tuple[Result, Code | None]:
    """Return the result of an outcome's attempt, and its code."""
    match outcome:
        case Healed(code=code):
            return Result.SUCCESS, code
        case NotHealed(code=code) | Refused(code=code):
            return Result.FAILED, code
        case RetryLater(pause=pause):
            return Result.FAILED, Code.RETRY_LATER if pause is None else Code.PAUSED
        case Crashed():
            return Result.ERROR, Code.CRASHED
        case Unknown():
            return Result.UNKNOWN, Code.INTERRUPTED
        case _:
            assert_never(outcome)


def dependency_health(outcome: Outcome) -> bool | None:
    """Return whether an outcome speaks for its dependency; None: it is no evidence either way."""
    match outcome:
        case Healed(code=code):
            return True if code is None else None  # `recovered`: the dependency was not called
        case (
            NotHealed(dependency_unhealthy=True)
            | RetryLater(dependency_unhealthy=True)
            | Unknown(dependency_unhealthy=True)
        ):
            return False
        case NotHealed(code=Code.NOT_HEALED):
            return True  # the dependency answered, if only to refuse
        case NotHealed() | RetryLater() | Unknown():
            return None
        case Refused() | Crashed():
            return None
        case _:
            assert_never(outcome)


def leaves_doubt(outcome: Outcome) -> bool | None:
    """Return whether an outcome leaves an effect in doubt; None: it found out nothing."""
    match outcome:
        case Unknown() | RetryLater(effect_in_doubt=True):
            return True
        case Healed() | NotHealed():
            return False
        case RetryLater() | Refused() | Crashed():
            return None  # nothing was done, and nothing found out
        case _:
            assert_never(outcome)
