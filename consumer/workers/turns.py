"""Shares a few children among many who wait: by turns among organisations, and never all children for one of them."""

import asyncio
from collections import Counter, deque
from collections.abc import Hashable
from datetime import timedelta

from consumer.errors import NoWorkerFree


class Turns:
    """Round-robin over keys, first come first served within one; a key holds at most `share` at once."""

    def __init__(self, places: int, *, share: int, what: str = "worker process") -> None:
        self._what = what
        self._free = places
        self._share = share
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """In the order of their turns: whose turn it was goes to the end."""

    async def take(self, key: Hashable, within: timedelta) -> None:
        """Wait for a place.

        Raises
        ------
        NoWorkerFree
            None came free in time.

        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self._grant()
        try:
            async with asyncio.timeout(within.total_seconds()):
                await turn
        except TimeoutError as error:
            self._leave(key, turn)
            msg = f"no {self._what} came free within {within.total_seconds():g} s"
            raise NoWorkerFree(msg) from error
        except BaseException:
            self._leave(key, turn)
            raise

    def give_back(self, key: Hashable) -> None:
        """Give a place back."""
        self._free += 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
        self._grant()

    def _leave(self, key: Hashable, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():  # it was granted in the same moment
            self.give_back(key)
            return
        waiting = self._waiting.get(key)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[key]

    def _grant(self) -> None:
        while self._free:
            keys = [one for one in self._waiting if self._held[one] < self._share][:1]
            if not keys:
                return
            [key] = keys
            waiting = self._waiting.pop(key)
            turn = waiting.popleft()
            if waiting:
                self._waiting[key] = waiting
            if not turn.done():
                self._free -= 1
                self._held[key] += 1
                turn.set_result(None)
