"""Translates a record by its topic's declared format; what comes of it is an event in this contract. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias, assert_never

from consumer.catalog.topics import DeclaredTopic, ForeignFormat
from consumer.ingest.foreign.dead_records import told_by_connect, told_by_spring
from consumer.ingest.foreign.openlineage import told_by
from consumer.ingest.foreign.roll_ups import with_lineage
from consumer.ingest.foreign.told import ToldFailure
from consumer.model import Failure, Record, UnreadableRecord
from schemas.envelope import Envelope, encode
from schemas.errors import EnvelopeError
from schemas.event_text import load_event
from schemas.failure import FAILURE_TYPE
from schemas.names import PoisonReason

DeclaredTopics: TypeAlias = Mapping[str, DeclaredTopic]
MOST_HEADERS: Final = 1000


def as_event(record: Record, topics: DeclaredTopics, max_bytes: int) -> Record | None:
    """Return a record as one of this contract; None where it tells of no failure.

    A record of another topic is returned as it is. One that cannot be translated carries the reason as its `fault`.
    """
    topic = topics.get(record.topic)
    # What is too large is refused as any other record is.
    if topic is None or record.fault is not None or _is_too_large(record, max_bytes):
        return record
    try:
        told = _told(record, topic)
        event = None if told is None else encode(envelope_of(told))
    except EnvelopeError as error:
        return replace(record, fault=UnreadableRecord(reason=error.kind, message=f"{topic.format}: {error}"))
    except RecursionError:
        message = f"{topic.format}: nested deeper than can be read"
        return replace(record, fault=UnreadableRecord(reason=PoisonReason.TOO_DEEP, message=message))
    return None if event is None else replace(record, value=event[0], headers=tuple(event[1]))


def as_recorded(failure: Failure, record: Record) -> Failure:
    """Return the failure that a translated record told of as one of the record itself: its digest, size and lineage."""
    value = record.value or b""
    return with_lineage(replace(failure, digest=hashlib.sha256(value).digest(), size=len(value)))


def _is_too_large(record: Record, max_bytes: int) -> bool:
    return len(record.value or b"") > max_bytes or len(record.headers) > MOST_HEADERS


def _told(record: Record, topic: DeclaredTopic) -> ToldFailure | None:
    match topic.format:
        case ForeignFormat.OPENLINEAGE:
            return told_by(_document(record.value), topic)
        case ForeignFormat.KAFKA_CONNECT:
            return told_by_connect(record, topic)
        case ForeignFormat.SPRING:
            return told_by_spring(record, topic)
        case _:
            assert_never(topic.format)


def _document(value: bytes | None) -> object:
    if not value:
        raise EnvelopeError(PoisonReason.NOT_JSON, "the record has no value, or an empty one: send an event")
    document, _ = load_event(value)  # what is taken of it is judged with the event
    return document


def envelope_of(told: ToldFailure) -> Envelope:
    """Return the event of this contract that says the same."""
    data = {
        "org_id": str(told.org_id),
        "workflow_name": told.workflow_name,
        "failure_reason": told.failure_reason,
        "context": told.context,
        **({"detected_at": told.detected_at} if told.detected_at is not None else {}),
    }
    return Envelope(id=told.event_id, source=told.source, type=FAILURE_TYPE, data=data)
