"""The mark of a replayed record: the coordinates at which it lay first, and how often it was sent again.

An event without an id is told apart by where it lay. `shw dlq replay` appends the record anew, so without a mark each
replay would be another event. The mark is a claim of whoever may write to the topic, as every header is; what it may
claim, and why it cannot make one event pass for another, stands in docs/decisions/0022.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from schemas.value import value

TOPIC: Final = "shw_first_topic"
PARTITION: Final = "shw_first_partition"
OFFSET: Final = "shw_first_offset"
TIMESTAMP: Final = "shw_first_timestamp"
REPLAYED: Final = "shw_replayed"
MARKS: Final = frozenset((TOPIC, PARTITION, OFFSET, TIMESTAMP, REPLAYED))
"""Names of headers that are the healer's own: a dead letter does not carry them along, a replay writes them anew."""
MOST_REPLAYS: Final = 9999
"""Beyond it is no longer counted."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LARGEST: Final = {PARTITION: 2**31 - 1, OFFSET: 2**63 - 1, TIMESTAMP: 2**63 - 1, REPLAYED: MOST_REPLAYS}
_NO_TIMESTAMP: Final = -1
"""What Kafka says of a record without a time."""


@value(frozen=True, slots=True, kw_only=True)
class First:
    """Where a record lay before it was ever replayed."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Since 1970, in UTC; -1 where it had none."""
    replayed: int
    """How often it was sent again since."""


def read_mark(headers: Iterable[tuple[str, bytes | None]], topic: str) -> First | None:
    """Read the mark of a record of this topic; None where there is none, or one that is not whole and exact.

    Only a record of the very topic is believed: one that was mirrored from elsewhere has coordinates of another log.
    """
    found = [(name, content) for name, content in headers if name in MARKS]
    if not found:
        return None
    marks = dict(found)
    if len(marks) != len(found) or marks.get(TOPIC) != topic.encode():
        return None
    numbers = {name: _number(marks, name) for name in _LARGEST}
    partition, offset, replayed = numbers[PARTITION], numbers[OFFSET], numbers[REPLAYED]
    timestamp = numbers[TIMESTAMP] if TIMESTAMP in marks else _NO_TIMESTAMP
    if partition is None or offset is None or timestamp is None or not replayed:
        return None
    return First(topic=topic, partition=partition, offset=offset, timestamp_ms=timestamp, replayed=replayed)


def mark(first: First) -> tuple[tuple[str, bytes], ...]:
    """Write the headers that `read_mark` reads."""
    written = {TOPIC: first.topic, PARTITION: str(first.partition), OFFSET: str(first.offset)}
    if first.timestamp_ms >= 0:
        written[TIMESTAMP] = str(first.timestamp_ms)
    written[REPLAYED] = str(min(first.replayed, MOST_REPLAYS))
    return tuple((name, text.encode()) for name, text in written.items())


def _number(marks: Mapping[str, bytes | None], name: str) -> int | None:
    text = (marks.get(name) or b"").decode("ascii", "replace")
    if not _NUMBER.fullmatch(text) or int(text) > _LARGEST[name]:
        return None
    return int(text)
