"""The base of everything that an operator declares."""

from pydantic import BaseModel, ConfigDict


class Declared(BaseModel):
    """Immutable, and without a field that nobody reads: a misspelt one is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")
