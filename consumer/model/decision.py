"""Decisions of a person on a failure (give up, resolve, did not happen): rules, results, status changes. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from consumer.model import FailureId, OrgId, Trace
from consumer.model.approval import ChangedPlan
from schemas.names import FailureType, Status


class Decision(StrEnum):
    """A person's decision on a failure."""

    GIVE_UP = "give_up"  # it is not to be healed: final unless a heal is requested
    RESOLVE = "resolve"  # its effect did happen, or was done by hand: final
    DID_NOT_HAPPEN = "did_not_happen"  # the effect of unknown outcome did not happen: it may be made again


class DecisionResult(StrEnum):
    """The result of a decision."""

    DONE = "done"  # recorded, and published
    RESOLVED = "resolved"  # was resolved before: nothing changed
    GIVEN_UP = "given_up"  # was given up before: nothing changed
    NOT_IN_DOUBT = "not_in_doubt"  # there is no effect of unknown outcome: nothing changed
    NOT_FOUND = "not_found"  # no such failure


STATUS_AFTER: Final = {
    Decision.GIVE_UP: Status.GIVEN_UP,
    Decision.RESOLVE: Status.RESOLVED,
    Decision.DID_NOT_HAPPEN: Status.PENDING,
}
"""Status of the failure after each decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRequest:
    """A person's decision, in their words."""

    decision: Decision
    reason: str
    by: str

    def sentence(self) -> str:
        """Return the decision as one text, in the person's own words: not yet redacted."""
        return f"{self.decision.replace('_', ' ')} by {self.by}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A committed change of a failure's status: a person's decision, or what was learnt after it."""

    status: Status
    reason: str
    failure_id: FailureId
    org_id: OrgId
    workflow_name: str
    failure_type: FailureType | None
    trace: Trace | None
    step: int
    """Step of the failure, now."""
    at: datetime
    changed_plan: ChangedPlan | None = None
    """The plan that was approved in place of the one that was asked for."""
    approved_by: str = ""
    token: str
    """Makes its event's id differ from one of the same step in a history that the database has lost."""


def rule(decision: Decision, status: Status, *, in_doubt: bool = False) -> DecisionResult:
    """Return whether a decision is applicable to a failure in a status.

    `in_doubt`: the outcome of an effect became unknown after the failure was closed, and its scope is held until a
    person decides in that knowledge.
    """
    match decision, status:
        case _, Status.RESOLVED | Status.GIVEN_UP if in_doubt:
            return DecisionResult.DONE
        case _, Status.RESOLVED:
            return DecisionResult.RESOLVED
        case Decision.GIVE_UP, Status.GIVEN_UP:
            return DecisionResult.GIVEN_UP
        case Decision.DID_NOT_HAPPEN, Status.NEEDS_PERSON:
            return DecisionResult.DONE
        case Decision.DID_NOT_HAPPEN, _:
            return DecisionResult.NOT_IN_DOUBT
        case _:
            return DecisionResult.DONE


def step_after(step: int, *, heal_under_way: bool) -> int:
    """Return the failure's next step; while a heal is under way, the step after its own is reserved for its end."""
    return step + 1 + heal_under_way
