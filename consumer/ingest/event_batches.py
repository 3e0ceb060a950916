"""Splits a batch of CloudEvents in one record into records of one event each. Pure.

Each event is decoded for itself: a bad one is a letter, with its own bytes, and the others go on. All of them share the
record's position, and one commit; `part` tells their letters apart. The same batch gives the same parts, so a second
delivery is recognised by the events' ids.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from consumer.model import Record, UnreadableRecord
from schemas.errors import EnvelopeError
from schemas.event_headers import content_type_of
from schemas.event_text import load_event
from schemas.json_text import check_storable, is_plainly_storable, to_json
from schemas.names import PoisonReason

BATCH_TYPE: Final = "application/cloudevents-batch"
MOST_EVENTS: Final = 1000
"""Events in one record, at most."""
MOST_HEADERS: Final = 100
MOST_HEADER_BYTES: Final = 16 * 1024
"""Headers of a batch, at most: each event carries them, to its dead letter too."""

Events: TypeAlias = tuple[tuple[bytes, UnreadableRecord | None], ...] | UnreadableRecord
"""Of a batch: each event's bytes, with what is wrong where it can be no failure; or what is wrong with all of it."""
_ONE_EVENT: Final = ("content-type", b"application/cloudevents+json")
_CONTENT_TYPES: Final = frozenset(("content-type", "contenttype"))
_NUL_ESCAPE: Final = "\\u0000"
_NO_NUMBER: Final = UnreadableRecord(
    reason=PoisonReason.BAD_NUMBER, message="NaN, an infinity or a number beyond a double: send a finite number"
)


def split_batch(record: Record, *, max_bytes: int) -> Sequence[Record]:
    """Return the record, or the events of the batch that it holds; what is no batch after all is left as it is."""
    if record.value is not None and is_batch(record, max_bytes=max_bytes):
        return parts_of(record, events_in(record.value))
    return (record,)


def is_batch(record: Record, *, max_bytes: int) -> bool:
    """Return whether a record says that it holds a batch; one that is too large is refused as any other record."""
    if record.value is None or not record.headers or record.fault is not None:
        return False
    # Looked for in the bytes first: most records are no batch, and this is asked of each.
    if not any(b"-batch" in content for _, content in record.headers):
        return False
    headers = {name.lower(): content for name, content in record.headers}
    return content_type_of(headers).startswith(BATCH_TYPE) and len(record.value) <= max_bytes


def events_in(value: bytes) -> Events:
    """Return the events of a batch, or why it can only be a dead letter as a whole."""
    try:
        # A piece of a character is handed on as a NUL, which the decoding of its event mends and tells.
        events, _ = load_event(value, mark=_NUL_ESCAPE)
    except EnvelopeError as error:
        return UnreadableRecord(reason=error.kind, message=f"the batch: {error.message}")
    if not isinstance(events, list):
        message = "the batch is JSON but no list: send a list of events"
        return UnreadableRecord(reason=PoisonReason.WRONG_SHAPE, message=message)
    if len(events) > MOST_EVENTS:
        message = f"the batch has {len(events)} events, the limit is {MOST_EVENTS}: send more records"
        return UnreadableRecord(reason=PoisonReason.TOO_LARGE, message=message)
    looks_closer = not is_plainly_storable(value)
    return tuple((to_json(event), _fault(event) if looks_closer else None) for event in events)


def parts_of(record: Record, events: Events) -> Sequence[Record]:
    """Return a record for each event of the batch that a record holds, or the record itself with what is wrong."""
    own = tuple(header for header in record.headers if header[0].lower() not in _CONTENT_TYPES)
    size = sum(len(name) + len(content) for name, content in own)
    if len(own) > MOST_HEADERS or size > MOST_HEADER_BYTES:
        message = (
            f"the batch has {len(own)} headers of {size} bytes, which each of its events would carry; "
            f"the limits are {MOST_HEADERS} and {MOST_HEADER_BYTES}: send fewer"
        )
        events = UnreadableRecord(reason=PoisonReason.TOO_LARGE, message=message)
    if isinstance(events, UnreadableRecord):
        return (replace(record, fault=events),)
    headers = (*own, _ONE_EVENT)
    return tuple(
        replace(record, value=value, headers=headers, part=place, fault=fault)
        for place, (value, fault) in enumerate(events, start=1)
    )


def _fault(event: Any) -> UnreadableRecord | None:  # noqa: ANN401 - JSON is anything
    # Written anew, a number that is none would pass for null.
    fault = check_storable(event, max_depth=10_000)
    if fault is not None and fault.kind is PoisonReason.BAD_TEXT:  # which the decoding of one event mends
        return None if _has_numbers_alone(event) else _NO_NUMBER
    if fault is None:
        return None
    return UnreadableRecord(reason=fault.kind, message=f"{fault.path}: {fault.message}")


def _has_numbers_alone(event: Any) -> bool:  # noqa: ANN401 - JSON is anything
    try:
        json.dumps(event, allow_nan=False)
    except ValueError:
        return False
    return True
