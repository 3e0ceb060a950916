"""The healer's own events: their source, their ids, and their envelopes, ready for `schemas.envelope.encode`."""

from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.bulk import BULK_PROGRESS_TYPE, BulkProgress
from schemas.definition_change import DEFINITION_CHANGE_TYPE, DefinitionChanged
from schemas.dependency_binding import DEPENDENCY_BINDING_TYPE, DependencyBinding
from schemas.envelope import Envelope
from schemas.failure_refused import FAILURE_REFUSED_TYPE, FailureRefused
from schemas.heal_result import (
    BUDGET_WARNING_TYPE,
    FAILURE_STATUS_TYPE,
    HEAL_RESULT_TYPE,
    PAUSE_TYPE,
    BudgetWarning,
    FailureStatus,
    HealResult,
    PauseStatus,
)
from schemas.names import PauseState
from schemas.supervision import COMMAND_RESULT_TYPE, CommandResult
from schemas.trace import NO_TRACE, Trace

SOURCE: Final = "urn:shw:healer"
"""The CloudEvents source of everything that the healer publishes."""


def status_event_id(failure_id: UUID, step: int, token: str = "") -> str:
    """Name the event that tells a failure's change at this step, the same however often it is published.

    `token` tells it from a change at the same step in a history that the database has lost.
    """
    return f"{failure_id}:{step}:{token}" if token else f"{failure_id}:{step}"


def heal_result_event(result: HealResult, trace: Trace = NO_TRACE) -> Envelope:
    """Wrap a finished attempt; the id is the attempt's."""
    return _event(HEAL_RESULT_TYPE, str(result.attempt_id), str(result.failure_id), result, result.finished_at, trace)


def failure_status_event(status: FailureStatus, trace: Trace = NO_TRACE, token: str = "") -> Envelope:
    """Wrap a failure's change; the id is `status_event_id`."""
    event_id = status_event_id(status.failure_id, status.step, token)
    return _event(FAILURE_STATUS_TYPE, event_id, str(status.failure_id), status, status.changed_at, trace)


def budget_warning_event(warning: BudgetWarning) -> Envelope:
    """Wrap a warning; the id is the warning's, the subject its organisation."""
    subject = str(warning.org_id)
    return _event(BUDGET_WARNING_TYPE, str(warning.warning_id), subject, warning, warning.warned_at, NO_TRACE)


def pause_event(status: PauseStatus) -> Envelope:
    """Wrap a pause that was made or is over; the subject is the pause."""
    event_id = f"{status.pause_id}:{'ended' if status.state is PauseState.ENDED else 'made'}"
    return _event(PAUSE_TYPE, event_id, str(status.pause_id), status, status.changed_at, NO_TRACE)


def command_result_event(result: CommandResult, token: str = "", trace: Trace = NO_TRACE) -> Envelope:
    """Wrap what became of a command; the id is its issuer's name and its own id, the subject its failure, or itself.

    `token` tells the refusal of one that was never carried out from what becomes of the command that has its id.
    """
    event_id = f"{result.issuer}:{result.command_id}" + (f":{token}" if token else "")
    subject = str(result.failure_id or result.command_id)
    return _event(COMMAND_RESULT_TYPE, event_id, subject, result, result.decided_at, trace)


def bulk_progress_event(progress: BulkProgress) -> Envelope:
    """Wrap how far a bulk is; the id is the bulk's and the event's number, the subject the bulk."""
    event_id = f"{progress.bulk_id}:{progress.number}"
    return _event(BULK_PROGRESS_TYPE, event_id, str(progress.bulk_id), progress, progress.at, NO_TRACE)


def dependency_binding_event(binding: DependencyBinding) -> Envelope:
    """Wrap where the calls to a dependency go; the id is its names and the change's number, the subject its names."""
    subject = f"{binding.org_id}:{binding.dependency}"
    return _event(
        DEPENDENCY_BINDING_TYPE, f"{subject}:{binding.version}", subject, binding, binding.changed_at, NO_TRACE
    )


def definition_change_event(change: DefinitionChanged) -> Envelope:
    """Wrap what has become of a rewritten definition; the id is its attempt's and its state, the subject its names."""
    subject, event_id = f"{change.org_id}:{change.workflow_name}", f"{change.attempt_id}:{change.state}"
    return _event(DEFINITION_CHANGE_TYPE, event_id, subject, change, change.changed_at, NO_TRACE)


def failure_refused_event(refused: FailureRefused, event_id: UUID) -> Envelope:
    """Wrap the refusal of a record; the id follows from where it lies, the subject is its source."""
    return _event(FAILURE_REFUSED_TYPE, str(event_id), refused.source, refused, refused.refused_at, NO_TRACE)


def _event(
    kind: str,
    event_id: str,
    subject: str,
    data: HealResult
    | FailureStatus
    | BudgetWarning
    | PauseStatus
    | CommandResult
    | BulkProgress
    | DependencyBinding
    | DefinitionChanged
    | FailureRefused,
    time: datetime,
    trace: Trace,
) -> Envelope:
    return Envelope(
        data=data.model_dump(mode="json"),
        id=event_id,
        source=SOURCE,
        type=kind,
        subject=subject,
        time=time,
        traceparent=trace.parent,
        tracestate=trace.state,
    )
