"""Rewrites: patches of a workflow's definition that were proposed for a failure, and proven by code."""

from consumer.model.identity import AttemptId, FailureId, JsonObject, OrgId
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """One proposed patch, with what it is based on and what a person was asked for."""

    attempt_id: AttemptId
    failure_id: FailureId
    org_id: OrgId
    workflow_name: str
    fingerprint: str
    base_digest: str
    """Digest of the definition that it changes: of another one nothing is proven."""
    digest: str
    """Digest of the definition that it leads to."""
    told_digest: str
    """Digest of what a person is asked for."""
    patch: tuple[JsonObject, ...]
    hypothesis: str
    risk: str
    objections: str
    """What the critic had against it; empty where nothing."""
    prompts: str
    """Version of the prompts by which it was made."""
    good_runs: int
    """How many recorded good runs were replayed unchanged."""
    canary: bool = False
    """A person was asked for a canary run of it as well, and for its promotion."""
