"""Splits a poll's records into batches: bounded in bytes, and slow records apart from all others. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from consumer.ingest.offsets import ReadRange
from consumer.model import Partition, Record

SLOW_AT_ONCE: Final = 8
"""Slow records of a batch, and of a range: no more of them is read again after a crash than a range holds."""

JUDGED_AT_ONCE: Final = 1024 * 1024
"""Bytes of large records of a poll that are judged, some 20 ms in which the loop stands; those behind count as slow."""
LARGE: Final = 16 * 1024
"""Bytes of a record above which it is searched for secrets to judge it: less is a look at its length and parts."""


@dataclass(slots=True)
class PollBatch:
    """Records that are read and stored together, with the ranges of which they are all or a part."""

    records: list[Record] = field(default_factory=list)
    ranges: list[ReadRange] = field(default_factory=list)
    size: int = 0
    """Bytes of the records' values."""
    is_slow: bool = False

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions from which some of it comes."""
        return frozenset(one.partition for one in self.ranges)

    def add_range(self, one: ReadRange) -> None:
        """Let a range wait for this batch; the records of a range come together."""
        if not self.ranges or self.ranges[-1] is not one:
            self.ranges.append(one)
            one.batches += 1


def split_poll(
    found: Mapping[Partition, Sequence[Record]], max_bytes: int, is_slow: Callable[[Record], bool]
) -> list[PollBatch]:
    """Split a poll's records into batches of at most so many bytes, or of one record; those of slow ones come last.

    Nothing may be awaited before a poll is split, so that what judging costs is bounded: a slow record that proves to
    be none is read as any other, a few at a time.
    """
    is_slow = _bounded(is_slow)
    fast, slow = [PollBatch()], [PollBatch(is_slow=True)]
    for partition, records in found.items():
        for many in _by_slow_records(records, is_slow):
            one = ReadRange(partition=partition, end=many[-1][0].offset + 1)
            for record, slowly in many:
                _add(slow if slowly else fast, record, one, max_bytes)
            slow.append(PollBatch(is_slow=True))
    return [batch for batch in (*fast, *slow) if batch.records]


def _bounded(is_slow: Callable[[Record], bool]) -> Callable[[Record], bool]:
    judged = 0

    def judge(record: Record) -> bool:
        nonlocal judged
        size = len(record.value or b"")
        if size > LARGE:
            if judged >= JUDGED_AT_ONCE:
                return True
            judged += size
        return is_slow(record)

    return judge


def _by_slow_records(
    records: Sequence[Record], is_slow: Callable[[Record], bool]
) -> Iterator[list[tuple[Record, bool]]]:
    """Cut a partition's records so that no part holds too many slow ones; yield each with whether it is slow."""
    part: list[tuple[Record, bool]] = []
    count = 0
    for record in records:
        slowly = is_slow(record)
        if slowly and count == SLOW_AT_ONCE:
            yield part
            part, count = [], 0
        part.append((record, slowly))
        count += slowly
    if part:
        yield part


def _add(batches: list[PollBatch], record: Record, one: ReadRange, max_bytes: int) -> None:
    weight = len(record.value or b"")
    if batches[-1].records and batches[-1].size + weight > max_bytes:
        batches.append(PollBatch(is_slow=batches[-1].is_slow))
    batches[-1].records.append(record)
    batches[-1].size += weight
    batches[-1].add_range(one)
