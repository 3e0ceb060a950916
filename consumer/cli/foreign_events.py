"""What others tell of failures in words of their own, as the events that the service would make of it. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from consumer.errors import ConfigError
from consumer.ingest.foreign.translate import DeclaredTopics, as_event, envelope_of
from consumer.ingest.foreign.webhooks import WebhookFormat, told_by_webhook
from consumer.model import Record, UnreadableRecord
from schemas.envelope import encode
from schemas.errors import EnvelopeError
from schemas.json_text import parse_json, refuse_unstorable


def as_posted(record: Record, form: WebhookFormat, org_id: UUID) -> Sequence[Record]:
    """Return the events that a body of `POST /api/healing/failures` becomes; one that is refused carries why."""
    try:
        document = parse_json(record.value or b"")
        refuse_unstorable(document)
        told = told_by_webhook(document, form, org_id, "")
    except EnvelopeError as error:
        return [replace(record, fault=UnreadableRecord(reason=error.kind, message=f"{form}: {error}"))]
    # One without an identity of its own is another failure with each request: it has no id before it is posted.
    events = [encode(envelope_of(replace(one, event_id=one.event_id or "not posted yet"))) for one in told]
    return [replace(record, value=value, headers=tuple(headers)) for value, headers in events]


def as_read(record: Record, topics: DeclaredTopics, max_bytes: int) -> Sequence[Record]:
    """Return the event that a record of a declared topic tells of, if it tells of any."""
    event = as_event(record, topics, max_bytes)
    return () if event is None else (event,)


def check_declared(topic: str, topics: DeclaredTopics) -> None:
    """Raise ConfigError where the catalog declares no such topic."""
    if topic not in topics:
        declared = ", ".join(sorted(topics)) or "none"
        raise ConfigError(f"the catalog declares no topic {topic} (`topics`); it declares {declared}")
