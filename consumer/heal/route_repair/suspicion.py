"""What one look at a run says of why it stands still: a cause from a closed list, or none. Pure.

The engine asks from the certain to the uncertain. What waits is healthy. What runs comes before what is queued, and
that before what is blocked: a run of which one step still works may look dead everywhere else. A step of which the
engine says nothing (no heartbeat, no worker, no time) works, for all that is known, and no cause is named.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from consumer.catalog import RouteRepairLimits
from consumer.heal.digest import digest
from consumer.model import Json
from consumer.runners.contract import Phase, RunState, StepPhase, StepState
from schemas.value import value


class Cause(StrEnum):
    """Why a run stands still. The list is closed: what fits none of it is not acted upon."""

    NO_CONSUMER = "no_consumer"
    """A step waits in a queue from which no worker takes: unroutable."""
    NOT_PICKED_UP = "not_picked_up"
    """A step waits in a queue for too long, although workers take from it, or for all that is known."""
    NEVER_STARTED = "never_started"
    """All that a step, or the run, needs is there, and it was never begun."""
    WORKER_LOST = "worker_lost"
    """A step runs on a worker that the engine knows to be dead."""
    HEARTBEAT_MISSING = "heartbeat_missing"
    """A step runs, and has given no sign of life for too long: its worker may be dead, or slow."""
    WEDGED = "wedged"
    """A step is begun over and over, and the run gets nowhere."""
    FAILED_STILL_RUNNING = "failed_still_running"
    """The run counts as failed, and a step of it still runs."""
    STUCK_CANCELLING = "stuck_cancelling"
    """Somebody ended the run, and it does not end."""
    JOIN_UNMET = "join_unmet"
    """A step waits for one that will never be complete."""
    STEP_REMOVED = "step_removed"
    """The run refers to a step that its definition lacks by now."""
    DEPENDENCY_CYCLE = "dependency_cycle"
    """Steps wait for each other."""
    LOOP = "loop"
    """Steps complete again and again, and the run gets nowhere."""
    STEP_FAILED = "step_failed"
    """The run has ended in the failure of a step, or stands at it."""
    WAITING = "waiting"
    """It waits for a person, a timer or a signal: that is no stall."""
    ELSEWHERE = "elsewhere"
    """No worker of the engine takes anything at all: no repair of this run can help."""


@value(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What one look says, in a form that is small enough to be kept until the second one."""

    cause: Cause | None
    step: str | None = None
    """The step that the cause is about: the one that stands, or the one that is referred to."""
    evidence: str = ""
    place: str = ""
    """Digest of where the run stands: its epoch, its watermark, and which steps are complete."""
    fence: str | None = None
    busiest: str | None = None
    """The step that was begun most often of those that are not complete, and wait for nothing from outside."""
    begun: int = 0
    """How often that one was begun."""
    completed: int = 0
    """How often any step has completed, all in all."""
    progress: str | None = None
    """The watermark of a run whose engine shows no steps."""
    sign: str | None = None
    """The latest sign of life of it and of what runs, as its engine dates it: one that moves between looks is alive."""


_Named: TypeAlias = tuple[Cause | None, str | None, str]
_NEVER_COMPLETE: Final = frozenset({StepPhase.FAILED, StepPhase.SKIPPED, StepPhase.CANCELLED})
_COMPLETE: Final = frozenset({StepPhase.SUCCEEDED, StepPhase.SKIPPED})
_SHOWN: Final = 80
_KEPT: Final = 200


def suspect(seen: RunState, limits: RouteRepairLimits, now: datetime) -> Suspicion:
    """Return what a look says; `now` is the healer's clock, for an engine that does not tell its own."""
    cause, step, evidence = _name(seen, limits, seen.at or now)
    tried = [one for one in seen.steps if one.phase not in {StepPhase.SUCCEEDED, StepPhase.WAITING}]
    busiest = max(tried, key=lambda one: (one.attempts or 0, one.name), default=None)
    return Suspicion(
        cause=cause,
        step=step,
        evidence=evidence,
        place=place_of(seen),
        fence=kept_text(seen.fence),
        busiest=busiest.name if busiest is not None and busiest.attempts else None,
        begun=0 if busiest is None else busiest.attempts or 0,
        completed=sum(one.times_completed for one in seen.steps),
        progress=None if seen.steps else kept_text(seen.progress),
        sign=_latest_sign(seen),
    )


