"""Failures whose heal a pause reaches: they wait for its end, in place of a slot, and nobody claims them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.flow_control.dependencies import Dependencies, dependency_gates
from consumer.model import Diagnosed, FailureId, Heal
from consumer.model.pause import HealingPause, pause_over, place_of


def pause_gates(diagnosed: Sequence[Diagnosed], pauses: Sequence[HealingPause]) -> dict[FailureId, str]:
    """Return the gate of the pause that reaches each planned heal; without a pause it costs nothing."""
    if not pauses:
        return {}
    over = ((one.failure.id, pause_over(place_of(one), pauses)) for one in diagnosed if isinstance(one.plan, Heal))
    return {failure_id: pause.gate for failure_id, pause in over if pause is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealGates:
    """What a planned heal may have to wait for before it is claimed: a pause, or one of its dependencies."""

    dependencies: Dependencies
    pauses: Callable[[], Sequence[HealingPause]]
    """What is paused of the fleet, as of the last reading."""

    def of(self, diagnosed: Sequence[Diagnosed]) -> dict[FailureId, str]:
        """Return the gate of each heal that has to wait for one."""
        paused = pause_gates(diagnosed, self.pauses())
        return dependency_gates([one for one in diagnosed if one.failure.id not in paused], self.dependencies) | paused
