"""Rendering of answers in turns: one at a time, in small steps, so that no answer holds up the heals beside it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

from consumer.errors import TransientError

Item = TypeVar("Item")
Shown = TypeVar("Shown")

WAIT_FOR_TURN: Final = timedelta(seconds=5)
SMALL: Final = 4096
"""Bytes up to which an item is rendered on the event loop: a millisecond or two. A larger one goes to a thread."""
STEP: Final = 0.002
"""Seconds of rendering after which the others have their turn."""
REST: Final = 3
"""How much longer than it took each step is followed by a rest: rendering takes a quarter of a processor at most."""


class NoTurn(TransientError):
    """What the API may use at once (connections, the turn to render) was taken for too long."""


@asynccontextmanager
async def take_turn(turns: asyncio.Semaphore, within: timedelta = WAIT_FOR_TURN) -> AsyncIterator[None]:
    """Hold one of the turns; raises NoTurn where none came free in time."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await turns.acquire()
    except TimeoutError:
        raise NoTurn("everything that the API may use at once is taken") from None
    try:
        yield
    finally:
        turns.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Renders what may be large, for one answer at a time."""

    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def each(
        self, items: Iterable[Item], show: Callable[[Item], Shown], size: Callable[[Item], int]
    ) -> list[Shown]:
        """Render items in order. `show` is pure; `size` is about how many bytes it has to read.

        A thread shares the interpreter with the loop, which gets its turn within a millisecond or five.
        """
        shown: list[Shown] = []
        async with take_turn(self._turns):
            spent = 0.0
            for item in items:
                began = time.perf_counter()
                shown.append(show(item) if size(item) <= SMALL else await asyncio.to_thread(show, item))
                spent += time.perf_counter() - began
                if spent > STEP:
                    await asyncio.sleep(spent * REST)
                    spent = 0.0
        return shown
