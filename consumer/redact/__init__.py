"""Secret redaction: removes secrets from input before anything stores, logs, shows or sends it.

Secrets are found by a field's name (`names.py`), a value's shape (`shapes.py`), its place (`structure.py`, `text.py`)
or its randomness (`entropy.py`); `words.py` is for text that a person wrote. Neighbours: `ingest/` and `results/` call
it.
Invariant: what is in doubt is removed.
"""

from consumer.redact.structure import redact_context, redact_json, redact_text
from consumer.redact.suspect import may_hold_secret
from consumer.redact.text import REDACTED

__all__ = ["REDACTED", "may_hold_secret", "redact_context", "redact_json", "redact_text"]
