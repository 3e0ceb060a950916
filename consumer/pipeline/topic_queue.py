"""In-memory send queue of one topic, taken in batches that never split the messages of one failure."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from consumer.event_loop import BackOff
from consumer.model import Message

BATCH: Final = 1000


BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch larger than a slow broker takes within a request's timeout would fail as a whole, each time."""


def topic_back_off() -> BackOff:
    """Return a new backoff for a topic that does not answer."""
    return BackOff(first=timedelta(milliseconds=250), longest=timedelta(seconds=15))


@dataclass(slots=True, kw_only=True)
class TopicQueue:
    """The messages that wait in memory to be sent to one topic."""

    topic: str
    waiting: deque[Message] = field(default_factory=deque)
    size: int = 0
    back_off: BackOff = field(default_factory=topic_back_off)
    is_sending: bool = False
    is_behind: bool = False  # logged once, until the queue has been emptied

    def put(self, messages: Iterable[Message]) -> None:
        """Append messages to the queue."""
        self.waiting.extend(messages)
        self.size += sum(weight(message) for message in messages)

    def put_back(self, messages: Sequence[Message]) -> None:
        """Return taken messages to the front of the queue, in their order."""
        self.waiting.extendleft(reversed(messages))
        self.size += sum(weight(message) for message in messages)

    def take(self) -> list[Message]:
        """Take the next batch; the messages of one failure are not split."""
        batch: list[Message] = []
        size = 0
        while self.waiting:
            follows = bool(batch) and self.waiting[0].failure_id == batch[-1].failure_id is not None
            if not follows and (len(batch) >= BATCH or size >= BATCH_BYTES):
                break
            batch.append(self.waiting.popleft())
            size += weight(batch[-1])
        self.size -= size
        return batch


def weight(message: Message) -> int:
    """Return the bytes that count: key and value; the headers of our messages are few and short."""
    return len(message.body or b"") + len(message.key or b"")
