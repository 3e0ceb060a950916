"""Legacy message formats 0 and 1, from before record batches, which a broker may still hold. Pure.

Each message has an offset and a checksum. A compressed message holds others, whose offsets count from its own; neither
format has headers or transactions.
"""

import struct
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from consumer.kafka.unpacking import DamagedError, decompress
from consumer.model import Partition, Record, UnreadableRecord
from schemas.names import PoisonReason
from schemas.value import value

SHORTEST: Final = 14
"""Bytes after the length, of a message of format 0 with neither key nor value."""
_HEAD: Final = struct.Struct(">qiIbb")
_CHECKSUM_FROM: Final = 16
_CODEC: Final = 0x07
_APPEND_TIME: Final = 0x08
_NULL: Final = -1


@value(frozen=True, slots=True, kw_only=True)
class LegacyMessage:
    """A message with a valid checksum."""

    content: bytes
    offset: int
    format: int
    attributes: int

    @property
    def next_offset(self) -> int:
        """The offset after it."""
        return self.offset + 1


def parse_message(whole: bytes) -> LegacyMessage | None:
    """Parse a message's header; None where its checksum is wrong, or its format is neither of these."""
    offset, _, crc, version, attributes = _HEAD.unpack_from(whole)
    if version not in (0, 1) or crc32(whole[_CHECKSUM_FROM:]) != crc:
        return None
    return LegacyMessage(content=whole, offset=offset, format=version, attributes=attributes)


def records(partition: Partition, message: LegacyMessage, position: int) -> Iterator[tuple[Record, int]]:
    """Yield the records of a message from a position on, faults among them, each with the offset to continue from."""
    if not message.attributes & _CODEC:
        if message.offset >= position:
            yield _record(partition, message.content, message.offset, None), message.next_offset
        return
    try:
        found = _unpack_inner(message)
    except DamagedError as error:
        if message.offset >= position:
            yield _fault(partition, message.offset, message.content, str(error)), message.next_offset
        return
    for offset, raw in found:
        if offset >= position:
            yield _record(partition, raw, offset, message), offset + 1


def _unpack_inner(message: LegacyMessage) -> list[tuple[int, bytes]]:
    """Return the messages that a compressed one holds, with their offsets in the partition."""
    _, _, packed = _parse_fields(message.content)
    if packed is None:
        raise DamagedError("it says that it holds others and has no value")
    content = decompress(message.attributes & _CODEC, packed)
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(content):
        if at + _HEAD.size > len(content):
            raise DamagedError("what it holds ends within a message")
        offset, length, *_ = _HEAD.unpack_from(content, at)
        end = at + 12 + length
        if length < SHORTEST or end > len(content):
            raise DamagedError(f"a message within it says that it has {length} bytes")
        found.append((offset, content[at:end]))
        at = end
    if not found:
        raise DamagedError("it says that it holds others and is empty")
    # In format 1 the inner offsets count from 0, and the last inner message has the offset of its holder.
    base = message.offset - found[-1][0] if message.format == 1 else 0
    return [(base + offset, raw) for offset, raw in found]


def _record(partition: Partition, raw: bytes, offset: int, holder: LegacyMessage | None) -> Record:
    try:
        time, key, content = _parse_fields(raw)
        if holder is not None and holder.attributes & _APPEND_TIME:
            time, _, _ = _parse_fields(holder.content)
    except DamagedError as error:
        return _fault(partition, offset, raw, str(error))
    return Record(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp_ms=time,
        key=key,
        value=content,
        headers=(),
    )


def _parse_fields(raw: bytes) -> tuple[int, bytes | None, bytes | None]:
    """Parse timestamp, key and value; the timestamp is -1 in the oldest format, which has none."""
    _, _, _, version, _ = _HEAD.unpack_from(raw)
    at, time = _HEAD.size, _NULL
    if version == 1:
        if len(raw) < at + 8:
            raise DamagedError("it ends within its time")
        (time,) = struct.unpack_from(">q", raw, at)
        at += 8
    key, at = _read_sized(raw, at)
    content, at = _read_sized(raw, at)
    if at != len(raw):
        raise DamagedError(f"{len(raw) - at} bytes are left after its value")
    return time, key, content


def _read_sized(raw: bytes, at: int) -> tuple[bytes | None, int]:
    if at + 4 > len(raw):
        raise DamagedError("it ends within a length")
    (size,) = struct.unpack_from(">i", raw, at)
    at += 4
    if size == _NULL:
        return None, at
    if size < 0 or at + size > len(raw):
        raise DamagedError(f"a length says {size} bytes and {len(raw) - at} follow")
    return raw[at : at + size], at + size


def _fault(partition: Partition, offset: int, raw: bytes, why: str) -> Record:
    message = f"it cannot be read as a record: {why}. Mend the producer, and publish the event again"
    return Record(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp_ms=_NULL,
        key=None,
        value=raw,
        headers=(),
        fault=UnreadableRecord(reason=PoisonReason.UNREADABLE_RECORD, message=message),
    )
