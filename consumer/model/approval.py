"""Approvals: what a plan asks of a person, what stands of it beside its failure, and the answer to it. Pure.

A plan is asked for by its hash at a step of its failure. The answer binds to both, is used by the one heal of the step
after it, and expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from consumer.model.identity import FailureId, JsonObject, OrgId
from schemas.names import StrategyName
from schemas.value import value


class ApprovalState(StrEnum):
    """Where the plan of a failure stands that was asked for last."""

    ASKED = "asked"  # waits for its answer until it expires
    APPROVED = "approved"  # may be carried out once, at its step, until it expires
    DENIED = "denied"  # is never carried out
    EXPIRED = "expired"  # nobody answered in time: planned and asked again


@value(frozen=True, slots=True, kw_only=True)
class Approval:
    """The plan of a failure that was asked for last, and its answer."""

    state: ApprovalState
    step: int
    """Step of the failure at which it holds: at which it was asked, or of the heal that it permits."""
    strategy: str
    plan_hash: str
    """Hash of the whole plan, with what was added at the gate."""
    base_hash: str
    """Hash of the plan as it is known before the heal begins."""
    until: datetime
    """When the time to answer ends, or to begin what was approved."""
    asked: int = 1
    """How often plans of this strategy were asked for without a heal in between."""
    edits: str | None = None
    """Digest of the edits that are a part of the plan; None where none were asked for."""
    changes: JsonObject | None = None
    """New parts of the context, under which it was approved."""
    denied: Mapping[str, str] = field(default_factory=dict)
    """Why, by strategy that was denied since the failure was last restarted."""
    by: tuple[str, ...] = ()
    """Who approved it."""

    def permits(self, step: int, now: datetime) -> bool:
        """Return whether it is approved for the heal of a step, now."""
        return self.state is ApprovalState.APPROVED and self.step == step and now < self.until


@value(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What is asked of a person: a plan with its hash, why it is asked for, and the rules of the answer."""

    strategy: StrategyName
    rung: str
    """The strategy, or the declared action that is asked for."""
    plan: JsonObject
    """What would be done, whole and redacted."""
    plan_hash: str
    base_hash: str
    edits: str | None = None
    why: tuple[str, ...]
    """What the catalog marks it for, in words."""
    asked: int
    """1 for the first time."""
    asks: int
    """How often it is asked for at most."""
    valid_for: timedelta
    """Time to answer, and then again to begin what was approved."""
    approvers: int
    """How many people have to approve."""
    self_approval: bool
    """Whether a person who asked for the heal may approve it."""
    fingerprint: str | None = None
    """Key under which a proven heal of it makes later ones known; None where none is asked for that."""
    denied: Mapping[str, str] = field(default_factory=dict)


@value(frozen=True, slots=True, kw_only=True)
class AskedPlan:
    """A plan as it is stored with its question."""

    failure_id: FailureId
    org_id: OrgId
    step: int
    """Step of the failure at which it waits for its answer."""
    request: PlanRequest
    expires_at: datetime


class AnswerResult(StrEnum):
    """The result of an answer to a plan; for all but the first four nothing was changed."""

    APPROVED = "approved"  # the plan is carried out as soon as there is a free slot
    COUNTED = "counted"  # a yes of those that it needs: another person has to approve too
    DENIED = "denied"  # the plan is never carried out
    ALREADY = "already"  # this person's same answer stands already
    NOT_FOUND = "not_found"  # no such failure, in the organisation that was named
    NOT_ASKED = "not_asked"  # the failure waits for no answer
    OTHER_PLAN = "other_plan"  # the hash is that of another plan
    OTHER_STEP = "other_step"  # the plan was asked for at another step
    EXPIRED = "expired"  # the time to answer is over: it is asked again
    ANSWERED = "answered"  # it was answered before
    OWN_REQUEST = "own_request"  # the person asked for this heal, and the catalog wants another one's yes
    OTHER_CHANGES = "other_changes"  # another person has approved it otherwise


CHANGED: Final = frozenset({AnswerResult.APPROVED, AnswerResult.COUNTED, AnswerResult.DENIED})
"""Results of an answer that was recorded."""
REFUSALS: Final[Mapping[AnswerResult, str]] = {
    AnswerResult.ALREADY: "this person's same answer stands already",
    AnswerResult.NOT_FOUND: "no such failure among those that may be answered here, or no plan of it was asked for",
    AnswerResult.NOT_ASKED: "the failure waits for no answer",
    AnswerResult.OTHER_PLAN: "the hash is that of another plan: read the one that is asked for now",
    AnswerResult.OTHER_STEP: "the plan was asked for at another step: read the one that is asked for now",
    AnswerResult.EXPIRED: "the time to answer is over: the plan is made anew, and asked for again",
    AnswerResult.ANSWERED: "it was answered before",
    AnswerResult.OWN_REQUEST: "the person asked for this heal, and the catalog wants another one's yes",
    AnswerResult.OTHER_CHANGES: "another person has approved it with other changes, or without",
}
"""Why an answer changed nothing, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPlan:
    """The plan under new parts of the context, which an approval covers in place of the one that was asked for."""

    changes: JsonObject
    plan: JsonObject
    plan_hash: str
    base_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """A person's answer to a plan, in their words; or a program's for one."""

    approves: bool
    plan_hash: str
    step: int
    """Step at which the plan was asked for, as it was published."""
    by: str
    reason: str
    changed: ChangedPlan | None = None
    """With changes: only of an approval."""

    def sentence(self) -> str:
        """Return the answer as one text, in the person's own words: not yet redacted."""
        verb = ("approved with changes" if self.changed is not None else "approved") if self.approves else "denied"
        return f"{verb} by {self.by}: {self.reason}"
