"""Harmless values of our own in a request that is to be sent: place, field and value, texts as templates."""

from typing import Any, Final

HARMLESS: Final[tuple[tuple[str, str, Any], ...]] = ()
