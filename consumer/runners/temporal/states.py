"""Maps what a Temporal server tells of a run to the states of the run and of its steps. Pure.

Its steps are its activities, and, while a worker is to say what comes next, the workflow task. A workflow task that
fails again and again has failed: its server tries it for ever, and the run counts as running. What only waits, for a
timer, a signal, a child or the next try of an activity, is healthy.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from consumer.runners.contract import LookFailed, Phase, RunState, StepPhase, StepState, WaitsFor
from consumer.runners.temporal.answers import Described, PendingActivity, duration, pending_by_id
from consumer.runners.temporal.history import WORKFLOW_TASK, Activity, History

_STATUS: Final = "WORKFLOW_EXECUTION_STATUS_"
_RUNS: Final[Mapping[str, Phase]] = {
    "RUNNING": Phase.RUNNING,
    "PAUSED": Phase.WAITING,
    "COMPLETED": Phase.SUCCEEDED,
    "CONTINUED_AS_NEW": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "TIMED_OUT": Phase.FAILED,
    "CANCELED": Phase.CANCELLED,
    "TERMINATED": Phase.CANCELLED,
}
_PENDING: Final = "PENDING_ACTIVITY_STATE_"
_ACTIVITIES: Final[Mapping[str, StepPhase]] = {
    "SCHEDULED": StepPhase.QUEUED,
    "STARTED": StepPhase.RUNNING,
    "CANCEL_REQUESTED": StepPhase.RUNNING,
    "PAUSE_REQUESTED": StepPhase.RUNNING,
    "PAUSED": StepPhase.WAITING,
}
FAILS_FROM: Final = 3
"""A workflow task at its third try has failed twice: so long its server takes it for well, too."""
_BUSY: Final = frozenset({StepPhase.QUEUED, StepPhase.RUNNING, StepPhase.FAILED})
_SHOWN: Final = 60


def status_of(found: Described) -> str:
    """Return the server's own word for the state of a run."""
    return found.info.status.removeprefix(_STATUS)[:_SHOWN]


def phase_of(found: Described) -> Phase | None:
    """Return the phase of a run by its status alone; None where that is not known here."""
    return _RUNS.get(status_of(found))


def workflow_queue(name: str) -> str:
    """Return how the queue of workflow tasks is named here: that of activities may have the same name."""
    return f"{name} (workflow tasks)"


def waiting_queues(found: Described, history: History, at: datetime | None) -> Iterator[tuple[str, bool]]:
    """Give the queues in which something waits for a worker, each with whether it is one of workflow tasks."""
    if found.workflow_task is not None:
        yield found.info.queue, True
    for activity, pending in _pending(found, history):
        if _pending_state(activity, pending, at).phase is StepPhase.QUEUED:
            yield queue_of(activity, pending), False


def queue_of(activity: Activity, pending: PendingActivity | None) -> str:
    """Return the queue of an activity as it is now: another one than it was scheduled to, where it was moved."""
    moved = pending.options.queue if pending is not None and pending.options is not None else None
    return moved.name if moved is not None and moved.name else activity.queue


def run_state(
    found: Described, history: History, consumers: Mapping[str, int], step: str | None, at: datetime | None
) -> RunState | LookFailed:
    """Map a run; a state that is not known here is LookFailed."""
    phase, said = phase_of(found), status_of(found)
    unknown = next((one.state for one in found.activities if one.state.removeprefix(_PENDING) not in _ACTIVITIES), None)
    if phase is None or unknown is not None:
        word = (unknown or said)[:_SHOWN]
        return LookFailed(reason=f"the look: Temporal says {word!r}, which is not known here")
    steps = [*_steps(found, history, consumers, at)]
    waits_for = WaitsFor.PERSON if phase is Phase.WAITING else None
    if phase is Phase.RUNNING and not any(one.phase in _BUSY for one in _open(steps, history)):
        waits_for = _waits_for(steps, history)
    state = next((one for one in steps if one.name == step), None)
    times = (found.info.started, found.info.closed, *(one.since for one in steps), *(one.heartbeat for one in steps))
    return RunState(
        phase=phase if waits_for is None else Phase.WAITING,
        said=said if state is None else f"{said}, {state.name[:_SHOWN]}: {state.said}",
        progress=str(history.decided),
        fence=found.fence,
        waits_for=waits_for,
        last_sign_of_life=max((moment for moment in times if moment is not None), default=None),
        steps=tuple(steps),
        consumers=consumers,
        at=at,
    )


def _open(steps: list[StepState], history: History) -> list[StepState]:
    """Return the steps of a running run that keep it busy: an activity that failed is its workflow's to deal with."""
    failed = {one.name for one in history.failed}
    return [one for one in steps if one.name not in failed]


