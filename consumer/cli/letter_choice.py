"""Filter of dead letters by reason, time and origin, as far as their bytes have it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from consumer.kafka.dead_letters import Letter
from schemas.errors import EnvelopeError
from schemas.json_text import load_json
from schemas.names import PoisonReason


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOrigin:
    """Source and organisation of a dead letter; None where its bytes do not have one."""

    source: str | None = None
    organisation: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Criteria of a dead letter; a criterion that is None matches all."""

    reason: PoisonReason | None = None
    source: str | None = None
    """The whole source, or a glob pattern with `*` as in the catalog."""
    organisation: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_any(self) -> bool:
        """Whether it matches every letter."""
        return self == LetterFilter()

    def holds(self, letter: Letter) -> bool:
        """Return whether a letter matches; one that the healer did not write has neither reason nor time."""
        if self.is_any:
            return True
        marks = letter.marks
        if marks is None or (self.reason is not None and marks.shw_dlq_reason is not self.reason):
            return False
        if (self.since is not None and marks.shw_dlq_at < self.since) or (
            self.until is not None and marks.shw_dlq_at >= self.until
        ):
            return False
        if self.source is None and self.organisation is None:
            return True
        voice = voice_of(letter)
        if self.organisation is not None and voice.organisation != self.organisation:
            return False
        return self.source is None or (voice.source is not None and fnmatchcase(voice.source, self.source))


def voice_of(letter: Letter) -> EventOrigin:
    """Read source and organisation from the bytes of a refused event, as far as they can be parsed."""
    named = {name.lower(): content for name, content in letter.own_headers}
    try:
        document = load_json(letter.record.value or b"")
    except EnvelopeError:
        document = None
    members: dict[str, Any] = document if isinstance(document, dict) else {}
    if "ce_specversion" in named:
        return EventOrigin(source=_text(named.get("ce_source")), organisation=_organisation(members))
    if "specversion" in members or "data" in members:
        data = members.get("data")
        source = members.get("source")
        return EventOrigin(
            source=source if isinstance(source, str) else None,
            organisation=_organisation(data if isinstance(data, dict) else {}),
        )
    is_bare = letter.marks is not None and isinstance(document, dict)
    source = f"urn:kafka:{letter.marks.shw_dlq_topic}" if is_bare and letter.marks else None
    return EventOrigin(source=source, organisation=_organisation(members))


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def _organisation(data: dict[str, Any]) -> UUID | None:
    given = data.get("org_id")
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None
