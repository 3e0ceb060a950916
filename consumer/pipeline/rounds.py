"""Where the rounds of resume stand: the cursors of what each round looks at a part of, and the timer of the refresh."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from consumer.model import FailureId, OrgId


@dataclass(slots=True)
class Rounds:
    """Cursors of what each round looks at a part of, and timer of the fleet refresh: once an interval."""

    every: timedelta
    after: OrgId | None = None
    """Of the picks: the organisation that was served last."""
    unserved: set[OrgId] = field(default_factory=set)
    """Organisations with something due of which the picks since the last refresh gave nothing."""
    told_after: datetime | None = None
    """Of the failures that wait for the outbox."""
    parked_after: FailureId | None = None
    """Of the parked claims."""
    suspended_after: OrgId | None = None
    """Of the organisations with suspended heals."""
    more_suspended: bool = False
    """Whether the last look gave as many as there was room for, or saw a part of the organisations alone."""
    _next_refresh: float = 0.0

    def soon(self) -> None:
        """Make the fleet refresh due at the next poll."""
        self._next_refresh = 0.0

    def is_due(self) -> bool:
        """Return True once an interval, when the fleet refresh is due."""
        now = time.monotonic()
        if now < self._next_refresh:
            return False
        self._next_refresh = now + self.every.total_seconds() * 0.7  # below the shortest wait between two polls
        return True
