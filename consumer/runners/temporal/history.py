"""A run's history, folded into what orders and looks have to know: its activities, timers, and failures. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter

from consumer.runners.answers import ServerModel
from consumer.runners.contract import StepPhase
from consumer.runners.temporal.answers import TypeName, WorkerFailure

WORKFLOW_TASK: Final = "workflow task"
"""Name of the step by which a worker says what comes next in a run."""


class Scheduled(ServerModel):
    """An activity was scheduled."""

    id: str = Field(alias="activityId")
    type: TypeName = Field(alias="activityType")
    queue: TypeName = Field(alias="taskQueue", default=TypeName())
    heartbeat_timeout: str | None = Field(alias="heartbeatTimeout", default=None)
    decided: int = Field(alias="workflowTaskCompletedEventId", default=0)
    input: JsonValue = None


class OfActivity(ServerModel):
    """Something of an activity that was scheduled."""

    scheduled: int = Field(alias="scheduledEventId", default=0)
    attempt: int = 1
    failure: WorkerFailure | None = None


class OfTimer(ServerModel):
    """Something of a timer."""

    id: str = Field(alias="timerId")


class FailedEvent(ServerModel):
    """The run, or a workflow task of it, failed."""

    failure: WorkerFailure | None = None
    cause: str = ""
    decided: int = Field(alias="workflowTaskCompletedEventId", default=0)


class Event(ServerModel):
    """One event; of its attributes those that are read."""

    id: int = Field(alias="eventId")
    time: AwareDatetime | None = Field(alias="eventTime", default=None)
    type: str = Field(alias="eventType")
    activity_scheduled: Scheduled | None = Field(alias="activityTaskScheduledEventAttributes", default=None)
    activity_started: OfActivity | None = Field(alias="activityTaskStartedEventAttributes", default=None)
    activity_completed: OfActivity | None = Field(alias="activityTaskCompletedEventAttributes", default=None)
    activity_failed: OfActivity | None = Field(alias="activityTaskFailedEventAttributes", default=None)
    activity_timed_out: OfActivity | None = Field(alias="activityTaskTimedOutEventAttributes", default=None)
    activity_canceled: OfActivity | None = Field(alias="activityTaskCanceledEventAttributes", default=None)
    timer_started: OfTimer | None = Field(alias="timerStartedEventAttributes", default=None)
    timer_fired: OfTimer | None = Field(alias="timerFiredEventAttributes", default=None)
    timer_canceled: OfTimer | None = Field(alias="timerCanceledEventAttributes", default=None)
    task_failed: FailedEvent | None = Field(alias="workflowTaskFailedEventAttributes", default=None)
    run_failed: FailedEvent | None = Field(alias="workflowExecutionFailedEventAttributes", default=None)


class Events(ServerModel):
    """Events in their order."""

    events: tuple[Event, ...] = ()


class HistoryPage(ServerModel):
    """A page of a history."""

    history: Events = Events()
    following: str | None = Field(alias="nextPageToken", default=None)


_RESET: Final = "_RESET_WORKFLOW"
"""Cause of the event by which a run begins that a reset has made."""
HISTORY: Final = TypeAdapter(HistoryPage)


@dataclass(slots=True, kw_only=True)
class Activity:
    """One activity of a run, as its history has it."""

    id: str
    name: str
    """Its step's name: its type, and of a further one of the same type also its id."""
    queue: str
    heartbeat_timeout: str | None
    decided: int
    """The event by which a worker decided on it: a reset to there decides anew."""
    input: JsonValue
    scheduled: datetime | None
    phase: StepPhase = StepPhase.QUEUED
    attempts: int = 0
    ended: datetime | None = None
    failure: WorkerFailure | None = None


@dataclass(slots=True, kw_only=True)
class History:
    """What happened in a run."""

    activities: dict[int, Activity] = field(default_factory=dict)
    """By the event that scheduled them."""
    timers: set[str] = field(default_factory=set)
    """Those that have not fired."""
    decided: int = 0
    """The last event by which a worker said what comes next; 0: none has."""
    task_failure: FailedEvent | None = None
    """The failure of the workflow task since."""
    run_failure: FailedEvent | None = None
    resets: list[str] = field(default_factory=list)
    """Why it was reset, each time."""
    _types: set[str] = field(default_factory=set)

    def step(self, name: str | None) -> Activity | None:
        """Return an activity by its step's name."""
        return next((one for one in self.activities.values() if one.name == name), None)

    @property
    def failed(self) -> list[Activity]:
        """The activities that failed, in the order of their ends."""
        failed = [one for one in self.activities.values() if one.phase is StepPhase.FAILED]
        return sorted(failed, key=lambda one: str(one.ended))

    def undone_by(self, decided: int) -> list[Activity]:
        """Return what is complete and would be done again by a reset to an event."""
        return [one for one in self.activities.values() if one.decided >= decided and one.phase is StepPhase.SUCCEEDED]

    def add(self, event: Event) -> None:
        """Take in the next event."""
        if event.activity_scheduled is not None:
            self._schedule(event, event.activity_scheduled)
        self._note_activity(event)
        if event.timer_started is not None:
            self.timers.add(event.timer_started.id)
        self.timers -= {timer.id for timer in (event.timer_fired, event.timer_canceled) if timer is not None}
        if event.type == "EVENT_TYPE_WORKFLOW_TASK_COMPLETED":
            self.decided, self.task_failure = event.id, None
        if event.task_failed is not None:
            self._note_task_failure(event.task_failed)
        self.run_failure = event.run_failed or self.run_failure

    def _note_activity(self, event: Event) -> None:
        for of_it, phase in (
            (event.activity_completed, StepPhase.SUCCEEDED),
            (event.activity_failed, StepPhase.FAILED),
            (event.activity_timed_out, StepPhase.FAILED),
            (event.activity_canceled, StepPhase.CANCELLED),
        ):
            if of_it is not None and (activity := self.activities.get(of_it.scheduled)) is not None:
                activity.phase, activity.ended, activity.failure = phase, event.time, of_it.failure
        begun = event.activity_started
        if begun is not None and (activity := self.activities.get(begun.scheduled)) is not None:
            activity.attempts = max(1, begun.attempt)

    def _note_task_failure(self, failed: FailedEvent) -> None:
        """Note why a worker could not say what comes next; a run that a reset has made begins with such an event."""
        if failed.cause.endswith(_RESET):
            self.resets.append("" if failed.failure is None else failed.failure.message)
        else:
            self.task_failure = failed

    def _schedule(self, event: Event, scheduled: Scheduled) -> None:
        kind = scheduled.type.name
        name = f"{kind}#{scheduled.id}" if kind in self._types or kind == WORKFLOW_TASK else kind
        self._types.add(kind)
        self.activities[event.id] = Activity(
            id=scheduled.id,
            name=name,
            queue=scheduled.queue.name,
            heartbeat_timeout=scheduled.heartbeat_timeout,
            decided=scheduled.decided,
            input=scheduled.input,
            scheduled=event.time,
        )


def fold(events: Iterable[Event]) -> History:
    """Return what happened in a run."""
    history = History()
    for event in events:
        history.add(event)
    return history
