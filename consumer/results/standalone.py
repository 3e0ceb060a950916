"""Builds the messages of events that are about no failure, and stand in no order with any other. Pure."""

from uuid import UUID

from consumer.model import Message
from consumer.results.events import Outlet
from schemas.envelope import Envelope, encode


def standalone_message(event: Envelope, outlet: Outlet, *, message_id: UUID, key: str) -> Message:
    """Build a message for the results topic; `key` decides its partition."""
    body, headers = encode(event)
    return Message(
        id=message_id,
        failure_id=None,
        step=0,
        rank=0,
        topic=outlet.results_topic,
        key=key.encode(),
        headers=tuple(headers),
        body=body,
    )
