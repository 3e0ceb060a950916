"""Models of a Temporal server's answers as its gateway writes them: protobuf's JSON, without what is empty."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter

from consumer.runners.answers import ServerModel

_SECOND: Final = timedelta(seconds=1)
_DEEPEST: Final = 20


class TypeName(ServerModel):
    """A type or a task queue, by its name."""

    name: str = ""


class Execution(ServerModel):
    """One run of a workflow."""

    workflow_id: str = Field(alias="workflowId")
    run_id: str = Field(alias="runId")


class ErrorType(ServerModel):
    """The class of an application's error."""

    type: str = ""


class WorkerFailure(ServerModel):
    """What a worker, or the server, says of a failure; it may have been caused by another one."""

    message: str = ""
    cause: "WorkerFailure | None" = None
    application: ErrorType | None = Field(alias="applicationFailureInfo", default=None)

    @property
    def root(self) -> "WorkerFailure":
        """The failure that caused all of these."""
        found = self
        for _ in range(_DEEPEST):
            if found.cause is None:
                break
            found = found.cause
        return found

    @property
    def error_type(self) -> str | None:
        """The class of the error, where its application says it."""
        return self.application.type or None if self.application is not None else None


class ActivityOptions(ServerModel):
    """The options of an activity as they are now."""

    queue: TypeName | None = Field(alias="taskQueue", default=None)
    heartbeat_timeout: str | None = Field(alias="heartbeatTimeout", default=None)


class PendingActivity(ServerModel):
    """An activity that has not ended."""

    id: str = Field(alias="activityId")
    type: TypeName = Field(alias="activityType", default=TypeName())
    state: str = ""
    attempt: int = Field(default=1, ge=0)
    scheduled: AwareDatetime | None = Field(alias="scheduledTime", default=None)
    started: AwareDatetime | None = Field(alias="lastStartedTime", default=None)
    heartbeat: AwareDatetime | None = Field(alias="lastHeartbeatTime", default=None)
    next_attempt: AwareDatetime | None = Field(alias="nextAttemptScheduleTime", default=None)
    paused: bool = False
    failure: WorkerFailure | None = Field(alias="lastFailure", default=None)
    options: ActivityOptions | None = Field(alias="activityOptions", default=None)


class PendingWorkflowTask(ServerModel):
    """The workflow task that has not ended: a worker is to say what comes next."""

    state: str = ""
    attempt: int = Field(default=1, ge=0)
    scheduled: AwareDatetime | None = Field(alias="originalScheduledTime", default=None)


class RunInfo(ServerModel):
    """What the server tells of a run."""

    execution: Execution
    type: TypeName
    status: str
    started: AwareDatetime | None = Field(alias="startTime", default=None)
    closed: AwareDatetime | None = Field(alias="closeTime", default=None)
    queue: str = Field(alias="taskQueue", default="")
    first_run_id: str | None = Field(alias="firstRunId", default=None)


class Described(ServerModel):
    """A run, and what of it is pending."""

    info: RunInfo = Field(alias="workflowExecutionInfo")
    activities: tuple[PendingActivity, ...] = Field(alias="pendingActivities", default=())
    workflow_task: PendingWorkflowTask | None = Field(alias="pendingWorkflowTask", default=None)
    children: tuple[JsonValue, ...] = Field(alias="pendingChildren", default=())

    @property
    def run_id(self) -> str:
        """The run's own id."""
        return self.info.execution.run_id

    @property
    def fence(self) -> str:
        """What changes with each new start of the run, or of an activity of it."""
        starts = sorted(f"{one.id}:{one.attempt}:{one.started}" for one in self.activities)
        return hashlib.sha256("\0".join((self.run_id, *starts)).encode()).hexdigest()[:32]

    def follows(self, other: "Described") -> bool:
        """Return whether this run goes on from another one: by a reset, a retry, or as a new one."""
        first = self.info.first_run_id
        return self.run_id != other.run_id and first is not None and first in {other.info.first_run_id, other.run_id}


class QueuePoller(ServerModel):
    """A worker that asks for tasks."""

    asked: AwareDatetime | None = Field(alias="lastAccessTime", default=None)


class TaskQueue(ServerModel):
    """Who asks for the tasks of a queue."""

    pollers: tuple[QueuePoller, ...] = ()

    def workers(self, at: datetime, within: timedelta) -> int:
        """Count those that asked lately."""
        return sum(one.asked is not None and one.asked >= at - within for one in self.pollers)


class RunList(ServerModel):
    """A page of a list of runs."""

    executions: tuple[RunInfo, ...] = ()
    following: str | None = Field(alias="nextPageToken", default=None)


class NewRun(ServerModel):
    """The run that a reset has made."""

    run_id: str = Field(alias="runId", min_length=1)


DESCRIBED: Final = TypeAdapter(Described)
QUEUE: Final = TypeAdapter(TaskQueue)
RUNS: Final = TypeAdapter(RunList)
NEW_RUN: Final = TypeAdapter(NewRun)


def duration(text: str | None) -> timedelta:
    """Read protobuf's form of a duration, such as `1.5s`; zero where there is none."""
    try:
        return float((text or "").removesuffix("s")) * _SECOND
    except (ValueError, OverflowError):
        return timedelta(0)


def pending_by_id(activities: Sequence[PendingActivity]) -> dict[str, PendingActivity]:
    """Return pending activities by their ids."""
    return {one.id: one for one in activities}
