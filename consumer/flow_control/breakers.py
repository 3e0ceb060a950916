"""What ended heals say of their dependencies, on its way to the database, and what that decides, on its way back."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from consumer.flow_control.dependencies import Dependencies
from consumer.metrics import BreakerChange, Metrics
from consumer.model import Settlement
from consumer.settings import BreakerSettings
from consumer.store.breakers import Verdicts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakers:
    """Keeps what this process knows of dependencies in step with what the whole fleet has found out."""

    settings: BreakerSettings
    dependencies: Dependencies
    metrics: Metrics
    wake: Callable[[], None]
    """Called when failures that waited are due now."""

    def drop_redundant_health(self, settlement: Settlement) -> Settlement:
        """Leave out what the database need not be told: that something is well which nobody called ill or waits for."""
        health = settlement.health
        if health is None or self.dependencies.matters(health):
            return settlement
        return replace(settlement, health=None)

    def learn(self, verdicts: Verdicts, *, woken: int) -> None:
        """Take in what the database decided, and go on at once with who was waiting."""
        for key in verdicts.struck:
            self.dependencies.struck(key)
        for key in verdicts.opened:
            self.dependencies.mark_unhealthy(key)
            self.metrics.breaker_changes[BreakerChange.OPENED].inc()
            log.warning("breaker_opened", dependency=key)
        for key in verdicts.closed:
            self.dependencies.mark_healthy(key)
            self.metrics.breaker_changes[BreakerChange.CLOSED].inc()
            log.info("breaker_closed", dependency=key)
        if woken:
            self.wake()
        else:
            for key in verdicts.wake:
                self.dependencies.nobody_waits(key)
