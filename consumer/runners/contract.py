"""Contract of a workflow engine client (`Runner`): orders, run states and results as values."""

from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

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


class Phase(StrEnum):
    """State of a run, independent of the engine's own names."""

    RUNNING = "running"
    WAITING = "waiting"
    """Waits for a person or a timer: healthy, and not to be touched."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GONE = "gone"
    """The engine does not know the run."""


@value(frozen=True, slots=True, kw_only=True)
class RunState:
    """State of a run as the engine reports it to a look, which has no effect."""

    phase: Phase
    said: str
    """The engine's own name of the state."""
    epoch: int | None = None
    progress: str | None = None
    """Grows or changes as the run progresses; None where the engine reports nothing of the kind."""


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
    """Order to rerun the failed step; with `payload` as its new input, or with its old one where that is None."""

    run: RunRef
    payload: "Payload | None" = None


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
class Payload:
    """A step's input; wrapped, because null is a valid input."""

    document: Json


Order: TypeAlias = RerunStep | ResumeRun | ReplaceDefinition


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
        """Return the effect class of the order: what sending it twice would do, as the catalog declares it. Pure."""
        ...

    def dependency(self) -> str:
        """Return the dependency that has to be healthy for it to work: `https://runs.example.com:443`. Pure."""
        ...

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Send the order once. `key` is the idempotency key: the same for every repeat while the outcome is unknown."""
        ...

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Query the state of a run, without any effect."""
        ...


class Runners(Protocol):
    """The runners of this deployment."""

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Return the runner that the workflow's catalog entry names, or None where it names none."""
        ...
