"""Limits of route-repair in the catalog: when a run counts as standing still, and where its steps may go instead."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from consumer.catalog.declared import Declared

_Wait = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))]


class RouteRepairLimits(Declared):
    """When a run counts as standing still, and what may be done about it."""

    apart: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=30))] = timedelta(seconds=30)
    """Least time between the two looks that have to agree on a cause."""
    queued: _Wait = timedelta(minutes=5)
    """How long a step, or a run, may wait for a worker although there is one."""
    silent: _Wait = timedelta(minutes=5)
    """How old the last sign of life may be of what runs."""
    cancelling: _Wait = timedelta(minutes=5)
    """How long the end of a run that somebody ended may take."""
    wedged_after: Annotated[int, Field(ge=2, le=1000)] = 3
    """A step that has been begun so often, and once more between two looks, is wedged."""
    queues: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Queues whose workers can do the same, in order of preference, by the queue that may have none."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)
    """Timeout of one call to the run's engine."""
    ends: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=2))] = timedelta(seconds=30)
    """How long it may take until what was terminated is seen to have ended."""
    verify: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(minutes=1)
    """How long the run is watched after an order; one that goes on longer is looked at again later."""

    def elsewhere(self, queue: str | None) -> tuple[str, ...]:
        """Return the queues to which a step of this queue may be moved."""
        return () if queue is None else self.queues.get(queue, ())
