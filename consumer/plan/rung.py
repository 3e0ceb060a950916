"""What the plan has to know of a strategy: the pure half of its contract."""

from typing import Protocol

from consumer.catalog import WorkflowPolicy
from consumer.model import Diagnosis, Failure, Intent
from schemas.names import StrategyName


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

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """What it would do; asked only of a failure that lacks nothing and is not refused."""
        ...
