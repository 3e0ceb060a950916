"""A workflow engine as values: what may be asked of it about one run, and what it says of that run."""

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
    """Where a run stands, whatever its engine calls it."""

    RUNNING = "running"
    WAITING = "waiting"
    """On a person or a timer: healthy, and not to be touched."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GONE = "gone"
    """The engine does not know it."""


@value(frozen=True, slots=True, kw_only=True)
class RunState:
    """What the engine says of a run, asked without effect."""

    phase: Phase
    said: str
    """The engine's own word for it."""
    epoch: int | None = None
    progress: str | None = None
    """Grows or changes as the run gets on; None where the engine tells nothing of the kind."""


@value(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Where the run stands could not be learnt."""

    reason: str
    dependency_unhealthy: bool = False
    """The engine did not answer as something that is well does."""
    after: timedelta | None = None
    """When it asked to be asked again."""


@value(frozen=True, slots=True, kw_only=True)
class RerunStep:
    """Run the failed step again; with `payload` as its new input, or with its old one where that is None."""

    run: RunRef
    payload: "Payload | None" = None


@value(frozen=True, slots=True, kw_only=True)
class ResumeRun:
    """Let the run go on from where it stands; what is complete is not done again."""

    run: RunRef


@value(frozen=True, slots=True, kw_only=True)
class ReplaceDefinition:
    """Put a new version of the workflow's definition in the place of the one that it was made from."""

    run: RunRef
    definition: JsonObject
    replaces: str | None
    """The version that it was made from; the engine refuses when another one stands there by now."""


@value(frozen=True, slots=True, kw_only=True)
class Payload:
    """A step's input; wrapped, because null is one."""

    document: Json


Order: TypeAlias = RerunStep | ResumeRun | ReplaceDefinition


@value(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The engine took the order. That is no proof of anything: look at the run."""

    run: RunRef
    """The run to look at from now on; engines that never touch an ended run give a new one."""
    said: str


@value(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The engine answered, and does not do it; nothing has happened. An answer that may hide an effect is Ambiguous."""

    reason: str
    dependency_unhealthy: bool = False
    """The answer is that of an engine that is not well (429, 503), and not a judgement on the order."""
    after: timedelta | None = None
    """When it asked to be asked again."""
    conflict: bool = False
    """The run or the definition has moved on: what the order was made from no longer holds."""


Given: TypeAlias = Accepted | Rejected | NotSent | Ambiguous | EgressRefused


class Runner(Protocol):
    """A way to one engine, as the catalog describes it."""

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:
        """Say why this order cannot be given (not described, a field missing, a host not allowed). Pure."""
        ...

    def effect(self, order: Order) -> Effect:
        """Say what giving the order twice would do, as the catalog declares it. Pure."""
        ...

    def dependency(self) -> str:
        """Name what has to be well for it to work, such as `https://runs.example.com:443`. Pure."""
        ...

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> Given:
        """Give the order once. `key` is the same for every repetition of this order while its outcome is unknown."""
        ...

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | Unseen:
        """Ask where a run stands, without any effect."""
        ...


class Runners(Protocol):
    """The engines of this deployment."""

    def of(self, policy: WorkflowPolicy) -> Runner | None:
        """Give the runner that the workflow's entry names, or None where it names none."""
        ...
