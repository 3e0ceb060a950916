"""Committable offsets: each assignment has an epoch, which fences off the reads of an older one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from consumer.model import Partition

Epoch = int


@dataclass(slots=True)
class Epochs:
    """The present assignment, and how far each of its partitions is durable."""

    _epoch: Epoch = 0
    _since: dict[Partition, Epoch] = field(default_factory=dict)
    _durable: dict[Partition, int] = field(default_factory=dict)
    _committed: dict[Partition, int] = field(default_factory=dict)

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Begin an epoch with these partitions; a partition that left and came back is another one."""
        self._epoch += 1
        self._since = dict.fromkeys(partitions, self._epoch)
        self._durable.clear()
        self._committed.clear()

    def revoke(self) -> None:
        """End the epoch: batches that are still in flight commit nothing."""
        self._since.clear()
        self._durable.clear()
        self._committed.clear()

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions of this member."""
        return frozenset(self._since)

    def stamp(self, partition: Partition) -> Epoch | None:
        """Return the epoch under which a partition is read now; None when it is not assigned to this member."""
        return self._since.get(partition)

    def is_current(self, partition: Partition, epoch: Epoch) -> bool:
        """Return whether records that were read under an epoch still count."""
        return self._since.get(partition) == epoch

    def durable(self, partition: Partition, epoch: Epoch, next_offset: int) -> None:
        """Record that everything below an offset is stored."""
        if self.is_current(partition, epoch):
            self._durable[partition] = max(next_offset, self._durable.get(partition, 0))

    def to_commit(self) -> dict[Partition, int]:
        """Return the offsets that are durable and not yet committed."""
        return {tp: offset for tp, offset in self._durable.items() if self._committed.get(tp) != offset}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Record the offsets that the group has taken."""
        for partition, offset in offsets.items():
            if partition in self._since:
                self._committed[partition] = offset
