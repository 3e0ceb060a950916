"""Digest of a JSON value under the name by which strategies, those of others too, import it."""

from consumer.model.digest import digest

__all__ = ["digest"]