def _latest_sign(seen: RunState) -> str | None:
    signs = [one.heartbeat for one in seen.steps if one.phase is StepPhase.RUNNING] or [seen.last_sign_of_life]
    latest = max((sign for sign in signs if sign is not None), default=None)
    return None if latest is None else latest.isoformat()


def kept_text(text: str | None) -> str | None:
    """Return an engine's word at the length at which looks are compared, and kept between them."""
    return None if text is None else text[:_KEPT]


def place_of(seen: RunState) -> str:
    """Return a digest of where a run stands: it is another one as soon as the run gets on.

    Where the engine shows steps, which of them are complete is the watermark, and no counter beside them.
    """
    complete: list[Json] = [*sorted(one.name for one in seen.steps if one.times_completed)]
    return digest([seen.epoch, complete if seen.steps else seen.progress])[:16]


def _name(seen: RunState, limits: RouteRepairLimits, at: datetime) -> _Named:
    waiting = next((one for one in _by_name(seen.steps) if one.phase is StepPhase.WAITING), None)
    beside = _beside_waiting(seen, limits, at) if waiting is not None and seen.phase is Phase.RUNNING else None
    if beside is not None:
        return beside
    if seen.phase is Phase.WAITING or (waiting is not None and seen.phase is not Phase.CANCELLING):
        what = seen.waits_for or (waiting.waits_for if waiting is not None else None)
        return (
            Cause.WAITING,
            waiting.name if waiting is not None else None,
            f"waits for a {what or 'word from outside'}",
        )
    match seen.phase:
        case Phase.CANCELLING:
            return _cancelling(seen, limits, at)
        case Phase.FAILED:
            return _failed(seen)
        case Phase.QUEUED | Phase.RUNNING:
            return _under_way(seen, limits, at)
        case _:
            return None, None, f"the run is over: {seen.said[:_SHOWN]}"


def _beside_waiting(seen: RunState, limits: RouteRepairLimits, at: datetime) -> _Named | None:
    """Name what is certain of the other branches of a run of which one waits: a dead worker, a queue without any."""
    running = [one for one in _by_name(seen.steps) if one.phase is StepPhase.RUNNING]
    if any(one.worker_alive is not False for one in running):
        return None
    if running:
        lost = running[0]
        why = f"the worker of step {lost.name[:_SHOWN]!r} is dead, and another branch waits"
        return Cause.WORKER_LOST, lost.name, why
    queued = [one for one in _by_name(seen.steps) if one.phase is StepPhase.QUEUED]
    cause, step, why = _queued(queued, seen, limits, at)
    return (cause, step, f"{why}, and another branch waits") if cause is Cause.NO_CONSUMER else None


def _cancelling(seen: RunState, limits: RouteRepairLimits, at: datetime) -> _Named:
    if (silent := _age(seen.last_sign_of_life, at)) is not None and silent > limits.cancelling:
        return Cause.STUCK_CANCELLING, None, f"is being cancelled for {_words(silent)}"
    return None, None, "is being cancelled"


def _failed(seen: RunState) -> _Named:
    failed = next(_failed_of(seen), None)
    name = None if failed is None else failed.name
    running = next(
        (one for one in _by_name(seen.steps) if one.phase is StepPhase.RUNNING and one.worker_alive is not False), None
    )
    if running is not None:
        why = f"the run counts as failed ({seen.said[:_SHOWN]}), and step {running.name[:_SHOWN]!r} still runs"
        return Cause.FAILED_STILL_RUNNING, running.name, why
    return Cause.STEP_FAILED, name, f"the run has failed: {seen.said[:_SHOWN]}"


