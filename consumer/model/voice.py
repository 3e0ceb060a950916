"""Reporting sources (voices) and their counts: the input of the intake circuit breaker."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID, uuid5

from consumer.model import ID_SPACE, OrgId


class ReportingSource(NamedTuple):
    """A source that reports for an organisation; in a rejected record it is only a claim."""

    source: str
    org_id: OrgId

    @property
    def id(self) -> UUID:
        """Deterministic id, the same in every process."""
        return uuid5(ID_SPACE, f"voice:{self.org_id}:{self.source}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardInterval:
    """Number of accepted sources and organisations in one beat; there is none for a time without a reading process."""

    organisations: int
    sources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentSources:
    """Voices with dead letters and nothing accepted since the silence began; only those accepted before count."""

    sources: int
    organisations: int
    letters: int
