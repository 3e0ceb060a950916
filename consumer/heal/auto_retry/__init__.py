"""auto-retry: makes the failed call again where that does no harm, and proves what came of it."""

from consumer.heal.auto_retry.strategy import AutoRetry, Calls

__all__ = ["AutoRetry", "Calls"]
