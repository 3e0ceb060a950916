"""How many more calls a target may get while it fails: pure, with the time passed in.

As botocore does it: a bucket of 500 tokens for each target, 14 for a try after a transient failure, 5 after a
throttling one, given back when a try succeeds. The first call of a heal is free, so a heal can always find out that
its target is well again. Each process has its own buckets: it bounds what one process adds to an outage.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

CAPACITY: Final = 500
TRANSIENT_COST: Final = 14
THROTTLED_COST: Final = 5
UNASKED_REFUND: Final = 1
"""For a first call that succeeds."""
PER_SECOND: Final = 1.0
"""botocore's clients call all day and refill by successes. A healer calls only what has failed: full after 500 s."""
TARGETS: Final = 4096
"""Their names are the publishers' to choose: those touched longest ago are forgotten, at some 200 bytes each."""


def cost(*, throttled: bool) -> int:
    """Price one more try."""
    return THROTTLED_COST if throttled else TRANSIENT_COST


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens of one target at a time (monotonic seconds)."""

    tokens: float
    at: float

    def now(self, time: float) -> float:
        """Count the tokens at a later time."""
        return min(CAPACITY, self.tokens + max(0.0, time - self.at) * PER_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """The buckets of all targets; one that is full is not kept."""

    clock: Callable[[], float]
    _buckets: "OrderedDict[str, Bucket]" = field(default_factory=OrderedDict)

    def take(self, target: str, tokens: int) -> bool:
        """Pay for one more try; False when there are too few left, and then nothing is taken."""
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
        """Refund a try that succeeded."""
        if target not in self._buckets:
            return
        tokens_then = self.left(target) + tokens
        if tokens_then >= CAPACITY:
            del self._buckets[target]
        else:
            self._buckets[target] = Bucket(tokens_then, self.clock())

    def left(self, target: str) -> float:
        """Count what a target has left."""
        bucket = self._buckets.get(target)
        return CAPACITY if bucket is None else bucket.now(self.clock())
