"""Ladder progress: which strategies were tried, exhausted or left in doubt, as an attempt changes it. Pure."""

from dataclasses import replace
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.model import (
    Crashed,
    Healed,
    LadderProgress,
    NotHealed,
    Outcome,
    Refused,
    RetryLater,
    RungName,
    Unknown,
    action_name,
)
from schemas.names import Code, Effect, StrategyName

_STRATEGY_NAMES: Final = frozenset(StrategyName)


def advance(before: LadderProgress, rung: RungName, effect: Effect | None, outcome: Outcome) -> LadderProgress | None:
    """Return the ladder progress after an attempt; None where it is unchanged.

    `effect` is that of the attempt's own plan, None where it is no longer known.
    """
    holds_key = LadderProgress(attempts=before.attempts, exhausted=before.exhausted, in_doubt=rung)
    match outcome:
        case RetryLater(effect_in_doubt=True):
            return holds_key
        case Healed():
            # Opened again, it is healed under this key alone: another rung has its own, and would repeat the effect.
            return holds_key if effect is Effect.KEYED else None
        # A wait, missing credits, or a person's decision against it say nothing about the strategy; a question neither.
        case (
            RetryLater()
            | Refused(
                code=Code.INSUFFICIENT_CREDITS | Code.DENIED | Code.SHADOW | Code.AWAITING_APPROVAL | Code.UNANSWERED
            )
        ):
            return _note_payable(before, outcome)
        case Refused():
            return LadderProgress(
                attempts=before.attempts,
                exhausted=before.exhausted | {rung},
                in_doubt=before.in_doubt,
            )
        case Crashed() | Unknown():
            return _count_attempt(before, rung, rung if isinstance(outcome, Unknown) else before.in_doubt)
        case NotHealed(code=code):
            # An idempotency key stays in use while its outcome is unknown, and another rung does not carry it.
            in_doubt = code is Code.UNVERIFIED and effect is Effect.KEYED
            return _count_attempt(before, rung, rung if in_doubt else None)


def _note_payable(before: LadderProgress, outcome: RetryLater | Refused) -> LadderProgress | None:
    """Remember what the wallet could pay, for the very next plan: after that it is asked from the foot again."""
    refused = outcome.payable if isinstance(outcome, Refused) else {}
    # Of two budgets that have both refused both are remembered: else the rungs of one would ask the other for ever.
    payable = {**before.payable, **refused} if refused else {}
    return None if payable == before.payable else replace(before, payable=payable)


def doubtful_rung(progress: LadderProgress) -> RungName | None:
    """Return the rung that may have made an effect; None where none has, or a newer release knows it alone."""
    if progress.in_doubt in _STRATEGY_NAMES:
        return StrategyName(progress.in_doubt)
    return action_name(progress.in_doubt) if progress.in_doubt is not None else None


def is_exhausted(after: LadderProgress, rung: RungName, policy: WorkflowPolicy) -> bool:
    """Return whether a rung may not be tried any more for this failure, whatever its own limits say."""
    limit = policy.limits_of(rung).attempts
    return rung in after.exhausted or (limit is not None and after.attempts.get(rung, 0) >= limit)


def _count_attempt(before: LadderProgress, rung: RungName, in_doubt: str | None) -> LadderProgress:
    made = before.attempts.get(rung, 0) + 1
    return LadderProgress(attempts={**before.attempts, rung: made}, exhausted=before.exhausted, in_doubt=in_doubt)
