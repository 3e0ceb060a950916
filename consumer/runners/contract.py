"""Contract of a workflow engine client (`Runner`): orders, run states and results as values.

What an engine has to give: phase and the engine's own word for it, always. Whatever else it knows of why a run stands
still is evidence, and what it does not know stays None or empty: then fewer causes can be named, and no wrong one.
Times are by the engine's own clock, and `RunState.at` is that clock at the look: ages are counted by it alone. A
`fence` is whatever changes with each new start of the run or its step (a task instance's id, a run count): it goes back
with the order in `RunRef.fence`, so that an order for what has been started anew since does nothing.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from consumer.catalog import WorkflowPolicy
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from schemas.names import Effect
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class RunRef:
    """One run at its engine, as the failure names it."""

    org_id: str
    workflow_name: str
    run_id: str
    epoch: int | None = None
    step: str | None = None
    fence: str | None = None
    """The fence that the look before an order saw: an engine with fences does nothing where it has another one."""


class Phase(StrEnum):
    """State of a run, independent of the engine's own names."""

    QUEUED = "queued"
    """Taken by the engine, and not begun, or not begun again."""
    RUNNING = "running"
    WAITING = "waiting"
    """Waits for a person, a timer or a signal: healthy, and not to be touched."""
    CANCELLING = "cancelling"
    """Somebody ended it, and something of it may still run."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Somebody ended it: that is no failure, and it is not run again."""
    GONE = "gone"
    """The engine does not know the run."""


class StepPhase(StrEnum):
    """State of one step of a run."""

    BLOCKED = "blocked"
    """Not begun: steps before it are not complete, or will never be."""
    QUEUED = "queued"
    """May begin, and no worker has it."""
    RUNNING = "running"
    WAITING = "waiting"
    """As of a run."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class WaitsFor(StrEnum):
    """What a healthy run or step waits for."""

    PERSON = "person"
    TIMER = "timer"
    SIGNAL = "signal"
    """A message, a sensor's condition, another run."""


@value(frozen=True, slots=True, kw_only=True)
class StepState:
    """State of one step as the engine reports it; what the engine does not know keeps its default."""

    name: str
    """The name by which orders know it (`RunRef.step`)."""
    phase: StepPhase
    said: str = ""
    """The engine's own name of the state."""
    attempts: int | None = None
    """How often it was begun, within this epoch of the run; 0: never."""
    completions: int | None = None
    """How often it has completed over the run's whole life. None: at most once, by its phase."""
    since: datetime | None = None
    """Since when it is in this state."""
    queue: str | None = None
    """The queue, pool or task queue from which a worker takes it."""
    awaits_turn: bool = False
    """Its engine has not given it out yet, and may hold it back by a limit of its own: no worker is missing."""
    worker_alive: bool | None = None
    """Whether the worker that has it lives: False only where the engine knows that it does not."""
    heartbeat: datetime | None = None
    """Its worker's last sign of life for it."""
    beats_within: timedelta = timedelta(0)
    """How far apart its signs of life may lie by its engine's own rule: until then it is not silent."""
    waits_for: WaitsFor | None = None
    needs: tuple[str, ...] = ()
    """Steps that have to be complete before it, by name."""
    needs_any: bool = False
    """One of `needs` is enough (a join of branches of which one is taken)."""
    optional: bool = False
    """The definition says that the run may go on without it."""
    renamed_to: str | None = None
    """The definition in force has it under this name."""

    @property
    def has_begun(self) -> bool:
        """Whether it may have begun: only what is known not to have begun has not.

        A count of 0 beside a step that runs, or is complete, is no such word: an engine may count its retries.
        """
        if self.phase is StepPhase.RUNNING or self.times_completed > 0 or self.phase is StepPhase.SUCCEEDED:
            return True
        if self.attempts is not None:
            return self.attempts > 0
        return self.phase not in {StepPhase.BLOCKED, StepPhase.QUEUED, StepPhase.SKIPPED}

    @property
    def times_completed(self) -> int:
        """How often it has completed, as far as the engine knows."""
        return int(self.phase is StepPhase.SUCCEEDED) if self.completions is None else self.completions


@value(frozen=True, slots=True, kw_only=True)
class RunState:
    """State of a run as the engine reports it to a look, which has no effect."""

    phase: Phase
    said: str
    """The engine's own name of the state."""
    epoch: int | None = None
    progress: str | None = None
    """The watermark: grows or changes as the run progresses; None where the engine reports nothing of the kind."""
    fence: str | None = None
    """Changes with each new start of the run, or of the step that it stands at; see `RunRef.fence`."""
    waits_for: WaitsFor | None = None
    """What it waits for, where its phase is WAITING and the engine says it."""
    last_sign_of_life: datetime | None = None
    """The run's last heartbeat, or the last time anything of it changed."""
    steps: tuple[StepState, ...] = ()
    """Its steps, in any order; empty for an engine without steps: then phase and signs of life are all the evidence."""
    removed: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """Steps that the run refers to and the definition in force lacks, each with the name that it says they have now."""
    consumers: Mapping[str, int] = field(default_factory=dict, hash=False)
    """How many workers take from each queue. Empty: not known; one that is missing among others is no queue there."""
    full: frozenset[str] = frozenset()
    """Queues of which every place is taken, or may be: what waits there waits for its turn; no worker is missing."""
    at: datetime | None = None
    """The engine's own clock at the look; None: the healer's is taken."""

    def step(self, name: str | None) -> StepState | None:
        """Return a step by its name."""
        return next((one for one in self.steps if one.name == name), None)


