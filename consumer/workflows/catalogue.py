"""The step catalogue and the limits of a patch: which actions there are, what each takes, gives and costs."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from consumer.workflows.definition import DefinitionModel, StepId, Word


class Place(StrEnum):
    """What a value means to the action that takes it: how much harm a foreign one does."""

    DATA = "data"
    INSTRUCTION = "instruction"
    """A prompt, a message, a text that somebody follows."""
    ID = "id"
    """An account, a recipient, a key, a path."""
    HOST = "host"
    CODE = "code"
    AMOUNT = "amount"


class ParameterSpec(DefinitionModel):
    """One parameter of an action."""

    type: Literal["string", "number", "integer", "boolean", "object", "array", "any"] = "any"
    place: Place = Place.DATA
    required: bool = False
    values: tuple[JsonValue, ...] = ()
    """The literals that may stand there; empty: any that the checks let pass."""


class ActionSpec(DefinitionModel):
    """One action of the catalogue."""

    engines: tuple[Word, ...]
    """The engines that serve it; empty: it was removed, and nothing does."""
    agents: tuple[str, ...] = ()
    """The agents that may have it done; empty: any that the definition has."""
    parameters: Mapping[str, ParameterSpec] = Field(default_factory=dict)
    outputs: Mapping[str, ParameterSpec] | None = None
    """The members of its output; None: not known."""
    effect: bool = False
    """It changes the world."""
    idempotent: bool = False
    """Its effect is the same however often it is made: only then it may be tried again."""
    privilege: str | None = None
    """What it may do that not each action may, such as `money`."""
    cost: Annotated[int, Field(ge=0)] = 0
    replaces: tuple[Word, ...] = ()
    """Earlier actions that it does the work of."""
    undone_by: Word | None = None
    """The action that undoes its effect."""
    operator: bool = False
    """The engine itself does it (a fork, a switch): it is part of the graph, and nothing answers it."""

    def parameter(self, name: str) -> ParameterSpec | None:
        """Return what is known of a parameter; one named `*` stands for all others."""
        return self.parameters.get(name) or self.parameters.get("*")


class Limits(DefinitionModel):
    """What a patch may use besides what the definition has already."""

    actions: Mapping[str, ActionSpec]
    inputs: Mapping[str, ParameterSpec] = Field(default_factory=dict)
    """What is known of the workflow's inputs."""
    engines: tuple[Word, ...] = ()
    """Engines that are approved; those of the definition are no reason to keep one that is not served."""
    hosts: tuple[Word, ...] = ()
    credentials: tuple[StepId, ...] = ()
    """Names of secrets that any step may take."""
    privileges: tuple[Word, ...] = ()
    max_steps: Annotated[int, Field(ge=1)] = 50
    max_retries: Annotated[int, Field(ge=0)] = 5
    max_repeats: Annotated[int, Field(ge=1)] = 100
    max_timeout_seconds: Annotated[int, Field(ge=1)] = 3600
    max_cost: Annotated[int, Field(ge=0)] = 1000
    max_patch_operations: Annotated[int, Field(ge=1)] = 50
