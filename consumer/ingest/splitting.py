"""Splits a poll's records into batches: bounded in bytes, and those of a partition with slow records apart. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consumer.model import Partition, Record

SLOW_AT_ONCE: Final = 8
"""Records of a batch with slow ones: each batch is durable, and its offset committed, before the next one."""


def split_poll(
    found: Mapping[Partition, Sequence[Record]], max_bytes: int, is_slow: Callable[[Record], bool]
) -> list[dict[Partition, list[Record]]]:
    """Split a poll's records into batches; those of partitions without slow records come first. Order kept."""
    slow = [partition for partition, records in found.items() if any(map(is_slow, records))]
    if not slow:
        return _split_by_bytes(found, max_bytes)
    batches = _split_by_bytes({one: records for one, records in found.items() if one not in slow}, max_bytes)
    for partition in slow:
        records = found[partition]
        for first in range(0, len(records), SLOW_AT_ONCE):
            batches += _split_by_bytes({partition: records[first : first + SLOW_AT_ONCE]}, max_bytes)
    return batches


def _split_by_bytes(found: Mapping[Partition, Sequence[Record]], max_bytes: int) -> list[dict[Partition, list[Record]]]:
    """Split a poll's records into batches of at most so many bytes (or of one record); order kept."""
    batches: list[dict[Partition, list[Record]]] = [{}]
    size = 0
    for partition, records in found.items():
        for record in records:
            weight = len(record.value or b"")
            if batches[-1] and size + weight > max_bytes:
                batches.append({})
                size = 0
            batches[-1].setdefault(partition, []).append(record)
            size += weight
    return [batch for batch in batches if batch]
