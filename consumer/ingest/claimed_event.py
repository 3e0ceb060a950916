"""Reads which event a refused record claims to be, as far as that can be read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from consumer.model import Record
from schemas.errors import EnvelopeError
from schemas.event_headers import attributes_in

_HEAD_BYTES: Final = 64 * 1024
"""Bytes of a value that are read: an event's attributes stand at its beginning, and its data may be of any size."""

_OF_AN_EVENT: Final = frozenset(("specversion", "type", "data", "data_base64"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedEvent:
    """The source that a record claims, the event's id, and its organisation. A producer may claim anything."""

    source: str
    event_id: str | None = None
    org_id: UUID | None = None


def claimed_event(record: Record) -> ClaimedEvent:
    """Return what a record claims: by its headers, or by the head of its value, even where the rest is cut or broken.

    Without a source that can be read it counts as bare JSON does: `urn:kafka:<topic>`.
    """
    document = _document_in(record.value or b"")
    # Bare data may have fields named `id` and `source` of their own.
    attributes: dict[str, Any] = {} if _OF_AN_EVENT.isdisjoint(document) else document
    attributes = {**attributes, **_in_headers(record)}
    source, event_id = attributes.get("source"), attributes.get("id")
    bare = f"urn:kafka:{record.topic}"
    return ClaimedEvent(
        source=source if isinstance(source, str) and source else bare,
        event_id=event_id if isinstance(event_id, str) and event_id else None,
        org_id=_organisation_in(document),
    )


def _in_headers(record: Record) -> dict[str, str]:
    named = {name.lower(): content for name, content in record.headers if content is not None}
    try:
        return attributes_in(named)
    except EnvelopeError:  # they disagree, or are no text: that may be why the record was refused
        return {}


def _document_in(value: bytes) -> dict[str, Any]:
    try:
        document = from_json(value[:_HEAD_BYTES], allow_partial=True)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _organisation_in(document: Mapping[str, Any]) -> UUID | None:
    match document:
        case {"data": {"org_id": str(org_id)}} | {"org_id": str(org_id)}:
            try:
                return UUID(org_id)
            except ValueError:
                return None
        case _:
            return None
