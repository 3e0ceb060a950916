"""The command that gives a failed step another input."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.command_base import AnyOrder
from schemas.names import CommandName


class Edit(AnyOrder):
    """Give the failed step another input, and heal it: a payload, or the body of its request; one of the two."""

    command: Literal[CommandName.EDIT] = CommandName.EDIT
    org_id: UUID = Field(description="The failure's organisation; a command for another one is refused.")
    failure_id: UUID = Field(description="The failure.")
    payload: Any = Field(default=None, description="In place of `context.payload`; any JSON.")
    body: Any = Field(default=None, description="In place of `context.request.body`; any JSON, or a string as it is.")
    did_not_happen: bool = Field(
        strict=True,
        default=False,
        description="You looked: the failed call had no effect. Needed where a second one would do harm.",
    )

    @model_validator(mode="after")
    def _gives_one_input(self) -> Self:
        if len(self.model_fields_set & {"payload", "body"}) != 1:
            raise PydanticCustomError("one_input", "give payload or body, and not both")
        return self
