"""A workflow's definition: steps, what they need, what has to hold of every run. Its JSON is the registry's form."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from consumer.model import JsonObject
from consumer.model.digest import digest
from schemas.fault_words import fault_in_words

MOST_STEPS: Final = 200
MOST_NEEDED: Final = 100
StepId: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
Word: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]


class UnreadableDefinition(ValueError):
    """The document is no definition; the message says where and why."""


class DefinitionModel(BaseModel):
    """What all parts of a definition share: frozen, camelCase in JSON, and no member that is not declared."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_alias=True, validate_by_name=True
    )


class Operator(StrEnum):
    """How a condition compares its two sides."""

    EQUALS = "equals"
    DIFFERS = "differs"
    ONE_OF = "one_of"
    NONE_OF = "none_of"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    PRESENT = "present"


class Condition(DefinitionModel):
    """A comparison; both sides may refer to the run: `${workflow.input.total}`, `${charge.output.amount}`."""

    left: JsonValue
    op: Operator
    right: JsonValue = None


class Invariant(DefinitionModel):
    """What holds of every run: a condition at its end, or the order in which two steps run.

    One of a run in which a step that it names did not run holds.
    """

    id: StepId
    holds: Condition | None = None
    order: tuple[StepId, StepId] | None = None
    """The second never begins before the first has ended, and never runs without it."""


class Action(DefinitionModel):
    """What undoes a step: an action of the catalogue, with its parameters."""

    engine: Word = Field(alias="engineType")
    action: Word
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class Join(StrEnum):
    """When a step that depends on several may begin."""

    ALL = "all"
    """All have succeeded; one that is never taken blocks it for good."""
    TAKEN = "taken"
    """All have ended, and those that were not skipped have succeeded."""
    ANY = "any"
    """One has succeeded."""


class Repetition(DefinitionModel):
    """The step runs again until the condition holds."""

    until: Condition
    at_most: Annotated[int, Field(ge=1)] | None = None
    """None: there is no end if the condition never holds."""


class DefinedStep(DefinitionModel):
    """One step: an action of an engine, on behalf of an agent."""

    id: StepId = Field(alias="stepId")
    agent: Annotated[str, Field(max_length=256)] = Field(alias="agentName", default="")
    engine: Word = Field(alias="engineType")
    action: Word
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    dependencies: Annotated[tuple[StepId, ...], Field(max_length=MOST_NEEDED)] = ()
    join: Join = Join.ALL
    when: Condition | None = None
    """The step is skipped where this does not hold."""
    repeat: Repetition | None = None
    retries: Annotated[int, Field(ge=0)] = 0
    """How often it is tried again after a failure that may pass."""
    timeout_seconds: Annotated[int, Field(ge=1)] | None = None
    required: bool = True
    """The run fails where this step does."""
    approval: Word | None = None
    """The role whose yes it waits for."""
    assertion: Condition | None = None
    """Fails the step where it does not hold of the step's output."""
    compensation: Action | None = None
    """What undoes its effect, where the run fails later on."""


class RunBudget(DefinitionModel):
    """What one run may cost at most."""

    max_cost: Annotated[int, Field(ge=0)] | None = None
    """In the unit of the catalogue's costs."""
    max_seconds: Annotated[int, Field(ge=1)] | None = None


class Definition(DefinitionModel):
    """A workflow's definition. It may be broken in every way that a run can be; `checks/` says how."""

    name: Word
    steps: Annotated[tuple[DefinedStep, ...], Field(min_length=1, max_length=MOST_STEPS)]
    inputs: tuple[StepId, ...] = ()
    """Names of the workflow's inputs."""
    outputs: dict[str, JsonValue] = Field(default_factory=dict)
    """What a completed run gives; references to its steps."""
    invariants: Annotated[tuple[Invariant, ...], Field(max_length=MOST_NEEDED)] = ()
    on_failure: Word | None = None
    """The workflow that undoes the effects of a failed run as a whole, where the engine has no other way."""
    budget: RunBudget = RunBudget()

    @cached_property
    def by_id(self) -> Mapping[str, DefinedStep]:
        """The steps by their ids; of two with one id, the last."""
        return {step.id: step for step in self.steps}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the document: what an approval and a version are bound to."""
        return digest(self.as_json())

    def as_json(self) -> JsonObject:
        """Return the document that JSON Patch works on; defaults are left out, except what patches reach into."""
        document: JsonObject = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        document["steps"] = [
            {**step.model_dump(mode="json", by_alias=True, include={"parameters", "dependencies"})}
            | step.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for step in self.steps
        ]
        return document

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Parse a document; raises UnreadableDefinition."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise UnreadableDefinition(first_fault(error)) from error


def first_fault(error: ValidationError) -> str:
    """Say where the first fault is and what it is, without the value that stands there."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = "/".join(str(part) for part in first["loc"])
    return f"/{where}: {fault_in_words(first)}"
