"""What one heal holds, and gives back while it only waits: the room and the probe of its dependency, and its slot.

A heal may wait for minutes in its window (a back-off, the quiet time before it reads back, a Retry-After). Its claim
keeps its scope all that time; what others could use meanwhile it gives back.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from consumer.flow_control.dependencies import Dependencies
from consumer.flow_control.slots import HealSlots
from consumer.model import AttemptId, Health


@dataclass(slots=True, kw_only=True)
class HeldByHeal:
    """The slot of one heal, the room that it takes of its dependency, and whether it is that one's probe."""

    live: HealSlots
    dependencies: Dependencies
    attempt_id: AttemptId
    healths: tuple[Health, ...]
    """Its dependencies, the first of which it retries: each as a report that tells nothing yet."""
    others: Mapping[str, bool]
    """Whether its last call to each of the others found it healthy."""

    @property
    def is_probe(self) -> bool:
        """Whether it probes an open breaker, still."""
        return any(health.probe for health in self.healths)

    def left(self, *, dependency_unhealthy: bool) -> None:
        """Give back rooms and probes for good: the heal is suspended, and its end says nothing more of them."""
        for place, health in enumerate(self.healths):
            unhealthy = self.others.get(health.dependency) is False if place else dependency_unhealthy
            self.dependencies.idle(health, unhealthy=unhealthy)
            self.dependencies.busy(health.key)
            self.dependencies.ended(health.key, healthy=None)

    @asynccontextmanager
    async def given_back(self, dependency_unhealthy: bool) -> AsyncIterator[None]:
        """Hold nothing while it is entered; at its end the heal waits for a slot, as long as its window lasts."""
        self.healths = tuple(
            self.dependencies.idle(
                health, unhealthy=self.others.get(health.dependency) is False if place else dependency_unhealthy
            )
            for place, health in enumerate(self.healths)
        )
        try:
            async with self.live.idle(self.attempt_id):
                yield
        finally:
            for health in self.healths:
                self.dependencies.busy(health.key)
