"""Adaptive size limit of a topic: learnt from the broker's refusals, and forgotten after a while."""

import time
from dataclasses import dataclass
from typing import Final

LOWEST_LIMIT: Final = 2048
"""Floor of the limit in bytes: no message can be cut so far."""


LIMIT_AGAIN: Final = 600.0
"""Seconds after which a topic is tried with twice its learnt limit."""


@dataclass(slots=True)
class TopicLimit:
    """The size limit in bytes of a record or a batch of one topic, as far as is known."""

    highest: int
    _estimate: int | None = None
    _estimated_at: float = 0.0

    def now(self) -> int:
        """Return the present limit."""
        if self._estimate is not None and time.monotonic() - self._estimated_at > LIMIT_AGAIN:
            self._set(self._estimate * 2)
        return self.highest if self._estimate is None else self._estimate

    def refused(self, size: int) -> None:
        """Lower the limit after the broker refused a size of at most this as too large."""
        self._set(max(LOWEST_LIMIT, min(size, self.now()) // 2))

    def _set(self, limit: int) -> None:
        self._estimate = limit if limit < self.highest else None
        self._estimated_at = time.monotonic()
