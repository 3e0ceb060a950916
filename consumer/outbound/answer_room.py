"""Bounds what is held of answers in sum, fairly among organisations: a long body waits for its room before it is read.

Most answers are short and are read at once. Beyond `SHORT` a body takes room, in units of `UNIT`, for as long as its
heal may need it: until the heal's next call, or its end. Where no room comes free the heal comes again later.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Final
from uuid import UUID

from consumer.workers.turns import Turns

SHORT: Final = 64 * 1024
UNIT: Final = 4 * 1024 * 1024
WAIT: Final = timedelta(seconds=2)
"""Longest wait for room: well below the time of a call, which goes on meanwhile."""


class HeldRoom:
    """The room that one heal holds at present."""

    def __init__(self) -> None:
        self._held: list[tuple[Turns, UUID | None]] = []

    def add(self, turns: Turns, org_id: UUID | None) -> None:
        """Hold one more unit."""
        self._held.append((turns, org_id))

    def give_back(self) -> None:
        """Give back all that is held."""
        held, self._held = self._held, []
        for turns, org_id in held:
            turns.give_back(org_id)


_HELD: ContextVar[HeldRoom | None] = ContextVar("_HELD", default=None)


@contextmanager
def holding_answers() -> Iterator[None]:
    """Hold the room of a heal's answers until the block ends."""
    held = HeldRoom()
    token = _HELD.set(held)
    try:
        yield
    finally:
        _HELD.reset(token)
        held.give_back()


class AnswerRoom:
    """Room for the bodies of long answers; an organisation has half of it at most."""

    def __init__(self, max_bytes: int) -> None:
        units = max(2, max_bytes // UNIT)
        self._share = units // 2
        self._turns = Turns(units, share=self._share, what="room for a long answer")

    @contextmanager
    def call(self, org_id: UUID | None) -> Iterator["BodyRoom"]:
        """Begin a call; what the heal read before goes. Outside of a heal room is held in the block."""
        held = _HELD.get()
        room = BodyRoom(self._turns, org_id, held or HeldRoom(), self._share * UNIT)
        room.held.give_back()
        try:
            yield room
        finally:
            if held is None:
                room.held.give_back()


class BodyRoom:
    """The room of one body."""

    def __init__(self, turns: Turns, org_id: UUID | None, held: HeldRoom, largest: int) -> None:
        self._largest = largest
        """One body that is larger than an organisation's share counts as the share: it would wait for ever."""
        self._turns = turns
        self._org_id = org_id
        self.held = held
        self._room = SHORT

    async def fit(self, size: int) -> None:
        """Wait until there is room for so many bytes; raises NoWorkerFree where none comes free in time."""
        while size > self._room and self._room < self._largest:
            await self._turns.take(self._org_id, WAIT)
            self.held.add(self._turns, self._org_id)
            self._room = UNIT if self._room < UNIT else self._room + UNIT
        await asyncio.sleep(0)
