"""What one heal holds, and gives back while it only waits: the room and the probe of its dependency, and its slot.

A heal may wait for minutes in its window (a back-off, the quiet time before it reads back, a Retry-After). Its claim
keeps its scope all that time; what others could use meanwhile it gives back.
"""

from collections.abc import AsyncIterator
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
    health: Health | None
    """Its dependency, as a report that tells nothing yet; None without one."""

    @property
    def is_probe(self) -> bool:
        """Whether it probes an open breaker, still."""
        return self.health is not None and self.health.probe

    @asynccontextmanager
    async def given_back(self, dependency_unhealthy: bool) -> AsyncIterator[None]:
        """Hold nothing while it is entered; at its end the heal waits for a slot, as long as its window lasts."""
        if (health := self.health) is None:
            async with self.live.idle(self.attempt_id):
                yield
            return
        self.health = self.dependencies.idle(health, unhealthy=dependency_unhealthy)
        try:
            async with self.live.idle(self.attempt_id):
                yield
        finally:
            self.dependencies.busy(health.key)
