"""How far an attempt brings its failure on the ladder. Pure."""

from consumer.catalog import WorkflowPolicy
from consumer.model import Climbed, Crashed, Healed, NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Effect, StrategyName


def climbed(before: Climbed, strategy: StrategyName, effect: Effect | None, outcome: Outcome) -> Climbed | None:
    """Give what the ladder remembers after an attempt; None where it is what it was before.

    `effect` is that of the attempt's own plan, None where it is not known any more.
    """
    match outcome:
        case RetryLater(unsure=True):
            return Climbed(attempts=before.attempts, spent=before.spent, unsure=strategy)
        # Who decided against it said nothing of the strategy.
        case Healed() | RetryLater() | Refused(code=Code.INSUFFICIENT_CREDITS | Code.DENIED):
            return None
        case Refused():
            return Climbed(attempts=before.attempts, spent=before.spent | {strategy}, unsure=before.unsure)
        case Crashed():
            return _tried(before, strategy, before.unsure)
        case Unknown():
            return _tried(before, strategy, strategy)
        case NotHealed(code=code):
            # A key stays while its outcome is unknown, and another rung does not carry it.
            in_doubt = code is Code.UNVERIFIED and effect is Effect.KEYED
            return _tried(before, strategy, strategy if in_doubt else None)


def is_spent(after: Climbed, strategy: StrategyName, policy: WorkflowPolicy) -> bool:
    """Tell whether a strategy may not be tried any more for this failure, whatever its own limits say."""
    limit = policy.limits_of(strategy).attempts
    return strategy in after.spent or (limit is not None and after.attempts.get(strategy, 0) >= limit)


def _tried(before: Climbed, strategy: StrategyName, unsure: str | None) -> Climbed:
    made = before.attempts.get(strategy, 0) + 1
    return Climbed(attempts={**before.attempts, strategy: made}, spent=before.spent, unsure=unsure)
