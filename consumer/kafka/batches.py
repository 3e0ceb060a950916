"""Record batch parser: a partition's raw bytes to records, and to faults where there is no readable record. Pure.

The Kafka client gives up a whole batch for one record that it cannot read, and cannot be made to skip either. Here a
batch is walked by the length prefixes of its records: what can be read is a record, each other one a fault with its
bytes.

A batch is trusted once its checksum is right. One whose checksum is wrong is not walked at all: the walk ends before it
and reports it, because the next fetch may bring it whole.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from aiokafka.record.util import calc_crc32c

from consumer.kafka import message_sets
from consumer.kafka.unpacking import ByteReader, DamagedError, decompress
from consumer.model import Partition, Record, UnreadableRecord
from schemas.names import PoisonReason
from schemas.value import value

_FRAME: Final = struct.Struct(">qiib")
"""Common to every format: base offset, length of what follows it, four bytes that differ, format."""
_LENGTH_END: Final = 12
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_CHECKSUM_FROM: Final = 21
_FORMAT: Final = 2
_CODEC: Final = 0x07
_APPEND_TIME: Final = 0x08
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20


@value(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One partition's part of a fetch response."""

    content: bytes
    aborted: Sequence[tuple[int, int]] = ()
    """Producer id and first offset of each aborted transaction that reaches into these bytes."""
    end: int
    """The last stable offset, where committed records end."""
    high_watermark: int


@value(frozen=True, slots=True, kw_only=True)
class Corrupt:
    """A batch whose checksum is wrong, or whose end cannot be told from what follows it."""

    record: Record
    """The fault that takes its place where it stays so."""
    next_offset: int


@value(frozen=True, slots=True, kw_only=True)
class Walked:
    """The records found, in order, and the position to continue from."""

    records: tuple[Record, ...]
    position: int
    corrupt: Corrupt | None = None
    """The batch at the position, if the walk ended there because of it."""


@value(frozen=True, slots=True, kw_only=True)
class _Batch:
    """A batch of the present format, with a valid checksum."""

    content: bytes
    base: int
    attributes: int
    last_delta: int
    first_time: int
    last_time: int
    producer: int
    count: int

    @property
    def next_offset(self) -> int:
        return self.base + self.last_delta + 1


def walk(partition: Partition, position: int, fetched: Fetched, *, at_most: int) -> Walked:
    """Return the committed records from a position on, at most so many, with the faults among them."""
    aborted = _Aborted(fetched.aborted)
    records: list[Record] = []
    at, content = 0, fetched.content
    while len(records) < at_most and at < len(content):
        size = _size_at(content, at)
        if size is None or at + size > len(content):
            # The broker truncates the last batch, never the first one.
            bad = _build_corrupt(partition, position, fetched, at, None) if at == 0 else None
            return Walked(records=tuple(records), position=position, corrupt=bad)
        whole = content[at : at + size]
        read = _batch(whole) if whole[16] == _FORMAT else message_sets.parse_message(whole)
        if read is None:
            bad = _build_corrupt(partition, position, fetched, at, size)
            return Walked(records=tuple(records), position=position, corrupt=bad)
        found = _records_of(partition, read, position, aborted)
        new = list(islice(found, at_most - len(records)))
        records += (record for record, _ in new)
        position = new[-1][1] if len(records) == at_most else max(position, read.next_offset)
        at += size
    return Walked(records=tuple(records), position=position)


def _records_of(
    partition: Partition, read: "_Batch | message_sets.LegacyMessage", position: int, aborted: "_Aborted"
) -> Iterator[tuple[Record, int]]:
    """Yield each record, or the fault in its place, with the offset to continue from."""
    if not isinstance(read, _Batch):
        return message_sets.records(partition, read, position)
    return _records(partition, read, position) if aborted.lets(read) else iter(())


def _size_at(content: bytes, at: int) -> int | None:
    if at + _FRAME.size > len(content):
        return None
    _, length, _, _ = _FRAME.unpack_from(content, at)
    return int(length) + _LENGTH_END if length >= message_sets.SHORTEST else None


def _batch(whole: bytes) -> _Batch | None:
    """Parse a batch's header; None where its checksum is wrong."""
    if len(whole) < _HEADER.size:
        return None
    base, _, _, _, crc, attributes, last_delta, first, last, producer, _, _, count = _HEADER.unpack_from(whole)
    if calc_crc32c(whole[_CHECKSUM_FROM:]) != crc:
        return None
    return _Batch(
        content=whole,
        base=base,
        attributes=attributes,
        last_delta=last_delta,
        first_time=first,
        last_time=last,
        producer=producer,
        count=count,
    )


class _Aborted:
    """Aborted transactions, as the walk goes on: which producers' records have to be skipped."""

    def __init__(self, aborted: Sequence[tuple[int, int]]) -> None:
        self._upcoming = sorted(aborted, key=lambda one: one[1])
        self._active: set[int] = set()

    def lets(self, batch: _Batch) -> bool:
        """Return whether a batch holds records to be read."""
        while self._upcoming and self._upcoming[0][1] <= batch.base:
            self._active.add(self._upcoming.pop(0)[0])
        if batch.attributes & _CONTROL:
            # Commit or abort: a producer has one transaction at a time, and this ends it.
            self._active.discard(batch.producer)
            return False
        return not (batch.attributes & _TRANSACTIONAL and batch.producer in self._active)


