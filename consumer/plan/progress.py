"""Ladder progress: which strategies were tried, exhausted or left in doubt, as an attempt changes it. Pure."""

from dataclasses import replace

from consumer.catalog import WorkflowPolicy
from consumer.model import Crashed, Healed, LadderProgress, NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Effect, StrategyName


def advance(
    before: LadderProgress, strategy: StrategyName, effect: Effect | None, outcome: Outcome
) -> LadderProgress | None:
    """Return the ladder progress after an attempt; None where it is unchanged.

    `effect` is that of the attempt's own plan, None where it is no longer known.
    """
    holds_key = LadderProgress(attempts=before.attempts, exhausted=before.exhausted, in_doubt=strategy)
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
                exhausted=before.exhausted | {strategy},
                in_doubt=before.in_doubt,
            )
        case Crashed() | Unknown():
            return _count_attempt(before, strategy, strategy if isinstance(outcome, Unknown) else before.in_doubt)
        case NotHealed(code=code):
            # An idempotency key stays in use while its outcome is unknown, and another rung does not carry it.
            in_doubt = code is Code.UNVERIFIED and effect is Effect.KEYED
            return _count_attempt(before, strategy, strategy if in_doubt else None)


def _note_payable(before: LadderProgress, outcome: RetryLater | Refused) -> LadderProgress | None:
    """Remember what the wallet could pay, for the very next plan: after that it is asked from the foot again."""
    refused = outcome.payable if isinstance(outcome, Refused) else {}
    # Of two budgets that have both refused both are remembered: else the rungs of one would ask the other for ever.
    payable = {**before.payable, **refused} if refused else {}
    return None if payable == before.payable else replace(before, payable=payable)


def is_exhausted(after: LadderProgress, strategy: StrategyName, policy: WorkflowPolicy) -> bool:
    """Return whether a strategy may not be tried any more for this failure, whatever its own limits say."""
    limit = policy.limits_of(strategy).attempts
    return strategy in after.exhausted or (limit is not None and after.attempts.get(strategy, 0) >= limit)


def _count_attempt(before: LadderProgress, strategy: StrategyName, in_doubt: str | None) -> LadderProgress:
    made = before.attempts.get(strategy, 0) + 1
    return LadderProgress(attempts={**before.attempts, strategy: made}, exhausted=before.exhausted, in_doubt=in_doubt)
