"""Retry budget: a token bucket for each target bounds the retries while it fails. Pure, with the time passed in.

As in botocore: a bucket of 500 tokens for each target, 14 for a try after a transient failure, 5 after a throttling
one, refunded when a try succeeds. The first call of a heal is free, so a heal can always find out that its target has
recovered. Each process has its own buckets: this bounds what one process adds to an outage.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

CAPACITY: Final = 500
TRANSIENT_COST: Final = 14
THROTTLED_COST: Final = 5
UNASKED_REFUND: Final = 1
"""Refund for a first call that succeeds: it had cost nothing."""
PER_SECOND: Final = 1.0
"""Refill rate. botocore's clients call all day and refill by successes; a healer calls only what has failed, so its
buckets refill with time: full after 500 s."""
TARGETS: Final = 4096
"""Most buckets kept, at some 200 bytes each. Publishers choose the targets' names: the least recently used go first."""


def cost(*, throttled: bool) -> int:
    """Return the tokens that one more try costs."""
    return THROTTLED_COST if throttled else TRANSIENT_COST


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens of one target at a time (monotonic seconds)."""

    tokens: float
    at: float

    def now(self, time: float) -> float:
        """Return the tokens at a later time, refill included."""
        return min(CAPACITY, self.tokens + max(0.0, time - self.at) * PER_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """Token buckets of all targets; a full one is not kept."""

    clock: Callable[[], float]
    _buckets: "OrderedDict[str, Bucket]" = field(default_factory=OrderedDict)

    def take(self, target: str, tokens: int) -> bool:
        """Take the tokens for one more try; False when too few are left, and then none are taken."""
        time = self.clock()
        left = self.left(target) - tokens
        if left < 0:
            return False
        self._buckets[target] = Bucket(left, time)
        self._buckets.move_to_end(target)
        if len(self._buckets) > TARGETS:
            self._buckets.popitem(last=False)
        return True

    def give_back(self, target: str, tokens: int) -> None:
        """Refund the tokens of a try that succeeded."""
        if target not in self._buckets:
            return
        tokens_then = self.left(target) + tokens
        if tokens_then >= CAPACITY:
            del self._buckets[target]
        else:
            self._buckets[target] = Bucket(tokens_then, self.clock())

    def left(self, target: str) -> float:
        """Return the tokens that a target has left."""
        bucket = self._buckets.get(target)
        return CAPACITY if bucket is None else bucket.now(self.clock())
