"""What every command has in common."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.reason import LONGEST, checked_name, checked_remark


class AnyOrder(BaseModel):
    """Who asks, and why."""

    # What is not known here would narrow or widen what is asked for: the whole command is refused.
    model_config = ConfigDict(frozen=True, extra="forbid")

    issued_by: Annotated[str, AfterValidator(checked_name)] = Field(
        min_length=1, max_length=512, description="Who asks: an agent, or a person's name."
    )
    reason: Annotated[str, AfterValidator(checked_remark)] = Field(
        default="", max_length=LONGEST, description="Why, in words; kept with the decision."
    )
