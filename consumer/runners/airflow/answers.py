"""Models of an Airflow server's answers, and their mapping to the states of runs and steps. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, TypeAdapter

from consumer.runners.answers import ServerModel
from consumer.runners.contract import LookFailed, Phase, RunRef, RunState, StepPhase, StepState, WaitsFor

_SHOWN: Final = 60
_RUNS: Final[Mapping[str, Phase]] = {
    "queued": Phase.QUEUED,
    "running": Phase.RUNNING,
    "success": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
}
_NO_STATE: Final = "no status"
"""Airflow's word for a task that its scheduler has not looked at."""
_STEPS: Final[Mapping[str, StepPhase]] = {
    _NO_STATE: StepPhase.BLOCKED,
    "scheduled": StepPhase.QUEUED,
    "queued": StepPhase.QUEUED,
    "running": StepPhase.RUNNING,
    "restarting": StepPhase.RUNNING,
    "up_for_retry": StepPhase.WAITING,
    "up_for_reschedule": StepPhase.WAITING,
    "deferred": StepPhase.WAITING,
    "awaiting_input": StepPhase.WAITING,
    "success": StepPhase.SUCCEEDED,
    "failed": StepPhase.FAILED,
    "upstream_failed": StepPhase.BLOCKED,
    "skipped": StepPhase.SKIPPED,
    "removed": StepPhase.SKIPPED,
}
_WAITS: Final[Mapping[str, WaitsFor]] = {
    "awaiting_input": WaitsFor.PERSON,
    "up_for_retry": WaitsFor.TIMER,
    "up_for_reschedule": WaitsFor.SIGNAL,
    "deferred": WaitsFor.SIGNAL,
}
_DONE: Final = frozenset({"success", "skipped"})
_NOT_BEGUN: Final = frozenset({StepPhase.BLOCKED, StepPhase.QUEUED, StepPhase.SKIPPED})
_MAKES_RUN_BUSY: Final = frozenset({StepPhase.QUEUED, StepPhase.RUNNING})


class DagRun(ServerModel):
    """One run of a DAG."""

    dag_id: str
    dag_run_id: str
    state: str
    queued_at: AwareDatetime | None = None
    start_date: AwareDatetime | None = None
    end_date: AwareDatetime | None = None


class TaskInstance(ServerModel):
    """One try of one task of a run; each try has an id of its own."""

    id: str
    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    state: str | None
    try_number: int
    start_date: AwareDatetime | None
    end_date: AwareDatetime | None
    scheduled_when: AwareDatetime | None = None
    queued_when: AwareDatetime | None = None
    pool: str
    hostname: str | None = None
    """The worker that has, or had, a try of it; empty: none ever."""
    note: str | None = None

    @property
    def step(self) -> str:
        """Its name in orders: the task's, of a mapped one with its index."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    @property
    def said(self) -> str:
        """Airflow's own word for its state."""
        return (_NO_STATE if self.state is None else self.state)[:_SHOWN]

    @property
    def since(self) -> datetime | None:
        """The last time that anything of it changed."""
        if _STEPS.get(self.said) in _NOT_BEGUN:  # the times of the try before stay until the next one begins
            return self.queued_when or self.scheduled_when
        return self.end_date or self.start_date


class TaskInstances(ServerModel):
    """Task instances of a run, or those that were cleared."""

    task_instances: tuple[TaskInstance, ...]
    total_entries: int


class AirflowDag(ServerModel):
    """What the server says of a DAG itself."""

    dag_id: str
    is_paused: bool


