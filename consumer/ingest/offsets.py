"""Committable offsets: each assignment has an epoch, which fences off the reads of an older one. Pure.

A partition is durable up to the first range that is not: what lies behind a range may be durable before it, and its
offset is committed with that range's.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumer.model import Partition

Epoch = int
_NO_EPOCH: Final = -1


@dataclass(slots=True, eq=False)
class ReadRange:
    """Records of one partition that were read together; durable once every batch that holds some of them is."""

    partition: Partition
    end: int
    """The offset after them."""
    batches: int = 0
    """Batches with some of them that are not durable yet."""
    epoch: Epoch = _NO_EPOCH
    """The assignment under which they were read; none where the partition was not assigned."""


@dataclass(slots=True)
class Epochs:
    """The present assignment, and how far each of its partitions is durable."""

    _epoch: Epoch = 0
    _since: dict[Partition, Epoch] = field(default_factory=dict)
    _open: dict[Partition, deque[ReadRange]] = field(default_factory=dict)
    _durable: dict[Partition, int] = field(default_factory=dict)
    _committed: dict[Partition, int] = field(default_factory=dict)

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Begin an epoch with these partitions; a partition that left and came back is another one."""
        self.revoke()
        self._epoch += 1
        self._since = dict.fromkeys(partitions, self._epoch)
        self._open = {partition: deque() for partition in self._since}

    def revoke(self) -> None:
        """End the epoch: batches that are still in flight commit nothing."""
        self._since.clear()
        self._open.clear()
        self._durable.clear()
        self._committed.clear()

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions of this member."""
        return frozenset(self._since)

    def read(self, one: ReadRange) -> None:
        """Record that a range has been read now; those of a partition in the order of their offsets."""
        one.epoch = self._since.get(one.partition, _NO_EPOCH)
        if one.epoch != _NO_EPOCH:
            self._open[one.partition].append(one)

    def is_current(self, one: ReadRange) -> bool:
        """Return whether a range still counts."""
        return self._since.get(one.partition) == one.epoch

    def durable(self, one: ReadRange) -> int | None:
        """Record that one more batch of a range is stored; returns below which offset all is, where that has moved."""
        one.batches -= 1
        if not self.is_current(one):
            return None
        waiting, end = self._open[one.partition], None
        while waiting and waiting[0].batches <= 0:
            end = waiting.popleft().end
        if end is not None:
            self._durable[one.partition] = end
        return end

    def to_commit(self) -> dict[Partition, int]:
        """Return the offsets that are durable and not yet committed."""
        return {tp: offset for tp, offset in self._durable.items() if self._committed.get(tp) != offset}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Record the offsets that the group has taken."""
        for partition, offset in offsets.items():
            if partition in self._since:
                self._committed[partition] = offset
