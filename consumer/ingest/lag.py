"""Consumer lag of this member on the failures topic, in records and in time; pure: the caller passes the time."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from consumer.model import Partition


@dataclass(slots=True)
class _Track:
    """Lag state of one assigned partition. A time is in seconds of the epoch, as the records carry it."""

    position: int | None = None
    end: int | None = None
    reading: deque[tuple[int, float]] = field(default_factory=deque)
    """First offset and time of each batch that is read and not yet durable."""
    not_before: float | None = None
    """Lower bound of the timestamp of the oldest record that is not read yet."""

    @property
    def first_open(self) -> int | None:
        """The first offset that is not durable; None while it is not known where reading began."""
        return self.reading[0][0] if self.reading else self.position

    def records(self) -> int | None:
        first = self.first_open
        return None if first is None or self.end is None else max(0, self.end - first)

    def since(self) -> float | None:
        return self.reading[0][1] if self.reading else self.not_before


class Lag:
    """Records in the topic that are not durable here yet: unread, paused, or read and held up."""

    def __init__(self) -> None:
        self._tracks: dict[Partition, _Track] = {}

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Reset to these partitions."""
        self._tracks = {partition: _Track() for partition in partitions}

    def read(self, partition: Partition, first: tuple[int, float], last: tuple[int, float]) -> None:
        """Record a batch that was read: offset and time of its first and of its last record."""
        if (track := self._tracks.get(partition)) is not None:
            track.reading.append(first)
            track.position = max(track.position or 0, last[0] + 1)
            track.not_before = last[1]

    def stored(self, partition: Partition, next_offset: int) -> None:
        """Record that everything below an offset is durable."""
        if (track := self._tracks.get(partition)) is not None:
            while track.reading and track.reading[0][0] < next_offset:
                track.reading.popleft()

    def seen(self, partition: Partition, *, position: int | None, end: int | None, at: float) -> None:
        """Record what is known of a partition: its next offset, and its end offset at a time."""
        if (track := self._tracks.get(partition)) is None:
            return
        if position is not None:
            track.position = max(track.position or 0, position)
        if end is not None:
            track.end = max(track.end or 0, end)
            if track.records() == 0:
                track.not_before = max(track.not_before or 0.0, at)

    def dated(self, partition: Partition, position: int, time: float) -> None:
        """Record the timestamp of the record at a position; ignored when reading has gone on since."""
        if (track := self._tracks.get(partition)) is not None and track.position == position:
            track.not_before = time

    def undated(self) -> dict[Partition, int]:
        """Return the partitions whose lag in time is unknown, and the position in question."""
        return {
            partition: track.position
            for partition, track in self._tracks.items()
            if track.records() and track.since() is None and track.position is not None
        }

    def records(self) -> Iterator[tuple[Partition, int]]:
        """Yield how many records of each partition are not durable; leaves out those of which too little is known."""
        for partition, track in self._tracks.items():
            if (behind := track.records()) is not None:
                yield partition, behind

    def unread(self) -> dict[Partition, int]:
        """Return the position of each partition that has unread records."""
        return {
            partition: track.position
            for partition, track in self._tracks.items()
            if track.position is not None and track.end is not None and track.end > track.position
        }

    def seconds(self, now: float) -> float:
        """Return the age of the oldest record that is not durable; 0 where none is."""
        return max((max(0.0, now - since) for since in self._oldest_times()), default=0.0)

    def _oldest_times(self) -> Iterator[float]:
        for track in self._tracks.values():
            if track.records() and (since := track.since()) is not None:
                yield since
