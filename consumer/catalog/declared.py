"""Base model of everything that an operator declares in the catalog: frozen, and strict about unknown fields."""

from pydantic import BaseModel, ConfigDict


class Declared(BaseModel):
    """Immutable, and without unknown fields: a misspelt one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
