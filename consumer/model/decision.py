"""What a person decides of a failure, whether they may, and the change of status that comes of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from consumer.model import FailureId, OrgId, Trace
from schemas.names import FailureType, Status


class Decision(StrEnum):
    """What a person says of a failure."""

    GIVE_UP = "give_up"  # it is not to be healed: final unless a heal is asked for
    RESOLVE = "resolve"  # what it was about did happen, or was done by hand: final
    DID_NOT_HAPPEN = "did_not_happen"  # the effect of unknown outcome did not happen: it may be made again


class DecisionResult(StrEnum):
    """What came of a decision."""

    DONE = "done"  # stands, and is told
    RESOLVED = "resolved"  # was resolved before: nothing changed
    GIVEN_UP = "given_up"  # was given up before: nothing changed
    NOT_IN_DOUBT = "not_in_doubt"  # no effect of unknown outcome to speak of: nothing changed
    NOT_FOUND = "not_found"  # no such failure


AFTER: Final = {
    Decision.GIVE_UP: Status.GIVEN_UP,
    Decision.RESOLVE: Status.RESOLVED,
    Decision.DID_NOT_HAPPEN: Status.PENDING,
}
"""Where the failure stands once it is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRequest:
    """A person's decision, in their words."""

    decision: Decision
    reason: str
    by: str

    def sentence(self) -> str:
        """Give it as one text, in the person's own words: not yet redacted."""
        return f"{self.decision.replace('_', ' ')} by {self.by}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A change of a failure's status that stands: what a person decided, or what was learnt after that."""

    status: Status
    reason: str
    failure_id: FailureId
    org_id: OrgId
    workflow_name: str
    failure_type: FailureType | None
    trace: Trace | None
    step: int
    """Of the failure, now."""
    at: datetime
    token: str
    """What tells its event from one of the same step in a history that the database has lost."""


def rule(decision: Decision, status: Status, *, in_doubt: bool = False) -> DecisionResult:
    """Say whether a decision can be made of a failure that stands so.

    `in_doubt`: the end of an effect became unknown after it was closed, and its scope is held until a person decides
    in that knowledge.
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
    """Give the failure's next step. A heal under way has the one after its own for what it tells of its end."""
    return step + 1 + heal_under_way
