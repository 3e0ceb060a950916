"""Token buckets by key: what each may spend at once, and in the long run; for a bounded number of keys. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

MOST_KEYS = 4096
"""Buckets kept unless said otherwise, at some 200 bytes each: whoever chooses the keys must not fill the memory."""


@dataclass(frozen=True, slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBuckets:
    """Each key may spend `burst` tokens at once, and `per_second` in the long run.

    Kept are the buckets that were spent from last: one that is dropped, or full, is full when its key comes back.
    """

    burst: float
    per_second: float
    clock: Callable[[], float]
    """Monotonic seconds; one that goes back gives nothing and takes nothing."""
    most_keys: int = MOST_KEYS
    _buckets: OrderedDict[Hashable, _Bucket] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._buckets)

    def left(self, key: Hashable) -> float:
        """Return the tokens that a key has; below 0, its debt."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return self.burst
        return min(self.burst, bucket.tokens + max(0.0, self.clock() - bucket.at) * self.per_second)

    def wait_for(self, key: Hashable, tokens: float = 1) -> float:
        """Return the seconds until a key has so many tokens; 0: it has them."""
        return max(0.0, tokens - self.left(key)) / self.per_second

    def take(self, key: Hashable, tokens: float = 1) -> bool:
        """Take tokens; False when too few are left, and then none are taken."""
        if self.left(key) < tokens:
            return False
        self.spend(key, tokens)
        return True

    def spend(self, key: Hashable, tokens: float = 1) -> None:
        """Take tokens, whether they are there or not: what is lacking is a debt."""
        self._keep(key, self.left(key) - tokens)

    def give_back(self, key: Hashable, tokens: float) -> None:
        """Refund tokens, up to the burst."""
        self._keep(key, self.left(key) + tokens)

    def _keep(self, key: Hashable, tokens: float) -> None:
        if tokens >= self.burst:
            self._buckets.pop(key, None)
            return
        self._buckets[key] = _Bucket(tokens, self.clock())
        self._buckets.move_to_end(key)
        if len(self._buckets) > self.most_keys:
            self._buckets.popitem(last=False)
