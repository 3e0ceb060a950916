"""Positions up to which records were handed on: what the client drained beyond them was lost, and is read again.

A poll drains partition after partition, and each one's position moves as it is drained. When a later one raises, or the
poll is cancelled, the records of the earlier ones are dropped, and their positions stay where they had moved to. So the
positions that count are kept here: those after the last poll that succeeded. They lie behind the last record where a
transaction marker or a compacted stretch follows it: a commit of them leaves no gap and no lag.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from consumer.errors import TransientError
from consumer.kafka import aiokafka_internals

Committed = Callable[[Iterable[Any]], Awaitable[Mapping[Any, int]]]
"""Returns the group's committed offsets, for the partitions that have a valid one."""

STARTED_OVER_WITHIN: Final = 5.0
"""Timeout in seconds for asking the group and the broker where partitions are to be read from."""


class Positions:
    """The positions of one consumer, reset with each assignment."""

    def __init__(self, consumer: Any, begins: Mapping[Any, int] | Committed) -> None:  # noqa: ANN401 - no types
        """`begins`: the start offsets of a consumer without a group, or what returns the offsets of its group."""
        self._consumer = consumer
        self._committed = begins if callable(begins) else None
        self._assignment: object = aiokafka_internals.assignment(consumer)
        self._next_offsets: dict[Any, int] = {} if callable(begins) else dict(begins)
        self._doubtful: set[Any] = set()
        """Partitions whose position may be wrong, with no earlier poll that succeeded."""
        self._stale: set[Any] = set()

    def of(self, tp: Any) -> int | None:  # noqa: ANN401
        """Return the next offset of a partition; None where no poll has succeeded since it was assigned."""
        return self._next_offsets.get(tp) if self._is_current() or not self._committed else None

    def astray(self, to_drop: Iterable[Any] = ()) -> None:
        """Record that a poll failed; the client's buffered records of `to_drop` are of no use."""
        self._renew_assignment()
        self._stale.update(to_drop)
        if self._committed:
            self._doubtful |= aiokafka_internals.assigned(self._consumer) - self._next_offsets.keys()

    async def put_right(self, apart: Iterable[Any] = ()) -> None:
        """Before a poll: seek back to where records were handed on, except in the partitions that are read otherwise.

        Raises
        ------
        TransientError
            The group did not answer where a partition is to be read from.

        """
        self._renew_assignment()
        if self._doubtful and self._committed:
            await self._reset(self._committed)
        back = {
            tp: handed_on
            for tp, position in aiokafka_internals.positions(self._consumer).items()
            if (handed_on := self._next_offsets.get(tp)) is not None and (position != handed_on or tp in self._stale)
        }
        for tp in back.keys() - set(apart):
            self._consumer.seek(tp, back[tp])
        self._stale.clear()

    def settle(self, apart: Mapping[Any, int]) -> dict[Any, int]:
        """After a poll that succeeded: return the next offsets of the partitions that have moved, or are new.

        `apart` holds the positions of those that are read otherwise. Awaits nothing: the drained records are in hand.
        """
        self._renew_assignment()
        now = aiokafka_internals.positions(self._consumer) | dict(apart)
        moved = {tp: position for tp, position in now.items() if self._next_offsets.get(tp) != position}
        self._next_offsets |= moved
        return moved

    def _is_current(self) -> bool:
        return self._assignment is aiokafka_internals.assignment(self._consumer)

    def _renew_assignment(self) -> None:
        if not self._is_current():
            self._assignment = aiokafka_internals.assignment(self._consumer)
            if self._committed:
                self._next_offsets.clear()
            self._doubtful.clear()
            self._stale.clear()

    async def _reset(self, offsets: Committed) -> None:
        """Seek partitions with a wrong position to their committed offsets, or to the beginning where there is none."""
        assignment, astray = self._assignment, tuple(self._doubtful)
        try:
            async with asyncio.timeout(STARTED_OVER_WITHIN):
                committed = await offsets(astray)
                if assignment is not aiokafka_internals.assignment(self._consumer):
                    return
                for tp, offset in committed.items():
                    self._consumer.seek(tp, offset)
                if rest := [tp for tp in astray if tp not in committed]:
                    await self._consumer.seek_to_beginning(*rest)
        except TimeoutError as error:
            raise TransientError("it does not show where partitions are to be read from") from error
        if assignment is aiokafka_internals.assignment(self._consumer):
            now = aiokafka_internals.positions(self._consumer)
            self._next_offsets |= {tp: now[tp] for tp in astray if tp in now}
            self._doubtful.difference_update(astray)
