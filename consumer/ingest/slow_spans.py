"""Batches whose reading takes long: each is read beside the polls, and nobody waits for it.

What lies behind it in its partition is read, stored and healed meanwhile; only the partition's offset stays before it
until it is durable. A member that waited instead would delay whoever shares the partition, and the group would take it
for dead. What is read at once, and what is stored ahead of an offset, is bounded: beyond it the partitions wait.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from consumer.model import Partition

SpanT = TypeVar("SpanT")

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of slow batches beyond which their partitions are not read on; the whole intake pauses at twice as many."""
MAX_AHEAD: Final = 10_000
"""Records of a partition that may be stored ahead of its offset: after a crash they are delivered again."""


@dataclass(slots=True)
class SlowSpans(Generic[SpanT]):
    """The batches that are being read, each with its partition and its size in bytes."""

    _reading: dict[asyncio.Future[SpanT], tuple[frozenset[Partition], int]] = field(default_factory=dict)
    _ahead: Counter[Partition] = field(default_factory=Counter)

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions of which a batch is being read: their offsets stand."""
        return frozenset().union(*(partitions for partitions, _ in self._reading.values()))

    @property
    def held(self) -> frozenset[Partition]:
        """The partitions that have to wait until something has been read."""
        behind = self.partitions
        return behind if self._bytes > MAX_BYTES else frozenset(one for one in behind if self._ahead[one] > MAX_AHEAD)

    @property
    def is_full(self) -> bool:
        """Whether no partition may have one more such batch."""
        return self._bytes > 2 * MAX_BYTES

    @property
    def _bytes(self) -> int:
        return sum(size for _, size in self._reading.values())

    def begin(self, reading: Awaitable[SpanT], partitions: frozenset[Partition], size: int) -> None:
        """Begin to read a batch."""
        self._reading[asyncio.ensure_future(reading)] = partitions, size

    def polled(self, partitions: Iterable[tuple[Partition, int]]) -> None:
        """Record how many records of each partition a poll gave: they are read ahead of what is still being read."""
        if self._reading:
            self._ahead.update(dict(partitions))

    def ended(self) -> Iterator[SpanT]:
        """Yield what has been read; raises what reading raised."""
        for one in [one for one in self._reading if one.done()]:
            del self._reading[one]
            yield one.result()
        for partition in self._ahead.keys() - self.partitions:
            del self._ahead[partition]

    async def stop(self) -> None:
        """Give up what is being read: it is not durable, and is delivered again."""
        for one in self._reading:
            one.cancel()
        for one in self._reading:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([one])
        self._reading.clear()
