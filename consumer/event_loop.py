"""asyncio helpers: waiting for an event with a timeout, exponential back-off, cooperative yielding in long batches."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from random import random
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")

YIELD_EVERY: Final = 64
"""Items of a batch that are processed between two yields to the event loop, some milliseconds. A batch in one piece
would delay each answer of the database to every other task: a transaction of seven round trips waits seven times."""


async def wait_for_event(event: asyncio.Event, within: timedelta) -> bool:
    """Wait for an event with a timeout; return whether it was set."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def yielding_to_loop(items: Iterable[ItemT], every: int = YIELD_EVERY) -> AsyncIterator[ItemT]:
    """Iterate over a batch, and yield to the event loop after every so many items."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % every == 0:
            await asyncio.sleep(0)


def jittered(span: timedelta) -> timedelta:
    """Add jitter: return between half of a span and the whole, so that replicas do not act in step."""
    return span * (0.5 + random() / 2)  # noqa: S311 - jitter


@dataclass(slots=True, kw_only=True)
class BackOff:
    """Exponential back-off with jitter: each consecutive failure doubles the delay before the next try, to `longest`.

    The delay is jittered between half and the whole, so that replicas do not try in step.
    """

    first: timedelta
    longest: timedelta
    failures: int = 0
    """Consecutive failures."""
    _until: float = 0.0

    def failed(self) -> None:
        """Record a failure, and start the next delay."""
        doubled = self.first * 2.0 ** min(self.failures, 30)
        self.failures += 1
        self._until = time.monotonic() + jittered(min(doubled, self.longest)).total_seconds()

    def succeeded(self) -> None:
        """Reset the delay; the next failure counts as the first one again."""
        self.failures, self._until = 0, 0.0

    def rest(self) -> timedelta:
        """Return what remains of the delay; zero or less means that it is time to try."""
        return timedelta(seconds=self._until - time.monotonic()) if self.failures else timedelta(0)

    @property
    def rests(self) -> bool:
        """Whether the delay has not passed yet."""
        return self.rest() > timedelta(0)