def _records(partition: Partition, batch: _Batch, position: int) -> Iterator[tuple[Record, int]]:
    """Yield the records of a batch from a position on, faults among them."""
    try:
        content = decompress(batch.attributes & _CODEC, batch.content[_HEADER.size :])
    except DamagedError as error:
        if batch.next_offset > position:
            yield _batch_fault(partition, max(position, batch.base), batch, str(error)), batch.next_offset
        return
    floor = batch.base
    reading = ByteReader(content)
    for _ in range(batch.count):
        begin = reading.at
        try:
            length = reading.varint()
            raw = reading.take(length)
        except DamagedError as error:
            # Where the next one begins is not known either.
            offset = max(floor, position)
            if offset < batch.next_offset:
                why = f"{error}; with it goes the rest of its batch, to offset {batch.next_offset - 1}"
                yield _fault(partition, offset, batch.last_time, content[begin:], why), batch.next_offset
            return
        record = _record(partition, batch, floor, raw)
        floor = record.offset + 1
        if record.offset >= position:
            yield record, record.offset + 1


def _record(partition: Partition, batch: _Batch, floor: int, raw: bytes) -> Record:
    offset, time = floor, batch.last_time
    reading = ByteReader(raw)
    try:
        reading.take(1)
        delta = reading.varint()
        if not batch.attributes & _APPEND_TIME:
            time = batch.first_time + delta
        offset = _check_offset(batch.base + reading.varint(), floor, batch.next_offset)
        key, value = reading.sized(), reading.sized()
        headers = tuple(_header(reading) for _ in range(reading.count()))
        reading.end()
    except DamagedError as error:
        return _fault(partition, offset, time, raw, str(error))
    return Record(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp_ms=time,
        key=key,
        value=value,
        headers=headers,
    )


def _check_offset(offset: int, floor: int, end: int) -> int:
    if not floor <= offset < end:
        raise DamagedError(f"its offset {offset} is not between {floor} and {end - 1}")
    return offset


def _header(reading: ByteReader) -> tuple[str, bytes]:
    name = reading.sized()
    if name is None:
        raise DamagedError("a header has no name")
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise DamagedError(f"the name of a header is not UTF-8: {name[:100]!r}") from error
    # The client returns None for a header without a value, and every reader of the record takes it for empty.
    return text, reading.sized() or b""


def _fault(partition: Partition, offset: int, time: int, raw: bytes, why: str) -> Record:
    message = f"it cannot be read as a record: {why}. Mend the producer, and publish the event again"
    return _as_record(
        partition, offset, time, raw, UnreadableRecord(reason=PoisonReason.UNREADABLE_RECORD, message=message)
    )


def _batch_fault(partition: Partition, offset: int, batch: _Batch, why: str) -> Record:
    message = (
        f"a batch of {batch.count} records to offset {batch.next_offset - 1} cannot be unpacked: {why}. "
        "Mend the producer, and publish the events again"
    )
    fault = UnreadableRecord(reason=PoisonReason.CORRUPT_BATCH, message=message)
    return _as_record(partition, offset, batch.last_time, batch.content, fault)


def _as_record(partition: Partition, offset: int, time: int, raw: bytes, fault: UnreadableRecord) -> Record:
    return Record(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp_ms=time,
        key=None,
        value=raw,
        headers=(),
        fault=fault,
    )


def _build_corrupt(partition: Partition, position: int, fetched: Fetched, at: int, size: int | None) -> Corrupt:
    """Build the fault of a corrupt batch, and where the next one begins as far as that can be known."""
    content = fetched.content
    rest = content[at:] if size is None else content[at : at + size]
    next_offset = _next_offset(content, at, size, position, fetched.end)
    message = (
        f"a batch of records to offset {next_offset - 1} is not what was written: its checksum or its length is wrong, "
        "each time it is fetched. Look at the broker's disks and replicas, and publish the events again"
    )
    fault = UnreadableRecord(reason=PoisonReason.CORRUPT_BATCH, message=message)
    return Corrupt(record=_as_record(partition, position, -1, rest, fault), next_offset=next_offset)


def _next_offset(content: bytes, at: int, size: int | None, position: int, end: int) -> int:
    if size is not None and len(content) >= at + size + 8:
        (following,) = struct.unpack_from(">q", content, at + size)
        if position < following <= end:
            return int(following)
    if len(content) >= at + 27:
        (base,) = struct.unpack_from(">q", content, at)
        (last_delta,) = struct.unpack_from(">i", content, at + 23)
        if position < base + last_delta + 1 <= end:
            return int(base + last_delta + 1)
    return max(end, position + 1) if size is not None else position + 1
