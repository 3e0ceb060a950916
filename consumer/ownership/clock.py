"""The database's clock, as far as this process knows it: due times and ages are judged by it, not by the host's.

Due times, leases and the ages of failures are stored by the database's clock. A host whose clock is two days ahead
would find every fresh failure too old to heal, and give it up for good; so the host's clock only carries the
database's on from one reading to the next.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_SKEW: Final = timedelta(seconds=2)
"""Clock skew that is not reported: below it synchronised clocks and slow answers cannot be told apart."""


@dataclass(slots=True)
class Clock:
    """The database's time, from the host's clock and the last known skew."""

    skew: timedelta = timedelta(0)
    """How far the host's clock is ahead."""

    def now(self) -> datetime:
        """Return the database's time, as this process knows it."""
        return datetime.now(UTC) - self.skew

    def compare(self, sent: datetime, database: datetime, answered: datetime) -> timedelta:
        """Update the skew from one answer of the database, asked and answered at these host times; returns the change.

        The database read its clock somewhere between the two, so an answer gives the skew to half its own duration.
        """
        before, uncertain = self.skew, abs(answered - sent) / 2
        found = sent + (answered - sent) / 2 - database
        if abs(found - before) > uncertain:
            self.skew = found
        return self.skew - before
