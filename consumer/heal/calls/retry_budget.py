"""Retry budget: a token bucket for each target bounds the retries while it fails.

As in botocore: a bucket of 500 tokens for each target, 14 for a try after a transient failure, 5 after a throttling
one, refunded when a try succeeds. The first call of a heal is free, so a heal can always find out that its target has
recovered. Each process has its own buckets: this bounds what one process adds to an outage.
"""

from collections.abc import Callable
from typing import Final

from consumer.model.token_buckets import TokenBuckets

CAPACITY: Final = 500
TRANSIENT_COST: Final = 14
THROTTLED_COST: Final = 5
UNASKED_REFUND: Final = 1
"""Refund for a first call that succeeds: it had cost nothing."""
PER_SECOND: Final = 1.0
"""Refill rate. botocore's clients call all day and refill by successes; a healer calls only what has failed, so its
buckets refill with time: full after 500 s."""


def retry_budget(clock: Callable[[], float]) -> TokenBuckets:
    """Return the buckets of all targets, all full; publishers name the targets, so their number is bounded."""
    return TokenBuckets(burst=CAPACITY, per_second=PER_SECOND, clock=clock)


def cost(*, throttled: bool) -> int:
    """Return the tokens that one more try costs."""
    return THROTTLED_COST if throttled else TRANSIENT_COST
