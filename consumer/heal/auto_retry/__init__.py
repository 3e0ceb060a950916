"""auto-retry: makes the failed call again where that does no harm, and proves what came of it.

`strategy.py` plans and acts, `rules.py` says what it must not do, `retrying.py` is the loop of tries; all else is
`heal/calls/`. Invariant: as that room's.
"""

from consumer.heal.auto_retry.strategy import AutoRetry, Calls

__all__ = ["AutoRetry", "Calls"]
