"""Recorded runs of a workflow: what went in, what each step's action was answered, and how the run ended."""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, JsonValue, ValidationError

from consumer.model import JsonObject
from consumer.workflows.definition import Definition, DefinitionModel, StepId, UnreadableDefinition, Word, first_fault

MOST_ANSWERS: Final = 2000
MOST_RUNS: Final = 200


class Ending(StrEnum):
    """How a run ends."""

    COMPLETED = "completed"
    COMPENSATED = "compensated"
    """It failed, and what it had done is undone."""
    FAILED = "failed"
    STUCK = "stuck"
    """It can neither go on nor end."""
    UNKNOWN = "unknown"
    """It asked for what no answer is recorded for."""


class RecordedAnswer(DefinitionModel):
    """What an action answered to these parameters. Of equal ones the first is taken once, and the last for ever."""

    action: Word
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    output: dict[str, JsonValue] = Field(default_factory=dict)
    error: str | None = None
    """It failed, and said this."""
    may_pass: bool = False
    """A failure that may be gone by the next try."""
    engine: Word | None = None
    """Given by this engine alone; None: by whichever the catalogue names for the action."""
    after: tuple[Word, ...] = ()
    """Given only once these actions have succeeded in the run."""
    seconds: Annotated[float, Field(ge=0)] = 1.0


class RecordedRun(DefinitionModel):
    """One run: its input, the answers that the world gives, and its end."""

    id: StepId
    input: dict[str, JsonValue] = Field(default_factory=dict)
    answers: Annotated[tuple[RecordedAnswer, ...], Field(max_length=MOST_ANSWERS)] = ()
    ends: Ending = Ending.COMPLETED
    """How it has to end: a good run as it did, a failing one as it should."""
    outputs: dict[str, JsonValue] | None = None
    """What it has to give; None where nobody knows, as of a failing run."""
    effects: tuple[str, ...] | None = None
    """Actions with an effect that it has to make, in any order; None where nobody knows."""


class WorkflowConfig(DefinitionModel):
    """What the registry keeps of a workflow: its definition, and good runs of it."""

    definition: Definition
    good_runs: Annotated[tuple[RecordedRun, ...], Field(max_length=MOST_RUNS)] = ()

    def as_json(self) -> JsonObject:
        """Return it as the document of the registry's column `config`."""
        runs = [run.model_dump(mode="json", by_alias=True, exclude_defaults=True) for run in self.good_runs]
        return {"definition": self.definition.as_json(), "goodRuns": list(runs)}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Parse a document; raises UnreadableDefinition. One of steps alone is a definition without recorded runs."""
        if isinstance(document, dict) and "steps" in document and "definition" not in document:
            document = {"definition": document}
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise UnreadableDefinition(first_fault(error)) from error
