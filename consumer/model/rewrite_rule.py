"""Rules that were learnt: a patch that mended one cause of one workflow again and again, and that a person accepted."""

from datetime import datetime
from uuid import UUID

from consumer.model.digest import digest
from consumer.model.identity import JsonObject, OrgId, uuid5_from_bytes
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class LearntPatch:
    """A patch of a workflow's definition, and how many failures of one fingerprint it has mended."""

    org_id: OrgId
    workflow_name: str
    fingerprint: str
    patch: tuple[JsonObject, ...]
    hypothesis: str
    """What its author said of it, the last time."""
    risk: str
    verified: int
    """Failures that are resolved, that did not come again within their watch, and of which it was the last patch that a
    person had approved."""

    @property
    def id(self) -> UUID:
        """Its id: the same for the same patch, fingerprint and organisation."""
        return uuid5_from_bytes(self.org_id.bytes, f"rule:{self.fingerprint}:{digest([*self.patch])}")


@value(frozen=True, slots=True, kw_only=True)
class RewriteRule:
    """A learnt patch that a person has accepted: it is proposed before the agent is asked, until it is revoked."""

    id: UUID
    learnt: LearntPatch
    accepted_by: str
    accepted_at: datetime
    reason: str
    revoked_by: str | None = None
    revoked_at: datetime | None = None
    revoked_why: str | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether nobody has revoked it."""
        return self.revoked_at is None