class AirflowPool(ServerModel):
    """A pool: how many tasks may run in it at once."""

    name: str
    slots: int
    open_slots: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether every slot is taken: what waits in it waits for its turn."""
        return self.slots > 0 and self.open_slots is not None and self.open_slots <= 0


class AirflowPools(ServerModel):
    """The pools of a server."""

    pools: tuple[AirflowPool, ...]
    total_entries: int = 0


DAG: Final = TypeAdapter(AirflowDag)
DAG_RUN: Final = TypeAdapter(DagRun)
TASKS: Final = TypeAdapter(TaskInstances)
POOLS: Final = TypeAdapter(AirflowPools)


def stands_if_paused(found: DagRun, tasks: Sequence[TaskInstance]) -> bool:
    """Return whether a run would stand still for no other reason than that somebody paused its DAG.

    The scheduler begins nothing of a paused DAG; what a worker has by then goes on.
    """
    under_way = _RUNS.get(found.state) in {Phase.QUEUED, Phase.RUNNING}
    return under_way and not any(_STEPS.get(task.said) is StepPhase.RUNNING for task in tasks)


def is_of(run: RunRef, dag_id: str, found: DagRun | TaskInstance) -> bool:
    """Return whether an answer speaks of this run, and not of another one."""
    return (found.dag_id, found.dag_run_id) == (dag_id, run.run_id)


def run_state(
    run: RunRef,
    found: DagRun,
    tasks: Sequence[TaskInstance],
    pools: Sequence[AirflowPool],
    at: datetime | None,
    *,
    paused: bool = False,
) -> RunState | LookFailed:
    """Map a run and its tasks; a state that is not known here is LookFailed.

    `paused`: somebody paused its DAG, and it stands still until a person unpauses it.
    """
    phase = _RUNS.get(found.state)
    unknown = next((task.said for task in tasks if task.said not in _STEPS), None)
    if phase is None or unknown is not None:
        return LookFailed(
            reason=f"the look: Airflow says {(unknown or found.state)[:_SHOWN]!r}, which is not known here"
        )
    steps = tuple(_step_state(each, run_is_queued=phase is Phase.QUEUED) for each in tasks)
    waits_for = _waits_for(steps) if phase is Phase.RUNNING else None
    if paused and stands_if_paused(found, tasks):
        waits_for = WaitsFor.PERSON
    task = next((task for task in tasks if task.step == run.step), None)
    times = (found.queued_at, found.start_date, found.end_date, *(one.since for one in tasks))
    return RunState(
        phase=phase if waits_for is None else Phase.WAITING,
        said=found.state if task is None else f"{found.state}, {task.step[:_SHOWN]}: {task.said}",
        epoch=None if task is None else task.try_number,
        progress=str(sum(one.said in _DONE for one in tasks)),
        fence=fence_of(tasks),
        waits_for=waits_for,
        last_sign_of_life=max((moment for moment in times if moment is not None), default=None),
        steps=steps,
        removed={task.step: None for task in tasks if task.state == "removed"},
        consumers={pool.name: max(0, pool.slots) for pool in pools},
        full=frozenset(pool.name for pool in pools if pool.is_full),
        at=at,
    )


def fence_of(tasks: Sequence[TaskInstance]) -> str:
    """Return what changes with each new try of any task of a run: each has an id of its own.

    It is the whole run's: an order may be for another step than the one that the failure names.
    """
    return hashlib.sha256("\0".join(sorted(task.id for task in tasks)).encode()).hexdigest()[:32]


def waits_in_pool(tasks: Sequence[TaskInstance]) -> bool:
    """Return whether a task waits in its pool to be taken."""
    return any(_STEPS.get(task.said) is StepPhase.QUEUED for task in tasks)


def _step_state(task: TaskInstance, *, run_is_queued: bool) -> StepState:
    """Map a task; its scheduler may hold back what it has not given out, by limits of its own.

    Set failed before any worker had it, a task has no host: it never began.
    """
    phase = _STEPS[task.said]
    never = phase in _NOT_BEGUN or (phase is StepPhase.FAILED and task.hostname == "")
    return StepState(
        name=task.step,
        phase=phase,
        said=task.said,
        attempts=0 if never else max(1, task.try_number),
        since=task.since,
        queue=task.pool,
        awaits_turn=task.said == "scheduled" or (run_is_queued and phase is StepPhase.BLOCKED),
        waits_for=_WAITS.get(task.said),
    )


def _waits_for(steps: Sequence[StepState]) -> WaitsFor | None:
    """Return what a run waits for, where nothing else of it is under way."""
    if any(step.phase in _MAKES_RUN_BUSY for step in steps):
        return None
    waiting = [step.waits_for for step in steps if step.waits_for is not None]
    # A person comes first: who waits for one is told so.
    return next((each for each in WaitsFor if each in waiting), None)
