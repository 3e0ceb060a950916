"""Takes secrets out of what came in, before anything stores, logs, shows or sends it."""

from consumer.redact.structure import redact_json, redact_text
from consumer.redact.suspect import may_hold_secret
from consumer.redact.text import REDACTED

__all__ = ["REDACTED", "may_hold_secret", "redact_json", "redact_text"]
