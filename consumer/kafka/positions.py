"""How far each partition was handed on: what the client says beyond it was read and lost, and is read again.

A poll drains partition after partition, and each one's position moves as it is drained. When a later one raises, or the
poll is cancelled, what came of the earlier ones is dropped, and their positions stay where they were left. So the
positions that count are kept here: those that the last poll which ended well left behind. They lie behind the last
record where a transaction's marker or a compacted stretch follows it: what is committed leaves no gap and no lag.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from consumer.errors import TransientError
from consumer.kafka import aiokafka_internals

Committed = Callable[[Iterable[Any]], Awaitable[Mapping[Any, int]]]
"""Gives the group's offsets, of those partitions that have one that counts."""

STARTED_OVER_WITHIN: Final = 5.0
"""Seconds for asking the group and the broker where partitions are to be read from."""


class Positions:
    """The positions of one consumer, anew with each assignment."""

    def __init__(self, consumer: Any, begins: Mapping[Any, int] | Committed) -> None:  # noqa: ANN401 - no types
        """`begins`: where a consumer without a group reads from, or what gives the offsets of its group."""
        self._consumer = consumer
        self._committed = begins if callable(begins) else None
        self._assignment: object = aiokafka_internals.assignment(consumer)
        self._handed_on: dict[Any, int] = {} if callable(begins) else dict(begins)
        self._astray: set[Any] = set()
        """Those whose position may be wrong, with no poll before that ended well."""
        self._to_drop: set[Any] = set()

    def of(self, tp: Any) -> int | None:  # noqa: ANN401
        """Give where a partition is read on; None where no poll has ended well since it was assigned."""
        return self._handed_on.get(tp) if self._is_current() or not self._committed else None

    def astray(self, to_drop: Iterable[Any] = ()) -> None:
        """Note that a poll did not end well; what the client holds of `to_drop` is of no use."""
        self._renew()
        self._to_drop.update(to_drop)
        if self._committed:
            self._astray |= aiokafka_internals.assigned(self._consumer) - self._handed_on.keys()

    async def put_right(self, apart: Iterable[Any] = ()) -> None:
        """Before a poll: go back to where records were handed on, save those partitions that are read otherwise.

        Raises
        ------
        TransientError
            The group did not say where a partition is to be read from.

        """
        self._renew()
        if self._astray and self._committed:
            await self._start_over(self._committed)
        back = {
            tp: handed_on
            for tp, position in aiokafka_internals.positions(self._consumer).items()
            if (handed_on := self._handed_on.get(tp)) is not None and (position != handed_on or tp in self._to_drop)
        }
        for tp in back.keys() - set(apart):
            self._consumer.seek(tp, back[tp])
        self._to_drop.clear()
        if back:
            free_half_read()

    def settle(self, apart: Mapping[Any, int]) -> dict[Any, int]:
        """After a poll that ended well: give where the partitions that have moved, or are new, are read on.

        `apart` gives the positions of those that are read otherwise. Waits for nothing: what was drained is in hand.
        """
        self._renew()
        now = aiokafka_internals.positions(self._consumer) | dict(apart)
        moved = {tp: position for tp, position in now.items() if self._handed_on.get(tp) != position}
        self._handed_on |= moved
        return moved

    def _is_current(self) -> bool:
        return self._assignment is aiokafka_internals.assignment(self._consumer)

    def _renew(self) -> None:
        if not self._is_current():
            self._assignment = aiokafka_internals.assignment(self._consumer)
            if self._committed:
                self._handed_on.clear()
            self._astray.clear()
            self._to_drop.clear()

    async def _start_over(self, offsets: Committed) -> None:
        """Read those that are astray from their committed offsets on, or from their beginning where there is none."""
        assignment, astray = self._assignment, tuple(self._astray)
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
            self._handed_on |= {tp: now[tp] for tp in astray if tp in now}
            self._astray.difference_update(astray)


def free_half_read() -> None:
    """Free what the client fetched and dropped half read: at a pause, a rebalance, or a poll that raised.

    It is a cycle around megabytes of bytes, and the collector, calmed as it is (`service/app.py`), may be hours away.
    """
    gc.collect()