def _waits_for(steps: list[StepState], history: History) -> WaitsFor:
    waiting = [one.waits_for for one in steps if one.waits_for is not None]
    if WaitsFor.PERSON in waiting:
        return WaitsFor.PERSON
    return WaitsFor.TIMER if history.timers or WaitsFor.TIMER in waiting else WaitsFor.SIGNAL


def _steps(
    found: Described, history: History, consumers: Mapping[str, int], at: datetime | None
) -> Iterator[StepState]:
    pending = pending_by_id(found.activities)
    closed = phase_of(found) not in {Phase.RUNNING, Phase.WAITING}
    for activity in history.activities.values():
        if activity.phase is StepPhase.QUEUED and not closed:
            yield _pending_state(activity, pending.get(activity.id), at)
        else:
            yield _ended_state(activity)
    if found.workflow_task is not None and not closed:
        yield _workflow_task(found, history, consumers)


def _pending(found: Described, history: History) -> Iterator[tuple[Activity, PendingActivity | None]]:
    pending = pending_by_id(found.activities)
    for activity in history.activities.values():
        if activity.phase is StepPhase.QUEUED:
            yield activity, pending.get(activity.id)


def _pending_state(activity: Activity, pending: PendingActivity | None, at: datetime | None) -> StepState:
    """Map an activity that has not ended; between two tries it waits for a time."""
    queue = queue_of(activity, pending)
    if pending is None:  # it ended after the run was told, or is not told yet
        return StepState(name=activity.name, phase=StepPhase.QUEUED, since=activity.scheduled, queue=queue)
    said = pending.state.removeprefix(_PENDING)
    phase, waits_for = _ACTIVITIES[said], None
    due = pending.next_attempt or (pending.scheduled if pending.attempt > 1 else None)
    if phase is StepPhase.WAITING or (pending.paused and phase is StepPhase.QUEUED):
        phase, waits_for = StepPhase.WAITING, WaitsFor.PERSON
    elif phase is StepPhase.QUEUED and at is not None and due is not None and due > at:
        phase, waits_for = StepPhase.WAITING, WaitsFor.TIMER
    limit = pending.options.heartbeat_timeout if pending.options is not None else activity.heartbeat_timeout
    beats = duration(limit)
    owes = phase is StepPhase.RUNNING and bool(beats)
    return StepState(
        name=activity.name,
        phase=phase,
        said=_said(said, pending),
        attempts=pending.attempt - (phase is not StepPhase.RUNNING),
        completions=0,
        since=pending.started if phase is StepPhase.RUNNING else pending.scheduled or activity.scheduled,
        queue=queue,
        heartbeat=(pending.heartbeat or pending.started) if owes else None,
        beats_within=beats,
        waits_for=waits_for,
    )


def _said(word: str, pending: PendingActivity) -> str:
    """Return the server's word, and what the try before failed of."""
    return word if pending.failure is None else f"{word} after {pending.failure.root.message}"[:_SHOWN]


def _ended_state(activity: Activity) -> StepState:
    phase = StepPhase.CANCELLED if activity.phase is StepPhase.QUEUED else activity.phase
    return StepState(
        name=activity.name,
        phase=phase,
        said=phase if activity.failure is None else activity.failure.root.message[:_SHOWN],
        attempts=max(activity.attempts, int(phase is not StepPhase.CANCELLED)),
        completions=int(phase is StepPhase.SUCCEEDED),
        since=activity.ended or activity.scheduled,
        queue=activity.queue,
    )


def _workflow_task(found: Described, history: History, consumers: Mapping[str, int]) -> StepState:
    """Map the workflow task: failed, where workers take it and fail at it; else somebody has it, or is to take it."""
    task, queue = found.workflow_task, workflow_queue(found.info.queue)
    assert task is not None  # noqa: S101 - the caller has looked
    failure = history.task_failure
    fails = failure is not None and task.attempt >= FAILS_FROM and consumers.get(queue, 1) > 0
    started = task.state.endswith("_STARTED")
    why = "" if failure is None else (failure.failure.root.message if failure.failure is not None else failure.cause)
    phase = StepPhase.FAILED if fails else StepPhase.RUNNING if started else StepPhase.QUEUED
    return StepState(
        name=WORKFLOW_TASK,
        phase=phase,
        said=f"failed {task.attempt - 1} times: {why}"[: 4 * _SHOWN] if fails else task.state[:_SHOWN],
        # Not counted where it fails: a count that climbs would ask for another queue, and none helps.
        attempts=None if fails else task.attempt - (not started),
        since=task.scheduled,
        queue=queue,
    )
