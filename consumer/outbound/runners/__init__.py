"""The ways to the workflow engines: what the catalog describes, made into calls, and their answers read."""

from consumer.outbound.runners.configured import ConfiguredRunners

__all__ = ["ConfiguredRunners"]
