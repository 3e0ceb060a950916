"""Who speaks to the healer, and how many of them are heard: what the intake breaker counts."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID, uuid5

from consumer.model import ID_SPACE, OrgId


class Voice(NamedTuple):
    """A source that speaks for an organisation; of a refused record it is only a claim."""

    source: str
    org_id: OrgId

    @property
    def id(self) -> UUID:
        """The same in every process."""
        return uuid5(ID_SPACE, f"voice:{self.org_id}:{self.source}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardInterval:
    """How many were accepted in one beat of time; there is none for a time in which nobody was reading."""

    organisations: int
    sources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentVoices:
    """Who had dead letters and nothing accepted since the silence began; only who had been accepted before counts."""

    sources: int
    organisations: int
    letters: int
