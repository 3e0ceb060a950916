"""Definitions that a proven patch has put in force, each watched for a relapse in a row of its own."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from consumer.model.identity import AttemptId, FailureId, JsonObject, OrgId
from schemas.value import value


class RewriteStage(StrEnum):
    """How far a rewritten definition is."""

    PROMOTING = "promoting"
    """It is being put in force: whether it is, its store says."""
    WATCHING = "watching"
    ROLLING_BACK = "rolling_back"
    KEPT = "kept"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    """Another one is in force than what it was to replace, or had become: nothing is done any more."""


@value(frozen=True, slots=True, kw_only=True)
class DefinitionWatch:
    """One definition that was put in force, or is being put there."""

    attempt_id: AttemptId
    """The attempt that puts it in force."""
    rewrite_id: UUID
    """The attempt that proposed it."""
    failure_id: FailureId
    org_id: OrgId
    workflow_name: str
    fingerprint: str
    base_digest: str
    digest: str
    before: JsonObject
    """What stood there, in its store's own form."""
    state: RewriteStage = RewriteStage.PROMOTING
    version: str = ""
    """What its store calls it; empty until that is known."""
    watch_until: datetime | None = None
    relapse_id: FailureId | None = None
    reason: str = ""
