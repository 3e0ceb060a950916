"""Models of a Conductor server's answers, and their mapping to the states of runs and steps. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, JsonValue, TypeAdapter

from consumer.runners.answers import ServerModel
from consumer.runners.contract import LookFailed, Phase, RunState, StepPhase, StepState, WaitsFor

_SHOWN: Final = 60
_RUNS: Final[Mapping[str, Phase]] = {
    "RUNNING": Phase.RUNNING,
    "PAUSED": Phase.WAITING,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "TIMED_OUT": Phase.FAILED,
    "TERMINATED": Phase.CANCELLED,
}
_STEPS: Final[Mapping[str, StepPhase]] = {
    "SCHEDULED": StepPhase.QUEUED,
    "IN_PROGRESS": StepPhase.RUNNING,
    "COMPLETED": StepPhase.SUCCEEDED,
    "COMPLETED_WITH_ERRORS": StepPhase.SUCCEEDED,
    "FAILED": StepPhase.FAILED,
    "FAILED_WITH_TERMINAL_ERROR": StepPhase.FAILED,
    "TIMED_OUT": StepPhase.FAILED,
    "CANCELED": StepPhase.CANCELLED,
    "SKIPPED": StepPhase.SKIPPED,
}
_HOLDERS: Final = frozenset({"JOIN", "EXCLUSIVE_JOIN", "DO_WHILE"})
"""Types of tasks that do nothing themselves: in progress for as long as other tasks are open."""
_BY_SERVER: Final = _HOLDERS | {
    *("DECISION", "DYNAMIC", "EVENT", "FORK", "FORK_JOIN", "FORK_JOIN_DYNAMIC", "HTTP", "HUMAN", "INLINE"),
    *("JSON_JQ_TRANSFORM", "KAFKA_PUBLISH", "LAMBDA", "NOOP", "SET_VARIABLE", "START_WORKFLOW", "SUB_WORKFLOW"),
    *("SWITCH", "TERMINATE", "WAIT"),
}
"""Types of tasks that the server itself takes; the type of a worker's task is its definition's name."""
UNFINISHED: Final = frozenset({"SCHEDULED", "IN_PROGRESS"})
_DONE: Final = frozenset({StepPhase.SUCCEEDED, StepPhase.SKIPPED})
_MAKES_RUN_BUSY: Final = frozenset({StepPhase.QUEUED, StepPhase.RUNNING})
_LATEST: Final = 253_402_300_799_000
"""The end of the year 9999, in milliseconds."""
Millis = Annotated[int, Field(ge=0, le=_LATEST)]


class TaskInDefinition(ServerModel):
    """What the definition says of a task."""

    optional: bool = False


class TaskKind(ServerModel):
    """What is registered of a kind of tasks."""

    at_once: int | None = Field(alias="concurrentExecLimit", default=None)


class ConductorTask(ServerModel):
    """One try of one task of a workflow."""

    task_id: str = Field(alias="taskId")
    reference: str = Field(alias="referenceTaskName")
    type: str = Field(alias="taskType")
    definition: str = Field(alias="taskDefName", default="")
    status: str
    run_id: str = Field(alias="workflowInstanceId")
    scheduled: Millis = Field(alias="scheduledTime", default=0)
    started: Millis = Field(alias="startTime", default=0)
    updated: Millis = Field(alias="updateTime", default=0)
    ended: Millis = Field(alias="endTime", default=0)
    response_timeout: Annotated[int, Field(ge=0, le=31_536_000)] = Field(alias="responseTimeoutSeconds", default=0)
    callback_after: int = Field(alias="callbackAfterSeconds", default=0)
    domain: str | None = None
    input: dict[str, JsonValue] = Field(alias="inputData", default_factory=dict)
    retries: int = Field(alias="retryCount", default=0, ge=0)
    reason: str | None = Field(alias="reasonForIncompletion", default=None)
    rate: int | None = Field(alias="rateLimitPerFrequency", default=None)
    kind: TaskKind | None = Field(alias="taskDefinition", default=None)
    in_definition: TaskInDefinition | None = Field(alias="workflowTask", default=None)

    @property
    def said(self) -> str:
        """Conductor's own word for its state."""
        return self.status[:_SHOWN]

    @property
    def is_optional(self) -> bool:
        """Whether the definition lets the run go on without it."""
        return self.in_definition is not None and self.in_definition.optional

    @property
    def is_limited(self) -> bool:
        """Whether only so many of its kind are given to workers at once, or in a time."""
        return bool(self.rate) or (self.kind is not None and bool(self.kind.at_once))

    @property
    def changed(self) -> int:
        """The last time that anything of it changed."""
        return self.ended or max(self.updated, self.started, self.scheduled)


