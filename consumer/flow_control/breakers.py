"""Circuit breakers of dependencies: passes health reports of heals to the database, and applies its verdicts."""

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
    """Synchronises this process's view of its dependencies with the circuit breakers of the whole fleet."""

    settings: BreakerSettings
    dependencies: Dependencies
    metrics: Metrics
    wake: Callable[[], None]
    """Called when failures that waited are due now."""

    def drop_redundant_health(self, settlement: Settlement) -> Settlement:
        """Drop health reports that the database does not need: successes of dependencies without strikes or waiters."""
        health, others = settlement.health, settlement.other_healths
        if others:
            others = tuple(one for one in others if self.dependencies.matters(one))
        if health is not None and not self.dependencies.matters(health):
            health = None
        if health is settlement.health and len(others) == len(settlement.other_healths):
            return settlement
        return replace(settlement, health=health, other_healths=others)

    def learn(self, verdicts: Verdicts, *, woken: int, notes: int) -> None:
        """Apply what the database decided, and wake resume for failures that are due by it.

        `notes` is what that of the dependencies was when the transaction began.
        """
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
            self.dependencies.nobody_waits(verdicts.wake, notes)
