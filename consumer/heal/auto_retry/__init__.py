"""auto-retry strategy: retries the failed HTTP call where that does no harm, and verifies the result.

`strategy.py` plans and acts, `rules.py` holds what it must not do, `retrying.py` is the retry loop; all else is in
`heal/calls/`. Invariant: the same as that package's.
"""

from consumer.heal.auto_retry.strategy import AutoRetry, Calls

__all__ = ["AutoRetry", "Calls"]