def _under_way(seen: RunState, limits: RouteRepairLimits, at: datetime) -> _Named:
    if not seen.steps:
        return _without_steps(seen, limits, at)
    running = [one for one in _by_name(seen.steps) if one.phase is StepPhase.RUNNING]
    if running:
        return _running(running, limits, at)
    queued = [one for one in _by_name(seen.steps) if one.phase is StepPhase.QUEUED]
    if queued:
        return _queued(queued, seen, limits, at)
    return _standing(seen, limits, at)


def _without_steps(seen: RunState, limits: RouteRepairLimits, at: datetime) -> _Named:
    silent = _age(seen.last_sign_of_life, at)
    if silent is None:
        return None, None, "the engine tells no steps and no sign of life"
    if seen.phase is Phase.QUEUED and silent > limits.queued:
        return Cause.NEVER_STARTED, None, f"the run waits to be begun for {_words(silent)}"
    if seen.phase is Phase.RUNNING and silent > limits.silent:
        return Cause.HEARTBEAT_MISSING, None, f"the run's last sign of life is {_words(silent)} old"
    return None, None, f"its last sign of life is {_words(silent)} old"


def _running(running: list[StepState], limits: RouteRepairLimits, at: datetime) -> _Named:
    """Name the first step that is ill, if none works: a run of which one step works gets on by itself."""
    named: _Named | None = None
    for one in running:
        silent = _age(one.heartbeat, at)
        if one.worker_alive is False:
            named = named or (Cause.WORKER_LOST, one.name, f"the worker of step {one.name[:_SHOWN]!r} is dead")
        elif silent is not None and silent > max(limits.silent, one.beats_within):
            why = f"the last sign of life of step {one.name[:_SHOWN]!r} is {_words(silent)} old"
            named = named or (Cause.HEARTBEAT_MISSING, one.name, why)
        else:
            return None, one.name, f"step {one.name[:_SHOWN]!r} runs"
    return named or (None, None, "")


def _queued(queued: list[StepState], seen: RunState, limits: RouteRepairLimits, at: datetime) -> _Named:
    """Name the first step that nothing takes, if none may yet be taken."""
    named: _Named | None = None
    for one in queued:
        queue, since = one.queue, _age(one.since, at)
        if queue is not None and seen.consumers.get(queue) == 0:
            if len(seen.consumers) > 1 and not any(seen.consumers.values()):
                return Cause.ELSEWHERE, one.name, "no worker takes from any queue of the engine"
            why = f"step {one.name[:_SHOWN]!r} waits in queue {queue[:_SHOWN]!r}, from which no worker takes"
            named = named or (Cause.NO_CONSUMER, one.name, why)
        elif since is not None and since > limits.queued and _is_unknown(queue, seen):
            why = f"step {one.name[:_SHOWN]!r} waits for {_words(since)} in queue {str(queue)[:_SHOWN]!r}"
            named = named or (Cause.NO_CONSUMER, one.name, f"{why}, which is not among the engine's queues")
        elif queue in seen.full or one.awaits_turn:
            return None, one.name, f"all places of queue {str(queue)[:_SHOWN]!r} may be taken: its turn will come"
        elif since is not None and since > limits.queued:
            why = f"step {one.name[:_SHOWN]!r} waits for a worker for {_words(since)}"
            named = named or (Cause.NOT_PICKED_UP, one.name, why)
        else:
            return None, one.name, f"step {one.name[:_SHOWN]!r} is queued"
    return named or (None, None, "")


def _is_unknown(queue: str | None, seen: RunState) -> bool:
    """Return whether an engine that tells its queues does not tell this one: a step in it is unroutable."""
    return queue is not None and bool(seen.consumers) and queue not in seen.consumers and queue not in seen.full


def _standing(seen: RunState, limits: RouteRepairLimits, at: datetime) -> _Named:
    """Name what keeps a run from going on of which nothing runs or is queued."""
    blocked = [one for one in _by_name(seen.steps) if one.phase is StepPhase.BLOCKED]
    known = {one.name: one for one in seen.steps}
    named = next(_removed(blocked, known, seen), None) or next(_unmet(blocked, known), None)
    if named is None and (cycle := cycle_in(blocked)):
        named = Cause.DEPENDENCY_CYCLE, cycle[0], f"steps wait for each other: {', '.join(cycle)[:_SHOWN]}"
    if named is None:
        named = next(_ready(blocked, known, seen, limits, at), None)
    if named is None and not blocked:
        named = next(
            ((Cause.STEP_FAILED, one.name, f"step {one.name[:_SHOWN]!r} has failed") for one in _failed_of(seen)), None
        )
    if named is None and all(one.phase in _COMPLETE for one in seen.steps):
        return None, None, "all of its steps are complete, and its engine has not ended it: no order does that"
    return named or (None, None, "nothing of it runs or is queued, and nothing says why")


