"""A person's own words, as they may be kept and told."""

from typing import Final

from consumer.redact import redact_text

MAX_REASON: Final = 4096
"""Characters of a person's reason that are kept."""


def redact_words(text: str) -> str:
    """Give a person's words as they may be kept and told: without secrets, at most so long, and in UTF-8."""
    return redact_text(text.encode(errors="replace").decode())[:MAX_REASON]
