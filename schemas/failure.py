"""`workflow.failure.v1`: what an upstream service says when a workflow of its has failed."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NoReturn
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.errors import EnvelopeError
from schemas.fault_words import fault_in_words, same_word
from schemas.names import PoisonReason
from schemas.rfc3339 import Time

FAILURE_TYPE: Final = "workflow.failure.v1"
"""The CloudEvents type."""
MAX_REASON_CHARACTERS: Final = 65_536
MAX_WORKFLOW_NAME_CHARACTERS: Final = 512


def _object(value: object) -> object:
    # Many serializers write an absent object as null.
    return {} if value is None else value


class WorkflowFailure(BaseModel):
    """One failure of a workflow, as its publisher tells it; fields beyond the named ones are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    org_id: UUID = Field(description="The organisation that the workflow belongs to.")
    workflow_name: str = Field(
        min_length=1,
        max_length=MAX_WORKFLOW_NAME_CHARACTERS,
        description="The workflow's name, by which the catalog finds what may be done to it.",
    )
    failure_reason: str = Field(
        max_length=MAX_REASON_CHARACTERS,
        description="What went wrong, in words: an error message, a trace. Diagnosed by its text; may be empty.",
    )
    context: Annotated[dict[str, Any], BeforeValidator(_object, json_schema_input_type=dict[str, Any] | None)] = Field(
        default_factory=dict,
        description="Anything that helps to heal. What is understood of it stands in the schema of `context`; "
        "what is not is kept. Secrets are named as `secret://NAME`, never sent.",
    )
    detected_at: Time | None = Field(
        default=None,
        description="When the failure was noticed, RFC 3339 with an offset. Absent: when the event was received.",
    )


def decode_failure(data: Mapping[str, Any]) -> WorkflowFailure:
    """Validate an event's data; EnvelopeError `too_large`, `bad_time` or `wrong_shape` names the field."""
    try:
        return WorkflowFailure.model_validate(data)
    except ValidationError as error:
        _refuse(error, data)


def _refuse(error: ValidationError, data: Mapping[str, Any]) -> NoReturn:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(step) for step in first["loc"]) or "data"
    match field, first["type"]:
        case "detected_at", _:
            kind = PoisonReason.BAD_TIME
        case _, "string_too_long":
            kind = PoisonReason.TOO_LARGE
        case _:
            kind = PoisonReason.WRONG_SHAPE
    says = f"{fault_in_words(first)}{_named_otherwise(field, data) if first['type'] == 'missing' else ''}"
    raise EnvelopeError(kind, f"data.{field}: {says}".replace("data.data:", "data:")) from error


def _named_otherwise(field: str, data: Mapping[str, Any]) -> str:
    """Say which of the names that were sent is the missing one's in another spelling (`orgId`)."""
    given = next((name for name in data if same_word(name, field)), None)
    return "" if given is None else f"; `{given}` is not read: write `{field}`"