@value(frozen=True, slots=True, kw_only=True)
class LookFailed:
    """The look failed: the state of the run is not known."""

    reason: str
    dependency_unhealthy: bool = False
    """The result counts as a strike against the engine."""
    after: timedelta | None = None
    """The engine's Retry-After."""


@value(frozen=True, slots=True, kw_only=True)
class RerunStep:
    """Order to clear the run from `run.step` on and run it again from there, and nothing before it.

    With `payload` as the step's new input, or with its old one where that is None.
    """

    run: RunRef
    payload: "Payload | None" = None
    latest: bool = False
    """On the newest version of its workflow, and not on the one that it has begun on."""


@value(frozen=True, slots=True, kw_only=True)
class ResumeRun:
    """Order to resume the run from where it stands; what is complete is not done again."""

    run: RunRef


@value(frozen=True, slots=True, kw_only=True)
class ReplaceDefinition:
    """Order to replace the workflow's definition by a new version, by compare-and-set on the version it is based on."""

    run: RunRef
    definition: JsonObject
    replaces: str | None
    """The version that it is based on; the engine refuses when another one is in place by now."""


@value(frozen=True, slots=True, kw_only=True)
class StartRun:
    """Order to start a new run of a definition that need not be in force; `Accepted.run` is that run.

    `run.run_id` is the key of the order, for there is no run yet: given twice under one key, one run is started where
    its effect class is not UNSAFE.
    """

    run: RunRef
    definition: JsonObject
    replaces: str
    """The version that the definition is based on."""
    given: JsonObject
    """The input of the run."""


@value(frozen=True, slots=True, kw_only=True)
class Terminate:
    """Order to end what may still run of `run.step`, or of the whole run where that is None; nothing begins by it.

    That it has ended is seen by a look: no worker has the step any more.
    """

    run: RunRef


@value(frozen=True, slots=True, kw_only=True)
class MoveToQueue:
    """Order to have `run.step` taken from another queue; of a step that has not begun no second copy comes to be."""

    run: RunRef
    queue: str


@value(frozen=True, slots=True, kw_only=True)
class SkipStep:
    """Order to go on without `run.step`, which the definition calls optional."""

    run: RunRef


@value(frozen=True, slots=True, kw_only=True)
class RemapStep:
    """Order to take `to`, a step of the definition in force, where the run refers to `run.step`, which it lacks."""

    run: RunRef
    to: str


@value(frozen=True, slots=True, kw_only=True)
class Payload:
    """A step's input; wrapped, because null is a valid input."""

    document: Json


Order: TypeAlias = RerunStep | ResumeRun | ReplaceDefinition | StartRun | Terminate | MoveToQueue | SkipStep | RemapStep


@value(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The engine accepted the order. That proves nothing yet: look at the run."""

    run: RunRef
    """The run to look at from now on; engines that never touch an ended run create a new one."""
    said: str


@value(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The engine rejected the order; nothing has happened. An answer that may hide an effect is Ambiguous."""

    reason: str
    dependency_unhealthy: bool = False
    """The answer is that of an unhealthy engine (429, 503), and not a verdict on the order."""
    after: timedelta | None = None
    """The engine's Retry-After."""
    conflict: bool = False
    """The run or the definition has moved on: the state that the order is based on no longer holds."""


OrderResult: TypeAlias = Accepted | Rejected | NotSent | Ambiguous | EgressRefused


class Runner(Protocol):
    """Client of one workflow engine, as the catalog declares it."""

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        """Return why this order cannot be sent (not declared, a field missing, a host not allowed), or None. Pure."""
        ...

    def effect(self, order: Order) -> Effect:
        """Return the effect class of the order: what sending it twice would do, as the catalog declares it. Pure.

        CONDITIONAL: it is safe only right after a look that shows the run still standing where it failed. Whoever gives
        it looks as close before it as can be, and puts the fence of that look into the order.
        """
        ...

    def dependency(self) -> str:
        """Return the dependency that has to be healthy for it to work: `https://runs.example.com:443`. Pure."""
        ...

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Send the order once. `key` is the idempotency key: the same for every repeat while the outcome is unknown.

        An engine whose calls for one order are several looks before the last one by itself, and gives Rejected with
        `conflict` where the run has moved on; with `run.fence` set, also where the engine's fence is another one.
        """
        ...

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the state of a run, without any effect."""
        ...


class Runners(Protocol):
    """The runners of this deployment."""

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Return the runner that the workflow's catalog entry names, or None where it names none."""
        ...


class _NoRunners:
    def of(self, policy: WorkflowPolicy) -> Runner | None:
        del policy
        return None


NO_RUNNERS: Final = _NoRunners()
"""Of a deployment without engines."""
