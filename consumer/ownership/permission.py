"""Permission to start an effect: a fresh reading of revoked claims, and a lease that no process can have taken over.

A decision, or a pause, is answered `NOTHING_STARTS_AFTER` its commit. By then every reading that was sent before the
commit is too old to start an effect by, and every later one names the claim that the decision revoked, or the pause. No
effect costs a round trip, and without the database none starts.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from consumer.model import AttemptId, Claim
from consumer.model.pause import HealingPause, pause_over
from schemas.value import value

READ_EVERY: Final = timedelta(seconds=0.5)
"""Interval at which revoked claims are read: three readings may fail before effects have to wait."""
FRESH_FOR: Final = timedelta(seconds=1.5)
"""How long after it was sent an answered reading permits effects."""
NOTHING_STARTS_AFTER: Final = timedelta(seconds=1.6)
"""Time after a decision's commit: `FRESH_FOR`, and a margin for two clocks that do not run quite alike."""


@value(frozen=True, slots=True)
class Moment:
    """One moment by both clocks: the monotonic one stands still while a virtual machine is suspended."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> "Moment":
        """Return the present moment."""
        return cls(time.monotonic(), time.time())

    def since(self, earlier: "Moment") -> float:
        """Return the seconds since an earlier moment, by the clock that shows more."""
        return max(self.monotonic - earlier.monotonic, self.wall - earlier.wall)


class Permission:
    """Whether effects may start in this process now."""

    def __init__(self, lease: timedelta) -> None:
        self._lease = lease.total_seconds()
        self._read_at: Moment | None = None
        self._renewed_at: Moment | None = None
        self._own_since = 0.0
        self._revoked: frozenset[AttemptId] = frozenset()
        self.pauses: Sequence[HealingPause] = ()
        """What is paused of the fleet, as of the last reading."""
        self._changed = asyncio.Event()

    def renewed(self, sent: Moment) -> None:
        """Record that a renewal of the lease, sent at this moment, was answered."""
        if self._renewed_at is None or sent.since(self._renewed_at) > self._lease:
            # Another process may have taken claims over meanwhile: earlier claims are checked in the database again.
            self._own_since = sent.monotonic
        self._renewed_at = sent
        self._changed.set()

    def read(self, sent: Moment, revoked: Iterable[AttemptId], pauses: Sequence[HealingPause] = ()) -> None:
        """Record the claims that a reading, sent at this moment, found revoked, and the pauses in force."""
        self._read_at, self._revoked, self.pauses = sent, frozenset(revoked), pauses
        self._changed.set()

    def is_fresh(self) -> bool:
        """Return whether effects may start at all: the reading is fresh, and the lease is this process's own."""
        if self._read_at is None or self._renewed_at is None:
            return False
        now = Moment.now()
        return now.since(self._read_at) <= FRESH_FOR.total_seconds() and now.since(self._renewed_at) <= self._lease

    def is_revoked(self, claim: Claim) -> bool:
        """Return whether a decision has revoked a claim, as of the last reading."""
        return claim.attempt_id in self._revoked

    def pause_over(self, claim: Claim) -> HealingPause | None:
        """Return the pause that reaches a claim's heal, as of the last reading, or None."""
        return pause_over(claim.place, self.pauses) if self.pauses else None

    def is_certain(self, seen_at: float) -> bool:
        """Return whether a claim that was this process's own at a monotonic time has been so ever since."""
        return seen_at >= self._own_since

    async def wait(self) -> None:
        """Wait until effects may start; the caller sets the timeout."""
        while not self.is_fresh():
            self._changed.clear()
            await self._changed.wait()