class ConductorRun(ServerModel):
    """One run of a workflow."""

    run_id: str = Field(alias="workflowId")
    status: str
    tasks: tuple[ConductorTask, ...] = ()
    started: Millis = Field(alias="startTime", default=0)
    updated: Millis = Field(alias="updateTime", default=0)
    ended: Millis = Field(alias="endTime", default=0)
    retried: Millis = Field(alias="lastRetriedTime", default=0)
    reason: str | None = Field(alias="reasonForIncompletion", default=None)

    @property
    def latest(self) -> dict[str, ConductorTask]:
        """The last try of each task, by its reference name."""
        return {task.reference: task for task in self.tasks}

    @property
    def tries(self) -> dict[str, list[ConductorTask]]:
        """All tries of each task, by its reference name."""
        tries: dict[str, list[ConductorTask]] = defaultdict(list)
        for task in self.tasks:
            tries[task.reference].append(task)
        return tries

    @property
    def fence(self) -> str:
        """What changes with each new start of the run or of any task: a rerun keeps a task's id, and schedules it anew.

        It is the whole run's: an order may be for another step than the one that the failure names.
        """
        starts = "".join(f"\0{task.task_id}:{task.scheduled}" for task in self.tasks)
        return hashlib.sha256(f"{self.retried}{starts}".encode()).hexdigest()[:32]


class Poller(ServerModel):
    """When a worker last asked for tasks of a type."""

    kind: str = Field(alias="queueName")
    worker: str = Field(alias="workerId", default="")
    domain: str | None = None
    asked: Millis = Field(alias="lastPollTime")


class StartedRun(ServerModel):
    """A run, as a search by the key finds it under which it was started."""

    run_id: str = Field(alias="workflowId")
    key: str = Field(alias="correlationId")


WORKFLOW: Final = TypeAdapter(ConductorRun)
STARTED: Final = TypeAdapter(list[StartedRun])
POLLERS: Final = TypeAdapter(tuple[Poller, ...])
DEFINITION: Final = TypeAdapter(dict[str, JsonValue])


def run_state(
    found: ConductorRun, step: str | None, consumers: Mapping[str, int], at: datetime | None
) -> RunState | LookFailed:
    """Map a run and its tasks; a state that is not known here is LookFailed."""
    phase = _RUNS.get(found.status)
    latest = found.latest
    unknown = next((task.said for task in latest.values() if task.said not in _STEPS), None)
    if phase is None or unknown is not None:
        said = (unknown or found.status)[:_SHOWN]
        return LookFailed(reason=f"the look: Conductor says {said!r}, which is not known here")
    server_is_next = phase is Phase.RUNNING and not any(map(_is_open_work, latest.values()))
    steps = tuple(_step_state(tries, at, server_is_next=server_is_next) for tries in found.tries.values())
    waits_for = _waits_for(steps) if phase is Phase.RUNNING else None
    if found.status == "PAUSED":
        waits_for = WaitsFor.PERSON
    task = latest.get(step or "")
    changed = max((found.updated, found.started, found.ended, *(one.changed for one in latest.values())))
    return RunState(
        phase=phase if waits_for is None else Phase.WAITING,
        said=found.status if task is None else f"{found.status}, {task.reference[:_SHOWN]}: {task.said}",
        progress=str(sum(one.phase in _DONE for one in steps)),
        fence=found.fence,
        waits_for=waits_for,
        last_sign_of_life=_moment(changed),
        steps=steps,
        consumers=consumers,
        full=frozenset(_limited_queues(latest.values())),
        at=at,
    )


def queues_of(found: ConductorRun) -> frozenset[str]:
    """Return the queues in which a task waits to be taken by a worker."""
    return frozenset(_queue_of(task) for task in found.latest.values() if _waits_for_worker(task))


