"""One record to publish."""

from uuid import UUID

from consumer.model.identity import FailureId
from schemas.record_size import record_size
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Message:
    """One record to publish (transactional outbox): kept in the outbox until the broker has acknowledged it."""

    id: UUID
    failure_id: FailureId | None
    step: int
    rank: int
    """-1 for a suspension in a step, 0 for its attempt, 1 for the status after: first publications keep this order."""
    topic: str
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    body: bytes | None


def message_size(message: Message) -> int:
    """Return the upper bound of the bytes that the broker counts for a message."""
    return record_size(message.key, message.body, message.headers)
