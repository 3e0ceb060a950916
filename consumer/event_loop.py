"""Waiting for an event, but not for ever; resting after failures; letting others go on in a long piece of work."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from random import random
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")

A_TURN: Final = 64
"""Items of a batch that are worked on before the event loop turns, some milliseconds. A batch in one piece would hold
up each answer of the database to everybody else: a transaction of seven round trips waits seven times."""


async def wait_for_event(event: asyncio.Event, within: timedelta) -> bool:
    """Wait for an event, at most so long; tell whether it came."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def yielding_to_loop(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    """Give the items of a batch one by one, and let the event loop turn once in a while."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % A_TURN == 0:
            await asyncio.sleep(0)


def jittered(span: timedelta) -> timedelta:
    """Give between half a span and the whole, so that replicas do not act in step."""
    return span * (0.5 + random() / 2)  # noqa: S311 - jitter


@dataclass(slots=True, kw_only=True)
class BackOff:
    """Exponential back-off: each failure in a row doubles the rest before the next try, up to the longest.

    Jittered between half and the whole, so that replicas do not try in step.
    """

    first: timedelta
    longest: timedelta
    failures: int = 0
    """In a row."""
    _until: float = 0.0

    def failed(self) -> None:
        """Count a failure, and begin to rest."""
        doubled = self.first * 2.0 ** min(self.failures, 30)
        self.failures += 1
        self._until = time.monotonic() + jittered(min(doubled, self.longest)).total_seconds()

    def succeeded(self) -> None:
        """End the rest; the next failure is the first one again."""
        self.failures, self._until = 0, 0.0

    def rest(self) -> timedelta:
        """Give what remains of the rest; zero or less: it is time to try."""
        return timedelta(seconds=self._until - time.monotonic()) if self.failures else timedelta(0)

    @property
    def rests(self) -> bool:
        """Whether it is too early to try."""
        return self.rest() > timedelta(0)
