"""Batches whose reading takes long: each is read beside the polls, while its partitions alone are paused.

A partition that has such a batch is not read on before that batch is handed on, so that the order within it stays; the
other partitions go on. A member that waited instead would not poll, and the group would take it for dead.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from consumer.model import Partition

SpanT = TypeVar("SpanT")

AT_ONCE: Final = 8
"""Partitions that are read beside the polls; beyond it the whole intake pauses."""


@dataclass(slots=True)
class SlowSpans(Generic[SpanT]):
    """The batches that are being read, each with the partitions that wait for it."""

    _reading: dict[asyncio.Future[SpanT], frozenset[Partition]] = field(default_factory=dict)

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions that have to stay paused."""
        return frozenset().union(*self._reading.values())

    @property
    def is_full(self) -> bool:
        """Whether no further partition may have such a batch."""
        return len(self.partitions) >= AT_ONCE

    def begin(self, reading: Awaitable[SpanT], partitions: frozenset[Partition]) -> None:
        """Begin to read a batch."""
        self._reading[asyncio.ensure_future(reading)] = partitions

    def ended(self) -> Iterator[tuple[SpanT, frozenset[Partition]]]:
        """Yield what has been read, in order within each partition; raises what reading raised."""
        behind: set[Partition] = set()
        for one, partitions in list(self._reading.items()):
            if one.done() and behind.isdisjoint(partitions):
                del self._reading[one]
                yield one.result(), partitions
            else:
                behind |= partitions

    async def stop(self) -> None:
        """Give up what is being read: it is not durable, and is delivered again."""
        for one in self._reading:
            one.cancel()
        for one in self._reading:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([one])
        self._reading.clear()
