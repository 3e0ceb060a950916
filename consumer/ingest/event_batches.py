"""Splits a batch of CloudEvents in one record into records of one event each. Pure.

Each event is decoded for itself: a bad one is a letter, with its own bytes, and the others go on. All of them share the
record's position, and one commit; `part` tells their letters apart. The same batch gives the same parts, so a second
delivery is recognised by the events' ids.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from consumer.model import Record, UnreadableRecord
from schemas.errors import EnvelopeError
from schemas.event_headers import content_type_of
from schemas.event_text import load_event
from schemas.json_text import check_storable, is_plainly_storable, to_json
from schemas.names import PoisonReason

BATCH_TYPE: Final = "application/cloudevents-batch"
MOST_EVENTS: Final = 1000
"""Events in one record, at most."""
_ONE_EVENT: Final = ("content-type", b"application/cloudevents+json")
_CONTENT_TYPES: Final = frozenset(("content-type", "contenttype"))
_NUL_ESCAPE: Final = "\\u0000"
_NO_NUMBER: Final = UnreadableRecord(
    reason=PoisonReason.BAD_NUMBER, message="NaN, an infinity or a number beyond a double: send a finite number"
)


def split_batch(record: Record, *, max_bytes: int) -> Iterable[Record]:
    """Return the record, or the events of the batch that it holds; what is no batch after all is left as it is."""
    if record.value is not None and record.headers and record.fault is None and _is_batch(record.headers):
        return _events(record, record.value, max_bytes)
    return (record,)


def _is_batch(headers: Sequence[tuple[str, bytes]]) -> bool:
    # Looked for in the bytes first: most records are no batch, and this is asked of each.
    if not any(b"-batch" in content for _, content in headers):
        return False
    return content_type_of({name.lower(): content for name, content in headers}).startswith(BATCH_TYPE)


def _events(record: Record, value: bytes, max_bytes: int) -> Iterator[Record]:
    if len(value) > max_bytes:
        yield record  # refused as any other that is too large
        return
    try:
        # A piece of a character is handed on as a NUL, which the decoding of its event mends and tells.
        events, _ = load_event(value, mark=_NUL_ESCAPE)
    except EnvelopeError as error:
        yield replace(record, fault=UnreadableRecord(reason=error.kind, message=f"the batch: {error.message}"))
        return
    if not isinstance(events, list):
        message = "the batch is JSON but no list: send a list of events"
        yield replace(record, fault=UnreadableRecord(reason=PoisonReason.WRONG_SHAPE, message=message))
        return
    if len(events) > MOST_EVENTS:
        message = f"the batch has {len(events)} events, the limit is {MOST_EVENTS}: send more records"
        yield replace(record, fault=UnreadableRecord(reason=PoisonReason.TOO_LARGE, message=message))
        return
    own = tuple(header for header in record.headers if header[0].lower() not in _CONTENT_TYPES)
    looks_closer = not is_plainly_storable(value)
    for place, event in enumerate(events, start=1):
        fault = _fault(event) if looks_closer else None
        yield replace(record, value=to_json(event), headers=(*own, _ONE_EVENT), part=place, fault=fault)


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
