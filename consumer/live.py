"""The heals that this process has under way, and the slots that they take."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from consumer.model import AttemptId

UNSETTLED: Final = 2
"""Ended heals that may wait to be settled, in slots: the next batch is taken in while the last one is settled."""


@dataclass(slots=True)
class LiveHeals:
    """Heals by attempt: each takes a slot until it has ended, and is known here until its settle is durable."""

    slots: int
    _since: dict[AttemptId, float] = field(default_factory=dict)
    _unstarted: set[AttemptId] = field(default_factory=set)
    _settling: set[AttemptId] = field(default_factory=set)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, attempt_id: AttemptId) -> bool:
        """Take a slot; False when this attempt has one already."""
        if attempt_id in self._since:
            return False
        self._since[attempt_id] = time.monotonic()
        self._unstarted.add(attempt_id)
        return True

    def effect_started(self, attempt_id: AttemptId) -> None:
        """Note that an effect of this heal may have left the process."""
        self._unstarted.discard(attempt_id)

    def settling(self, attempt_id: AttemptId) -> None:
        """Note that a heal has ended, and waits for its settle."""
        self._settling.add(attempt_id)
        self._freed.set()

    def end(self, attempt_ids: Iterable[AttemptId]) -> None:
        """Free slots."""
        for attempt_id in attempt_ids:
            self._since.pop(attempt_id, None)
            self._unstarted.discard(attempt_id)
            self._settling.discard(attempt_id)
        self._freed.set()

    def __len__(self) -> int:
        return len(self._since)

    def ids(self) -> tuple[AttemptId, ...]:
        """Give all attempts under way."""
        return tuple(self._since)

    def unstarted(self) -> tuple[AttemptId, ...]:
        """Give those of which no effect has begun: another process may do them at once."""
        return tuple(self._unstarted)

    def free(self, reserve: int = 0) -> int:
        """Give the free slots beyond a reserve; none while too many ended heals wait for the database."""
        if len(self._settling) >= UNSETTLED * self.slots:
            return 0
        return max(0, self.slots - reserve - (len(self._since) - len(self._settling)))

    def oldest(self) -> timedelta:
        """Give the age of the longest heal under way; zero when there is none."""
        if not self._since:
            return timedelta(0)
        # Slots are taken in order of time and a dict keeps it: the first is the oldest.
        return timedelta(seconds=time.monotonic() - next(iter(self._since.values())))

    async def wait_for_free(self, wanted: int, reserve: int, stalled_after: timedelta, at_most: timedelta) -> int:
        """Wait for slots as long as some are about to be free; give how many are then, at most what is wanted.

        Ends when for `stalled_after` none was freed and none is being settled, and after `at_most` whatever happens.
        """
        deadline = time.monotonic() + at_most.total_seconds()
        while self.free(reserve) < wanted and (left := deadline - time.monotonic()) > 0:
            self._freed.clear()
            try:
                async with asyncio.timeout(min(left, stalled_after.total_seconds())):
                    await self._freed.wait()
            except TimeoutError:
                if not self._settling:
                    break
        return min(self.free(reserve), wanted)
