"""The event of a replaced dependency: where calls of an organisation go, for how long, and why."""

from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from schemas.heal_result import Published
from schemas.rfc3339 import Time

DEPENDENCY_BINDING_TYPE: Final = "workflow.dependency_binding.v1"


class BindingState(StrEnum):
    """Where the calls to a dependency go."""

    FIRST = "first"  # to the first, as declared: nothing stands in for it
    CANARY = "canary"  # the first is ill, and a candidate is on trial: one call at a time
    WHOLE = "whole"  # the first is ill: all calls go to the candidate
    RETURNING = "returning"  # the first is well again: a share of the calls goes back to it


class DependencyBinding(Published):
    """A dependency of an organisation is replaced, or its calls go back; until `lease_until` callers may follow it."""

    org_id: UUID = Field(description="The organisation.")
    dependency: str = Field(description="The catalog's name of the dependency.")
    version: int = Field(ge=1, description="Counts the changes of this binding; a lower one is older.")
    state: BindingState = Field(description="Where its calls go.")
    candidate: str | None = Field(default=None, description="The catalog's name of what stands in; null: nothing does.")
    share: float = Field(ge=0, le=1, description="Share of the calls that goes to the candidate.")
    lease_until: Time | None = Field(
        default=None, description="Until when it holds unless a newer event says otherwise; then calls go to the first."
    )
    ejections: int = Field(ge=0, description="How often in a row the first was replaced.")
    reason: str = Field(description="Why it changed, in words.")
    evidence: list[dict[str, Any]] = Field(default_factory=list, description="What proved the first ill, as data.")
    changed_at: Time = Field(description="When it came to stand there.")
