"""What every command has in common."""

from pydantic import BaseModel, ConfigDict, Field


class AnyOrder(BaseModel):
    """Who asks, and why."""

    # What is not known here would narrow or widen what is asked for: the whole command is refused.
    model_config = ConfigDict(frozen=True, extra="forbid")

    issued_by: str = Field(min_length=1, max_length=512, description="Who asks: an agent, or a person's name.")
    reason: str = Field(default="", max_length=4096, description="Why, in words; kept with the decision.")
