"""What may be done for one workflow."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from consumer.catalog.access import Host
from consumer.catalog.declared import Declared
from consumer.catalog.limits import AutoRetryLimits, Brake, SameLimit
from schemas.names import StrategyName


class WorkflowPolicy(Declared):
    """What may be done for the workflows whose name matches; the first match counts."""

    name: str
    """A workflow's name, or a pattern with `*` and `?`."""
    hosts: tuple[Host, ...] = ()
    secrets: tuple[str, ...] = ()
    strategies: tuple[StrategyName, ...] | None = None
    """Only these may act; None allows all that are installed."""
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
    allowance_aud: Decimal = Decimal("0.05")
    """What the organisation's wallet must be able to pay before a heal starts; held until it ends."""