def _removed(blocked: list[StepState], known: dict[str, StepState], seen: RunState) -> Iterator[_Named]:
    for one in blocked:
        for need in one.needs:
            if need in seen.removed or need not in known:
                yield (
                    Cause.STEP_REMOVED,
                    need,
                    f"step {one.name[:_SHOWN]!r} waits for {need[:_SHOWN]!r}, which is no more",
                )
        if one.renamed_to is not None or one.name in seen.removed:
            yield Cause.STEP_REMOVED, one.name, f"the definition in force has no step {one.name[:_SHOWN]!r}"


def _unmet(blocked: list[StepState], known: dict[str, StepState]) -> Iterator[_Named]:
    for one in blocked:
        never = [known[need] for need in one.needs if known[need].phase in _NEVER_COMPLETE]
        if never and (not one.needs_any or len(never) == len(one.needs)):
            # The one that may be done again, or left out, before the one that only a person can help.
            culprit = min(never, key=lambda it: (not it.optional, it.phase is not StepPhase.FAILED, it.name))
            why = f"step {one.name[:_SHOWN]!r} waits for {culprit.name[:_SHOWN]!r}, which is {culprit.phase}"
            yield Cause.JOIN_UNMET, culprit.name, why


def _ready(
    blocked: list[StepState], known: dict[str, StepState], seen: RunState, limits: RouteRepairLimits, at: datetime
) -> Iterator[_Named]:
    for one in blocked:
        if one.awaits_turn:
            continue
        complete = [known[need].phase is StepPhase.SUCCEEDED for need in one.needs]
        met = any(complete) if one.needs_any and complete else all(complete)
        since = _age(one.since or seen.last_sign_of_life, at)
        if met and since is not None and since > limits.queued:
            why = f"step {one.name[:_SHOWN]!r} has all that it needs for {_words(since)}, and was not begun"
            yield Cause.NEVER_STARTED, one.name, why


def _failed_of(seen: RunState) -> Iterator[StepState]:
    """Give the failed steps, those first that the run cannot go on without: the others are not what it failed for."""
    failed = (one for one in seen.steps if one.phase is StepPhase.FAILED)
    yield from sorted(failed, key=lambda one: (one.optional, one.name))


def cycle_in(steps: Iterable[StepState]) -> tuple[str, ...]:
    """Return the names of steps that wait for each other, in alphabetical order; empty where none do.

    Steps that wait for nothing among the others are taken away until none is left that does (Kahn's algorithm, so
    that a long chain costs its length): what then remains holds a cycle, and a walk along it finds one.
    """
    listed = [*steps]
    names = {one.name for one in listed}
    needs = {one.name: set(one.needs) & names for one in listed}
    after: dict[str, list[str]] = {name: [] for name in names}
    for name, before in needs.items():
        for need in before:
            after[need].append(name)
    ready = [name for name, before in needs.items() if not before]
    while ready:
        gone = ready.pop()
        del needs[gone]
        for name in after[gone]:
            needs[name].discard(gone)
            if not needs[name]:
                ready.append(name)
    if not needs:
        return ()
    walked: dict[str, None] = {}
    name = min(needs)
    while name not in walked:
        walked[name] = None
        name = min(needs[name])
    path = [*walked]
    return tuple(sorted(path[path.index(name) :]))


def _by_name(steps: Iterable[StepState]) -> list[StepState]:
    return sorted(steps, key=lambda one: one.name)


def _age(since: datetime | None, at: datetime) -> timedelta | None:
    return None if since is None else at - since


def _words(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} s"