def consumers_of(queues: Iterable[str], pollers: Sequence[Poller], at: datetime, within: timedelta) -> dict[str, int]:
    """Count the workers that asked lately, of these queues and of all others for which somebody did."""
    since = (at - within).timestamp() * 1000
    workers: dict[str, set[str]] = {queue: set() for queue in queues}
    for one in pollers:
        if one.asked >= since:
            workers.setdefault(_queue(one.kind, one.domain), set()).add(one.worker)
    return {queue: len(each) for queue, each in workers.items()}


def is_on_timer(task: ConductorTask, at: datetime | None) -> bool:
    """Return whether a task is not to be taken before a time: a worker put it back, or its retry is delayed."""
    due = task.updated or task.scheduled
    return at is not None and task.callback_after > 0 and due + 1000 * task.callback_after > at.timestamp() * 1000


def _has_workers(task: ConductorTask) -> bool:
    """Return whether workers outside the server take it; the server itself takes the others."""
    return task.type not in _BY_SERVER and task.type in {"SIMPLE", task.definition}


def _is_holder(task: ConductorTask) -> bool:
    """Return whether a task is in progress only because others are."""
    return task.type in _HOLDERS and task.status == "IN_PROGRESS"


def _is_open_work(task: ConductorTask) -> bool:
    return task.status in UNFINISHED and not _is_holder(task)


def _waits_for_worker(task: ConductorTask) -> bool:
    return task.status == "SCHEDULED" and _has_workers(task)


def _limited_queues(tasks: Iterable[ConductorTask]) -> Iterator[str]:
    """Give the queues of which all places may be taken, by the tasks of other runs: no call tells how many are."""
    yield from (_queue_of(task) for task in tasks if task.is_limited and _waits_for_worker(task))


def _queue_of(task: ConductorTask) -> str:
    return _queue(task.definition or task.type, task.domain)


def _queue(kind: str, domain: str | None) -> str:
    return f"{domain}:{kind}" if domain else kind


def _step_state(of_it: Sequence[ConductorTask], at: datetime | None, *, server_is_next: bool) -> StepState:
    """Map the tries of a task; a join or a loop works only where the server, and nothing else, is to go on."""
    task = of_it[-1]
    waits_for = _task_waits_for(task, at)
    phase = StepPhase.BLOCKED if _is_holder(task) and not server_is_next else _STEPS[task.status]
    joined = task.input.get("joinOn") if task.type in {"JOIN", "EXCLUSIVE_JOIN"} else None
    return StepState(
        name=task.reference,
        phase=phase if waits_for is None else StepPhase.WAITING,
        said=task.said,
        attempts=sum(one.started > 0 for one in of_it),
        completions=sum(_STEPS.get(one.status) is StepPhase.SUCCEEDED for one in of_it),
        since=_moment(task.changed),
        queue=_queue_of(task) if _has_workers(task) else None,
        heartbeat=_heartbeat(task),
        beats_within=timedelta(seconds=task.response_timeout),
        waits_for=waits_for,
        needs=tuple(name for name in joined if isinstance(name, str)) if isinstance(joined, list) else (),
        needs_any=task.type == "EXCLUSIVE_JOIN",
        optional=task.is_optional,
    )


def _heartbeat(task: ConductorTask) -> datetime | None:
    """Return a worker's last sign of life, where it owes any: what the server itself runs gives none."""
    owes = task.status == "IN_PROGRESS" and _has_workers(task) and task.response_timeout > 0
    return _moment(task.updated) if owes else None


def _task_waits_for(task: ConductorTask, at: datetime | None) -> WaitsFor | None:
    if task.status == "SCHEDULED":
        return WaitsFor.TIMER if is_on_timer(task, at) else None
    if task.status != "IN_PROGRESS":
        return None
    if task.type == "HUMAN":
        return WaitsFor.PERSON
    if task.type == "WAIT":
        return WaitsFor.TIMER if task.input.keys() & {"duration", "until"} else WaitsFor.SIGNAL
    return None


def _waits_for(steps: Sequence[StepState]) -> WaitsFor | None:
    """Return what a run waits for, where nothing else of it is under way; a join or a loop around it waits with it."""
    if any(step.phase in _MAKES_RUN_BUSY for step in steps):
        return None
    waiting = [step.waits_for for step in steps if step.waits_for is not None]
    # A person comes first: who waits for one is told so.
    return next((each for each in WaitsFor if each in waiting), None)


def _moment(millis: int) -> datetime | None:
    return datetime.fromtimestamp(millis / 1000, tz=UTC) if millis else None
