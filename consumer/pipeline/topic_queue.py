"""What waits in memory for its topic, taken in batches that part no failure's messages."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from consumer.event_loop import BackOff
from consumer.model import Message

BATCH: Final = 1000


BATCH_BYTES: Final = 8 * 1024 * 1024
"""More than a slow broker takes within a request's timeout would fail as a whole, each time."""


def topic_back_off() -> BackOff:
    """Give the back-off of a topic that does not answer."""
    return BackOff(first=timedelta(milliseconds=250), longest=timedelta(seconds=15))


@dataclass(slots=True, kw_only=True)
class TopicQueue:
    """The direct way to one topic."""

    topic: str
    waiting: deque[Message] = field(default_factory=deque)
    size: int = 0
    back_off: BackOff = field(default_factory=topic_back_off)
    is_sending: bool = False
    is_behind: bool = False  # said once, until all that waits has been sent

    def put(self, messages: Iterable[Message]) -> None:
        """Let messages wait behind the others."""
        self.waiting.extend(messages)
        self.size += sum(weight(message) for message in messages)

    def put_back(self, messages: Sequence[Message]) -> None:
        """Let messages that were taken wait before the others, in their order."""
        self.waiting.extendleft(reversed(messages))
        self.size += sum(weight(message) for message in messages)

    def take(self) -> list[Message]:
        """Take the next messages; what belongs to one failure is not parted."""
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
    """Give the bytes that count: key and value; headers of ours are few and short."""
    return len(message.body or b"") + len(message.key or b"")
