"""How far each partition of the heartbeats is read: absence counts only up to there. Pure.

A mark is set by asking the broker for a partition's end: what lay before that end was there when it was asked. Once
the position has come to it, everything was read that the partition held at that time, and the watermark is that time.
A reader that lags comes to it late; a broker that is away answers nothing. Neither makes silence of what was not read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from consumer.model.live_run import PartitionRead


@dataclass(slots=True)
class _Mark:
    end: int
    asked: float


class Watermarks:
    """The watermarks of this member's partitions, by number."""

    def __init__(self) -> None:
        self._positions: dict[int, int | None] = {}
        self._marks: dict[int, _Mark] = {}
        self._read: dict[int, PartitionRead] = {}

    def assign(self, partitions: Iterable[int], known: Iterable[PartitionRead] = ()) -> None:
        """Begin anew with these partitions, and with what is known of how far others had read them."""
        self._positions = dict.fromkeys(partitions)
        self._marks = {}
        self._read = {one.partition: one for one in known if one.partition in self._positions}

    def unmarked(self) -> list[int]:
        """Return the partitions of which the end is to be asked for: those that have come to their last mark."""
        return [partition for partition in self._positions if partition not in self._marks]

    def mark(self, ends: Mapping[int, int], asked: float) -> None:
        """Set marks at the ends that the broker told; `asked` is when it was asked, or before."""
        for partition, end in ends.items():
            if partition in self._positions and partition not in self._marks:
                self._marks[partition] = _Mark(end, asked)

    def came_to(self, positions: Mapping[int, int | None]) -> None:
        """Take note of the positions up to which records were handed on."""
        for partition, position in positions.items():
            if partition not in self._positions or position is None:
                continue
            self._positions[partition] = position
            mark = self._marks.get(partition)
            if mark is not None and position >= mark.end:
                del self._marks[partition]
                before = self.up_to(partition)
                if before is None or mark.asked > before:
                    self._read[partition] = PartitionRead(partition=partition, offset=position, up_to=mark.asked)

    def up_to(self, partition: int) -> float | None:
        """Return the time up to which a partition was read; None where nothing is known."""
        read = self._read.get(partition)
        return None if read is None else read.up_to

    def of(self, partition: int) -> PartitionRead | None:
        """Return how far a partition was read."""
        return self._read.get(partition)

    def all(self) -> Iterator[PartitionRead]:
        """Yield how far each partition was read."""
        yield from self._read.values()

    def age(self, now: float) -> float:
        """Return how long ago the partition was read that was so least lately; 0 without partitions."""
        return max((now - (self.up_to(one) or now) for one in self._positions), default=0.0)
