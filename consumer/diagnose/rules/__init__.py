"""Diagnosis rule tables, one module per topic. A new rule is one row, with an example that only it recognises."""

from typing import Final

from consumer.diagnose.rule import Rule
from consumer.diagnose.rules import (
    access,
    assets,
    billing,
    concierge,
    foreign_causes,
    languages,
    lasting_words,
    passing_words,
    platform,
    schema,
    server,
    stall,
    transport,
    voice,
)

RULES: Final[tuple[Rule, ...]] = (
    *transport.RULES,
    *server.RULES,
    *access.RULES,
    *schema.RULES,
    *stall.RULES,
    *assets.RULES,
    *voice.RULES,
    *billing.RULES,
    *concierge.RULES,
    *platform.RULES,
    *languages.RULES,
    *foreign_causes.RULES,
    *passing_words.RULES,
    *lasting_words.RULES,
)
