"""What speaks for which failure type: a table of rules, each beside an example that it must recognise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from consumer.model import Evidence, JsonObject
from schemas.names import FailureType

EXCERPT: Final = 80
"""Characters of the reason that an evidence quotes at most: enough to see the words in their place."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A failure's reason, lowered once for all the rules that look into it."""

    text: str
    lowered: str

    def around(self, start: int, length: int) -> str:
        """Quote the text around a place in its lowered form."""
        # Lowering can lengthen a text, and then its places are others.
        text = self.text if len(self.text) == len(self.lowered) else self.lowered
        first = max(0, start - (EXCERPT - length) // 2)
        return text[first : first + EXCERPT]


class Rule(Protocol):
    """One thing to look for. Pure, quick, and linear in what it reads."""

    @property
    def failure_type(self) -> FailureType:
        """What it speaks for."""
        ...

    def evidence(self, reason: Reason, context: JsonObject) -> Evidence | None:
        """Give what it found, or None when it found nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Looks for any of some words in the reason, in lower case and anywhere, within other words too."""

    id: str
    failure_type: FailureType
    words: tuple[str, ...]
    example: str
    weight: float = 1.0

    def evidence(self, reason: Reason, context: JsonObject) -> Evidence | None:  # noqa: ARG002 - the Protocol's
        """Give the first of the words that stands there, in its place."""
        for word in self.words:
            start = reason.lowered.find(word)
            if start >= 0:
                excerpt = reason.around(start, len(word))
                return Evidence(source="failure_reason", text=excerpt, rule=self.id, weight=self.weight)
        return None


def _in_order() -> Iterator[Rule]:
    """List the rules with the one that goes before first."""
    yield Words(
        id="words.timeout",
        failure_type=FailureType.API_TIMEOUT,
        words=("timeout",),
        example="POST https://billing.example.com/v1/charges: Timeout of 30000 ms exceeded",
    )
    yield Words(
        id="words.schema",
        failure_type=FailureType.INVALID_SCHEMA,
        words=("schema", "validation"),
        example="Validation failed: 'amount' is a required property",
    )
    yield Words(
        id="words.stall",
        failure_type=FailureType.WORKFLOW_STALL,
        words=("stall", "stuck"),
        example="Run stuck in step enrich for 40 minutes",
    )
    yield Words(
        id="words.image",
        failure_type=FailureType.MISSING_IMAGE,
        words=("image",),
        example="Hero image was not generated: empty answer",
    )
    yield Words(
        id="words.voice",
        failure_type=FailureType.VOICE_GENERATION_ERROR,
        words=("voice", "audio"),
        example="Voice synthesis returned 0 bytes of audio",
    )
    yield Words(
        id="words.billing",
        failure_type=FailureType.BILLING_SYNC_ISSUE,
        words=("billing", "payment"),
        example="Payment captured but the ledger still says open",
    )
    yield Words(
        id="words.concierge",
        failure_type=FailureType.CONCIERGE_ACTION_FAILURE,
        words=("concierge",),
        example="Concierge could not book the table for room 12",
    )


RULES: Final = tuple(_in_order())
