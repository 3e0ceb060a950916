"""The time by which failures are judged: the database's, as far as this process knows it.

Due times, leases and the ages of failures stand in the database by its clock. A host whose clock is two days ahead
would find every fresh failure too old to heal, and give it up for good; so the host's clock only carries the
database's on from one reading to the next.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

TOLERATED: Final = timedelta(seconds=2)
"""A difference that needs no telling: below it synchronised clocks and slow answers cannot be told apart."""


@dataclass(slots=True)
class Clock:
    """The database's time, from the host's clock and the last known difference."""

    skew: timedelta = timedelta(0)
    """How far the host's clock is ahead."""

    def now(self) -> datetime:
        """Give the database's time, as this process knows it."""
        return datetime.now(UTC) - self.skew

    def compare(self, sent: datetime, database: datetime, answered: datetime) -> timedelta:
        """Learn from one answer of the database, asked and answered at these times of the host; gives the change.

        The database read its clock somewhere between the two, so an answer tells the skew to half its own duration.
        """
        before, uncertain = self.skew, abs(answered - sent) / 2
        found = sent + (answered - sent) / 2 - database
        if abs(found - before) > uncertain:
            self.skew = found
        return self.skew - before
