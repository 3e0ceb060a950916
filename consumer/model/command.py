"""A supervisor's command: who asks, with which key, within which organisations; and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from consumer.model.identity import FailureId, JsonObject, OrgId
from schemas.names import CommandName, CommandOutcome
from schemas.supervision import AnyCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandId:
    """Name of a command: its issuer's, and the one that the issuer gave it."""

    issuer: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFacts:
    """What the answer to a command repeats of it."""

    name: CommandName | None = None
    org_id: OrgId | None = None
    failure_id: FailureId | None = None
    by: str = ""
    """Who asked, and the issuer who vouches for that name: one person is one, whichever key is in use."""
    key_id: str = ""
    """The key that signed it; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command whose sender is known, and may ask for it."""

    id: CommandId
    command: AnyCommand
    digest: bytes
    """SHA-256 of the command: the same id with another one is another command, and refused."""
    organisations: frozenset[UUID] | None
    """Within which it acts; None: all."""
    facts: CommandFacts

    def reaches(self, org_id: UUID | None) -> bool:
        """Return whether it may act on an organisation; None stands for all of them."""
        return self.organisations is None or org_id in self.organisations


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedOrder:
    """A command whose sender is known, and that is not carried out: it is answered, and its id stays free."""

    id: CommandId
    facts: CommandFacts
    reason: str
    token: str
    """Tells this refusal from others of that id, and from what may become of it yet."""
    digest: bytes | None = None
    """Of the command, where it could be read: a copy of one that was carried out has that one's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What became of a command."""

    outcome: CommandOutcome
    reason: str = ""
    revokes: bool = False
    """It has to hold from its answer on, and replicas learn of it within `NOTHING_STARTS_AFTER`."""
    step: int | None = None
    """Of the heal that was asked for: an attempt from it on is its end."""
    details: JsonObject | None = None
    """What the answer says beside the outcome, by its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCommand:
    """A command that was carried out, or refused in that: what its answer says."""

    id: CommandId
    facts: CommandFacts
    digest: bytes
    executed: Executed
    decided_at: datetime
