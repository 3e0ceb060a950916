"""What a person decides of a failure, whether they may, and the event that tells it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import uuid5

from consumer.model import FailureId, Message, OrgId, Trace
from consumer.redact import redact_text
from consumer.results import Outlet, cut
from schemas.envelope import encode
from schemas.events import failure_status_event
from schemas.heal_result import FailureStatus
from schemas.names import FailureType, Status, WaitsOn
from schemas.trace import NO_TRACE
from schemas.trace import Trace as EventTrace

MAX_REASON: Final = 4096
"""Characters of a person's reason that are kept."""


class Decision(StrEnum):
    """What a person says of a failure."""

    GIVE_UP = "give_up"  # it is not to be healed: final unless a heal is asked for
    RESOLVE = "resolve"  # what it was about did happen, or was done by hand: final
    DID_NOT_HAPPEN = "did_not_happen"  # the effect of unknown outcome did not happen: it may be made again


class Ruling(StrEnum):
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
class Word:
    """A person's decision, in their words."""

    decision: Decision
    reason: str
    by: str

    def told(self) -> str:
        """Give it as one text that may leave the house."""
        return plain(f"{self.decision.replace('_', ' ')} by {self.by}: {self.reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
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


def plain(text: str) -> str:
    """Give a person's words as they may be kept and told: without secrets, at most so long, and in UTF-8."""
    return redact_text(text.encode(errors="replace").decode())[:MAX_REASON]


def rule(decision: Decision, status: Status, *, in_doubt: bool = False) -> Ruling:
    """Say whether a decision can be made of a failure that stands so.

    `in_doubt`: the end of an effect became unknown after it was closed, and its scope is held until a person decides
    in that knowledge.
    """
    match decision, status:
        case _, Status.RESOLVED | Status.GIVEN_UP if in_doubt:
            return Ruling.DONE
        case _, Status.RESOLVED:
            return Ruling.RESOLVED
        case Decision.GIVE_UP, Status.GIVEN_UP:
            return Ruling.GIVEN_UP
        case Decision.DID_NOT_HAPPEN, Status.NEEDS_PERSON:
            return Ruling.DONE
        case Decision.DID_NOT_HAPPEN, _:
            return Ruling.NOT_IN_DOUBT
        case _:
            return Ruling.DONE


def step_after(step: int, *, heal_under_way: bool) -> int:
    """Give the failure's next step. A heal under way has the one after its own for what it tells of its end."""
    return step + 1 + heal_under_way


def message_of(decided: Decided, outlet: Outlet) -> Message:
    """Tell a decision, or another change of the failure's status that no heal has told."""
    status = FailureStatus(
        failure_id=decided.failure_id,
        org_id=decided.org_id,
        workflow_name=decided.workflow_name,
        failure_type=decided.failure_type,
        step=decided.step,
        status=decided.status,
        reason=decided.reason,
        waits_on=WaitsOn.PERSON if decided.status is Status.NEEDS_PERSON else None,
        changed_at=decided.at,
    )
    trace = EventTrace(decided.trace.traceparent, decided.trace.tracestate) if decided.trace else NO_TRACE
    body, headers = encode(failure_status_event(status, trace, decided.token))
    before = decided.step - 1
    message = Message(
        id=uuid5(decided.failure_id, f"status:{before}:{decided.token}"),
        failure_id=decided.failure_id,
        step=before,
        rank=1,
        topic=outlet.results_topic,
        key=str(decided.failure_id).encode(),
        headers=tuple(headers),
        body=body,
    )
    return cut(message, outlet.max_bytes)
