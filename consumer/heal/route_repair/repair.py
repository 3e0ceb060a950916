"""Chooses what is ordered of an engine for the cause that was found, or why nothing is. Pure.

Nothing is chosen that begins a run from its start. What may still run is ended first, and seen to have ended, before
anything of it is begun again: a worker that the engine knows to be dead needs no end.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from consumer.catalog import RouteRepairLimits
from consumer.heal.route_repair.finding import NamedCause
from consumer.heal.route_repair.suspicion import Cause
from consumer.runners.contract import (
    MoveToQueue,
    Order,
    Payload,
    RemapStep,
    RerunStep,
    ResumeRun,
    RunRef,
    RunState,
    SkipStep,
    StepPhase,
    Terminate,
)
from schemas.value import value


class Act(StrEnum):
    """What is ordered."""

    RERUN = "rerun"
    RESUME = "resume"
    MOVE = "move"
    SKIP = "skip"
    REMAP = "remap"
    END = "end"


@value(frozen=True, slots=True, kw_only=True)
class RouteChange:
    """An order to be given, and what has to come before it."""

    act: Act
    step: str | None
    to: str | None = None
    """The queue, or the step of the definition in force."""
    ends_first: str | None = None
    """The step that may still run, and is ended before anything begins."""
    begins_again: bool = False
    """The step may have begun: it is for the catalog's rule to say whether it may be begun again."""


@value(frozen=True, slots=True, kw_only=True)
class LeaveAlone:
    """The run is well, or no repair of it can help now."""

    why: str
    later: bool = False
    """It is looked at again: the cause lies elsewhere, and may pass."""


@value(frozen=True, slots=True, kw_only=True)
class ForPerson:
    """Nothing that is declared can mend the cause."""

    why: str


Choice: TypeAlias = RouteChange | LeaveAlone | ForPerson


def choose(found: NamedCause, seen: RunState, run: RunRef, limits: RouteRepairLimits) -> Choice:
    """Choose the repair for a cause."""
    match found.cause:
        case Cause.WAITING:
            return LeaveAlone(why="that is no stall")
        case Cause.ELSEWHERE:
            return LeaveAlone(why="no repair of this run can help before workers are back", later=True)
        case Cause.DEPENDENCY_CYCLE | Cause.LOOP:
            return ForPerson(why="only its definition can mend that")
        case Cause.STUCK_CANCELLING:
            return RouteChange(act=Act.END, step=None)
        case _:
            return _REPAIRS[found.cause](found, seen, run, limits)


def _move(found: NamedCause, seen: RunState, run: RunRef, limits: RouteRepairLimits) -> Choice:
    del run
    state = seen.step(found.step)
    if state is None:
        return ForPerson(why="the engine does not show the step")
    live = [queue for queue in limits.elsewhere(state.queue) if seen.consumers.get(queue, 0) > 0]
    if not live:
        return ForPerson(why="no live queue is declared for it (route_repair.queues)")
    wedged = found.cause is Cause.WEDGED
    return RouteChange(
        act=Act.MOVE,
        step=state.name,
        to=live[0],
        ends_first=state.name if wedged else None,
        begins_again=state.has_begun,
    )


def _rerun(found: NamedCause, seen: RunState, run: RunRef, limits: RouteRepairLimits) -> Choice:
    del limits
    name = found.step or run.step
    if name is None:
        return ForPerson(why="which step stands still is not known")
    state = seen.step(name)
    if state is not None and state.phase is StepPhase.SUCCEEDED:
        return ForPerson(why=f"step {name!r} is complete, and what is complete is not run again")
    still = found.cause in {Cause.HEARTBEAT_MISSING, Cause.NOT_PICKED_UP}
    return RouteChange(
        act=Act.RERUN,
        step=name,
        ends_first=name if still else None,
        begins_again=state is None or state.has_begun,
    )


def _rerun_failed(found: NamedCause, seen: RunState, run: RunRef, limits: RouteRepairLimits) -> Choice:
    """End what runs of a run that counts as failed, and run it again from the step that failed."""
    del limits
    failed = [one for one in seen.steps if one.phase is StepPhase.FAILED]
    first = min(failed, key=lambda one: (one.optional, one.name), default=None)
    name = first.name if first is not None else found.step or run.step
    return RouteChange(act=Act.RERUN, step=name, ends_first=found.step, begins_again=True)


def _begin(found: NamedCause, seen: RunState, run: RunRef, limits: RouteRepairLimits) -> Choice:
    if found.step is None and not seen.steps:
        return RouteChange(act=Act.RESUME, step=run.step)
    return _rerun(found, seen, run, limits)


def _join(found: NamedCause, seen: RunState, run: RunRef, limits: RouteRepairLimits) -> Choice:
    state = seen.step(found.step)
    if state is not None and state.optional:
        return RouteChange(act=Act.SKIP, step=state.name)
    if state is not None and state.phase is StepPhase.FAILED:
        return _rerun(found, seen, run, limits)
    return ForPerson(why="its definition does not call it optional")


def _remap(found: NamedCause, seen: RunState, run: RunRef, limits: RouteRepairLimits) -> Choice:
    del run, limits
    if found.step is None:
        return ForPerson(why="which step is meant is not known")
    state = seen.step(found.step)
    to = seen.removed.get(found.step) or (state.renamed_to if state is not None else None)
    if to is None:
        return ForPerson(why="the definition in force names no other step for it")
    return RouteChange(act=Act.REMAP, step=found.step, to=to)


_Choose: TypeAlias = Callable[[NamedCause, RunState, RunRef, RouteRepairLimits], Choice]
_REPAIRS: Final[dict[Cause, _Choose]] = {
    Cause.NO_CONSUMER: _move,
    Cause.WEDGED: _move,
    Cause.NOT_PICKED_UP: _rerun,
    Cause.NEVER_STARTED: _begin,
    Cause.WORKER_LOST: _rerun,
    Cause.HEARTBEAT_MISSING: _rerun,
    Cause.STEP_FAILED: _rerun,
    Cause.FAILED_STILL_RUNNING: _rerun_failed,
    Cause.JOIN_UNMET: _join,
    Cause.STEP_REMOVED: _remap,
}


def order_of(repair: RouteChange, run: RunRef, given: Payload | None = None) -> Order:
    """Return the order for a run; `run` carries the step, and the fence of the look before it.

    `given`: the input that a person gave the failed step.
    """
    match repair.act:
        case Act.RERUN:
            return RerunStep(run=run, payload=given)
        case Act.RESUME:
            return ResumeRun(run=run)
        case Act.MOVE:
            return MoveToQueue(run=run, queue=repair.to or "")
        case Act.SKIP:
            return SkipStep(run=run)
        case Act.REMAP:
            return RemapStep(run=run, to=repair.to or "")
        case Act.END:
            return Terminate(run=run)
        case _:
            assert_never(repair.act)
