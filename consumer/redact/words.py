"""Redaction of free text that a person wrote, such as the reason of a decision, before it is stored and published."""

from typing import Final

from consumer.redact import redact_text

MAX_REASON: Final = 4096
"""Maximum length of a person's reason, in characters; the rest is cut."""


def redact_words(text: str) -> str:
    """Return a person's text as it may be stored and published: redacted, truncated to `MAX_REASON`, valid UTF-8."""
    return redact_text(text.encode(errors="replace").decode())[:MAX_REASON]
