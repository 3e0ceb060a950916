"""Deadlines of heartbeats in the catalog: how long a run may be silent, by the step that it is at."""

from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from consumer.catalog.declared import Declared

Deadline = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=7))]


class HeartbeatRules(Declared):
    """How long a run may be silent before it counts as stalled."""

    deadline: Deadline | None = None
    """Of every step that is not listed; None: learnt from its own beats."""
    steps: Annotated[dict[str, Deadline], Field(max_length=1000)] = Field(default_factory=dict)
    """By a step's name, or a pattern with `*` and `?`; the first that matches counts."""
    learn: bool = True
    """Whether a step without a deadline gets one of three times its longest healthy gap."""

    def of(self, step: str | None) -> timedelta | None:
        """Return the declared deadline of a step, or None."""
        found = (limit for name, limit in self.steps.items() if step is not None and fnmatchcase(step, name))
        return next(found, self.deadline)
