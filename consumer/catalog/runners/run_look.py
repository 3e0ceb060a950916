"""Declaration of what a look finds where in an engine's answer: the run's state, and that of each of its steps."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from consumer.catalog.declared import Declared

Pointer: TypeAlias = Annotated[str, Field(pattern=r"^(/.*)?$", max_length=1024)]
PhaseName: TypeAlias = Literal["queued", "running", "waiting", "cancelling", "succeeded", "failed", "cancelled", "gone"]
"""The values of `consumer.runners.contract.Phase`."""
StepPhaseName: TypeAlias = Literal[
    "blocked", "queued", "running", "waiting", "succeeded", "failed", "skipped", "cancelled"
]
"""The values of `consumer.runners.contract.StepPhase`."""
WaitsForName: TypeAlias = Literal["person", "timer", "signal"]
"""The values of `consumer.runners.contract.WaitsFor`."""


class StepsLook(Declared):
    """Where the steps stand in the answer. Pointers but `at` lead from one step; what is not declared is not known."""

    at: Pointer
    """Pointer to the list of steps, or to an object with one member for each, by name."""
    name: Pointer | None = None
    """Pointer to a step's name; None: the name of its member."""
    status: Pointer
    phases: dict[str, StepPhaseName] = Field(min_length=1)
    """Phase of each of the engine's names of a step's state; with one that is not listed the look is inconclusive."""
    waits: dict[str, WaitsForName] = Field(default_factory=dict)
    """What a step waits for, by the engine's name of its state."""
    attempts: Pointer | None = None
    """How often it was begun; of a list, its length counts. Without it, whether it has begun follows from its phase."""
    completions: Pointer | None = None
    """How often it has completed over the run's whole life: with it, that no step completes twice is proven."""
    since: Pointer | None = None
    """Since when it is in its state: RFC 3339, or seconds or milliseconds since 1970."""
    queue: Pointer | None = None
    worker_alive: Pointer | None = None
    """Whether the worker that has it lives: true or false."""
    heartbeat: Pointer | None = None
    needs: Pointer | None = None
    """The names of the steps that have to be complete before it."""
    needs_any: Pointer | None = None
    """Whether one of them is enough."""
    optional: Pointer | None = None
    """Whether the run may go on without it."""
    renamed_to: Pointer | None = None
    """The name that it has in the definition in force."""
