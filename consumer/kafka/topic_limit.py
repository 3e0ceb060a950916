"""The bytes that a topic takes, learnt from what it refuses and forgotten after a while."""

import time
from dataclasses import dataclass
from typing import Final

LOWEST_LIMIT: Final = 2048
"""No topic is taken to have a limit below this: no message can be cut so far."""


LIMIT_AGAIN: Final = 600.0
"""Seconds after which a topic is tried with twice the limit that it was last found to have."""


@dataclass(slots=True)
class TopicLimit:
    """The bytes that a record or a batch of one topic may have, as far as is known."""

    highest: int
    _learnt: int | None = None
    _since: float = 0.0

    def now(self) -> int:
        """Give it."""
        if self._learnt is not None and time.monotonic() - self._since > LIMIT_AGAIN:
            self._set(self._learnt * 2)
        return self.highest if self._learnt is None else self._learnt

    def refused(self, size: int) -> None:
        """Learn that something of at most this size was too large."""
        self._set(max(LOWEST_LIMIT, min(size, self.now()) // 2))

    def _set(self, limit: int) -> None:
        self._learnt = limit if limit < self.highest else None
        self._since = time.monotonic()
