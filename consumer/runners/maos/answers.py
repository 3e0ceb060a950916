"""The platform's form of a run (a plan of steps, and their invocations), and its mapping to a run's state. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter, ValidationError

from consumer.model.call import Answer, CallResult, parsed_body
from consumer.runners.answers import SUCCESSES, ServerModel, unseen
from consumer.runners.contract import LookFailed, Phase, RunState, StepPhase, StepState
from consumer.runners.templates import ABSENT
from consumer.runners.watching import NotFailed, RunFailure, RunsOf
from schemas.json_value import value_at

_SHOWN: Final = 60
_MAX_STEPS: Final = 1000
_MAX_INVOCATIONS: Final = 10_000
_MAX_LISTED: Final = 10_000
_RUNS: Final[Mapping[str, Phase]] = {
    "pending": Phase.QUEUED,
    "planning": Phase.RUNNING,
    "executing": Phase.RUNNING,
    "completed": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
    "cancelled": Phase.CANCELLED,
}
_INVOCATIONS: Final[Mapping[str, StepPhase]] = {
    "pending": StepPhase.QUEUED,
    "running": StepPhase.RUNNING,
    "completed": StepPhase.SUCCEEDED,
    "failed": StepPhase.FAILED,
    "skipped": StepPhase.SKIPPED,
}
_DONE: Final = frozenset({"completed", "skipped"})
Name = Annotated[str, Field(min_length=1, max_length=512)]


class PlannedStep(ServerModel):
    """One step of a run's plan."""

    step_id: Name = Field(alias="stepId")
    engine_type: Name = Field(alias="engineType")
    dependencies: tuple[Name, ...] = Field(default=(), max_length=_MAX_STEPS)


class RunPlan(ServerModel):
    """The plan of a run."""

    steps: tuple[PlannedStep, ...] = Field(default=(), max_length=_MAX_STEPS)


class Invocation(ServerModel):
    """One try of one step."""

    step_id: Name = Field(alias="stepId")
    status: str
    started_at: AwareDatetime | None = Field(alias="startedAt", default=None)
    completed_at: AwareDatetime | None = Field(alias="completedAt", default=None)
    heartbeat_at: AwareDatetime | None = Field(alias="heartbeatAt", default=None)
    error: str | None = None

    @property
    def changed(self) -> datetime | None:
        """The last time that anything of it changed."""
        return self.completed_at or self.heartbeat_at or self.started_at


class MaosRun(ServerModel):
    """One run of the platform, with its invocations in the order in which they were made."""

    run_id: str = Field(alias="runId")
    status: str
    epoch: Annotated[int, Field(ge=0, strict=True)] | None = None
    plan: RunPlan = RunPlan()
    invocations: tuple[Invocation, ...] = Field(default=(), max_length=_MAX_INVOCATIONS)
    updated_at: AwareDatetime | None = Field(alias="updatedAt", default=None)

    @property
    def changed(self) -> datetime | None:
        """The last time that anything of it changed."""
        times = (self.updated_at, *(one.changed for one in self.invocations))
        return max((moment for moment in times if moment is not None), default=None)


MAOS_RUN: Final = TypeAdapter(MaosRun)
REGISTRY_ANSWER: Final = TypeAdapter(dict[str, JsonValue])
_LIST: Final = TypeAdapter(Annotated[tuple[MaosRun, ...], Field(max_length=_MAX_LISTED)])


def listed_runs(result: CallResult, at: str) -> Sequence[MaosRun] | LookFailed:
    """Read a list of runs, which stands at a pointer of the answer."""
    if not isinstance(result, Answer) or result.truncated or result.status not in SUCCESSES:
        return unseen(result)
    try:
        return _LIST.validate_python(value_at(parsed_body(result, ABSENT), at, ABSENT))
    except ValidationError:
        return unseen(result)


def run_failure(of: RunsOf, found: MaosRun) -> RunFailure | NotFailed:
    """Return what the platform tells of a run's failure, by its last invocation that failed."""
    if found.status != "failed":
        return NotFailed(said=f"the run is {found.status[:_SHOWN]} by now")
    failed = next((one for one in reversed(found.invocations) if one.status == "failed"), None)
    if failed is None:
        run = of.run(found.run_id, epoch=found.epoch)
        return RunFailure(run=run, reason="MAOS says that the run has failed, and no invocation of it has")
    reason = failed.error or f"step {failed.step_id} failed"
    return RunFailure(run=of.run(found.run_id, epoch=found.epoch, step=failed.step_id), reason=reason)


def run_state(found: MaosRun, engines: Sequence[str], at: datetime | None) -> RunState | LookFailed:
    """Map a run; a state that the platform does not document is LookFailed."""
    phase = _RUNS.get(found.status)
    unknown = next((one.status for one in found.invocations if one.status not in _INVOCATIONS), None)
    if phase is None or unknown is not None:
        return LookFailed(reason=f"the look: MAOS says {(unknown or found.status)[:_SHOWN]!r}, which is not known here")
    planned = {step.step_id: step for step in found.plan.steps}
    if len(planned) < len(found.plan.steps):
        return LookFailed(reason="the look: two steps of one name")
    tries: dict[str, list[Invocation]] = defaultdict(list)
    for one in found.invocations:
        tries[one.step_id].append(one)
    done = {name for name, of_it in tries.items() if of_it[-1].status in _DONE}
    needed = {name for step in planned.values() for name in step.dependencies}
    return RunState(
        phase=phase,
        said=found.status,
        epoch=found.epoch,
        progress=str(len(done)),
        fence=f"{found.epoch}:{len(found.invocations)}",
        last_sign_of_life=found.changed,
        steps=tuple(_step_state(step, tries.get(step.step_id, ()), done) for step in planned.values()),
        removed=dict.fromkeys(sorted((needed | tries.keys()) - planned.keys())),
        # An engine that the platform does not approve has nobody who takes from it.
        consumers={step.engine_type: 0 for step in planned.values() if step.engine_type not in engines},
        at=at,
    )


def _step_state(step: PlannedStep, of_it: Sequence[Invocation], done: set[str]) -> StepState:
    counted = Counter(one.status for one in of_it)
    last = of_it[-1] if of_it else None
    if last is not None:
        phase = _INVOCATIONS[last.status]
    else:
        phase = StepPhase.QUEUED if done.issuperset(step.dependencies) else StepPhase.BLOCKED
    return StepState(
        name=step.step_id,
        phase=phase,
        said="not invoked" if last is None else last.status,
        attempts=len(of_it) - counted["pending"] - counted["skipped"],
        completions=counted["completed"],
        since=None if last is None else last.completed_at or last.started_at,
        queue=step.engine_type,
        heartbeat=None if last is None else last.heartbeat_at,
        needs=step.dependencies,
    )
