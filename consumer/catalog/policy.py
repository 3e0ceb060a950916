"""What may be done for one workflow."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, model_validator

from consumer.catalog.access import Host
from consumer.catalog.declared import Declared
from consumer.catalog.ladder import UNLIMITED, Ladders, RungLimits, Rungs, contradictions
from consumer.catalog.limits import AutoRetryLimits, Brake, SameLimit, micro_aud
from consumer.catalog.repair import SchemaAutofixLimits
from consumer.model import MicroAud
from schemas.names import StrategyName


class WorkflowPolicy(Declared):
    """What may be done for the workflows whose name matches; the first match counts."""

    name: str
    """A workflow's name, or a pattern with `*` and `?`."""
    hosts: tuple[Host, ...] = ()
    secrets: tuple[str, ...] = ()
    runner: str | None = None
    """The engine that runs it, by its name under `runners`; without one no run is touched."""
    strategies: tuple[StrategyName, ...] | None = None
    """Only these may act; None allows all that are installed."""
    ladders: Ladders = Field(default_factory=dict)
    """In which order strategies are tried, by failure type; the healer's own order for those that are not named."""
    rungs: Rungs = Field(default_factory=dict)
    """How far each strategy may go for one failure."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Attempts that act, over the failure's whole life."""
    lifetime_attempts: Annotated[int, Field(ge=1, le=1000)] = 20
    """The same when heals were asked for in between, which begin `attempts` anew."""
    same: SameLimit | None = None
    """No limit unless one is declared: a broken dependency is the breaker's to notice, money the wallet's."""
    brake: Brake | None = None
    """No brake unless one is declared: only its operator knows how many runs a workflow has."""
    backoff: timedelta = timedelta(seconds=5)
    """Before the second attempt; doubles each time, with jitter, up to `backoff_cap`."""
    backoff_cap: timedelta = timedelta(minutes=10)
    max_age: timedelta = timedelta(hours=24)
    """A failure detected longer ago is not worth healing: its world has moved on."""
    auto_retry: AutoRetryLimits = AutoRetryLimits()
    schema_autofix: SchemaAutofixLimits = SchemaAutofixLimits()
    allowance_aud: Decimal = Decimal("0.05")
    """The most that one attempt may hold of its organisation's wallet, from before it starts until it ends."""

    @cached_property
    def allowances(self) -> Mapping[StrategyName, MicroAud]:
        """The most credits that one attempt of each strategy may hold."""
        declared = {strategy: self.limits_of(strategy).allowance_aud for strategy in StrategyName}
        return {one: micro_aud(self.allowance_aud if own is None else own) for one, own in declared.items()}

    def limits_of(self, strategy: StrategyName) -> RungLimits:
        """Give what is declared for one rung."""
        return self.rungs.get(strategy, UNLIMITED)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        contradictions(self.ladders, self.rungs, self.strategies, self.attempts)
        return self
