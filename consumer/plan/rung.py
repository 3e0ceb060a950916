"""What the plan has to know of a strategy: the pure half of its contract."""

from datetime import timedelta
from typing import Protocol

from consumer.catalog import WorkflowPolicy
from consumer.model import Diagnosis, Failure, Scope
from schemas.names import Effect, StrategyName


class Rung(Protocol):
    """One strategy on the ladder, as the plan sees it. Every method is pure and quick, and reads only its arguments."""

    @property
    def name(self) -> StrategyName:
        """The strategy's name, the seed's letter by letter."""
        ...

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Dotted paths of the context fields without which it cannot act (`context.request.url`)."""
        ...

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Why it must not act on this failure, in words for its publisher or operator; None when it may."""
        ...

    def scope(self, failure: Failure) -> Scope:
        """What it would act on: at most one live claim per scope in the fleet. Starts with the organisation's id."""
        ...

    def effect(self, failure: Failure) -> Effect:
        """What acting twice would do, as the call's owner declares it."""
        ...

    def idempotency_key(self, failure: Failure) -> str | None:
        """The key of a keyed effect, the caller's own; None for every other effect."""
        ...

    def window(self, failure: Failure, policy: WorkflowPolicy) -> timedelta:
        """The longest time from its claim to the end of its last effect."""
        ...
