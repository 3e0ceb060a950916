"""Models of a Prefect server's answers, and their mapping to phases and order results. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, JsonValue, TypeAdapter

from consumer.model import Json
from consumer.model.call import Ambiguous, Answer, CallResult
from consumer.runners.answers import SUCCESSES, ServerModel, not_accepted, parsed, server_time
from consumer.runners.contract import Accepted, OrderResult, Phase, Rejected, RunRef, WaitsFor
from schemas.names import Effect

EVALUATED: Final = "__prefect_kind"
"""Marks a part of the parameters that the server evaluates: as a template, or as one of its variables."""
_SHOWN: Final = 200
_CLOCK_TOLERANCE: Final = timedelta(seconds=2)
_FAILED: Final = frozenset({"FAILED", "CRASHED"})
_PHASES: Final[Mapping[str, Phase]] = {
    "PENDING": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "CANCELLING": Phase.CANCELLING,
    "PAUSED": Phase.WAITING,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CRASHED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}


class Details(ServerModel):
    """Details of a state, or of the answer to a proposed state."""

    transition_id: UUID | None = None
    scheduled_time: AwareDatetime | None = None
    reason: str | None = None
    delay_seconds: int | None = None


class State(ServerModel):
    """One state that a run was in."""

    type: str
    name: str
    state_details: Details
    timestamp: AwareDatetime | None = None


class FlowRun(ServerModel):
    """One flow run."""

    id: UUID
    state: State
    run_count: int
    deployment_id: UUID | None
    parameters: dict[str, JsonValue]

    @property
    def has_failed(self) -> bool:
        """Whether it has ended in failure and may be run again."""
        return self.state.type in _FAILED

    @property
    def is_cancelled(self) -> bool:
        """Whether a person cancelled it: that is no failure."""
        return self.state.type == "CANCELLED"

    @property
    def said(self) -> str:
        """The state's name."""
        return self.state.name[:_SHOWN]


class Created(ServerModel):
    """A run that was created, or found under its idempotency key."""

    id: UUID


class Transition(ServerModel):
    """The server's answer to a proposed state: its status, and details."""

    status: str
    details: Details = Details()


HISTORY: Final = TypeAdapter(tuple[State, ...])
FLOW_RUN: Final = TypeAdapter(FlowRun)
CREATED: Final = TypeAdapter(Created)
_TRANSITION: Final = TypeAdapter(Transition)


def phase_of(found: FlowRun, answer: Answer) -> Phase | None:
    """Return the phase of a run; a scheduled one is waiting until its time by the server's own clock, then queued."""
    if found.state.type != "SCHEDULED":
        return _PHASES.get(found.state.type)
    until, there = found.state.state_details.scheduled_time, server_time(answer)
    waits = until is not None and there is not None and until - there > _CLOCK_TOLERANCE
    return Phase.WAITING if waits else Phase.QUEUED


def waits_for(found: FlowRun, phase: Phase) -> WaitsFor | None:
    """Return what a waiting run waits for: its time, or whoever resumes it."""
    if phase is not Phase.WAITING:
        return None
    return WaitsFor.PERSON if found.state.type == "PAUSED" else WaitsFor.TIMER


def transition_of(run: RunRef, result: CallResult) -> OrderResult:
    """Map the answer to the proposal to reschedule the run."""
    if not isinstance(result, Answer):
        return result
    if result.status not in SUCCESSES:
        return not_accepted(result, Effect.KEYED)
    said = parsed(result, _TRANSITION)
    if said is None:
        return Ambiguous(kind="NoState", reason="the answer to the order is not readable", elapsed=result.elapsed)
    if said.status == "ACCEPT":
        return Accepted(run=run, said="scheduled the run again")
    delay = said.details.delay_seconds
    reason = f"Prefect says {said.status[:_SHOWN]}: {(said.details.reason or '')[:_SHOWN]}"
    return Rejected(reason=reason, after=None if delay is None else timedelta(seconds=max(0, delay)))


def creation_of(run: RunRef, result: CallResult) -> OrderResult:
    """Map the answer to the request to create another run."""
    if not isinstance(result, Answer):
        return result
    if result.status == HTTPStatus.CONFLICT:
        return Rejected(reason="the deployment's own schema does not take the parameters")
    if result.status not in SUCCESSES:
        return not_accepted(result, Effect.KEYED)
    created = parsed(result, CREATED)
    if created is None:
        return Ambiguous(kind="NoRun", reason="a run was made, but its id is not readable", elapsed=result.elapsed)
    return Accepted(run=replace(run, run_id=str(created.id), epoch=None), said="made another run")


def is_evaluated(document: Json) -> bool:
    """Return whether the server would evaluate a part of a document, at any depth."""
    waiting: list[Json] = [document]
    while waiting:
        match waiting.pop():
            case dict() as members:
                if EVALUATED in members:
                    return True
                waiting += members.values()
            case list() as items:
                waiting += items
            case _:
                continue
    return False
