"""The event of a workflow's definition that was rewritten: in force, kept, or taken back, and why."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import Field

from schemas.heal_result import Published
from schemas.rfc3339 import Time

DEFINITION_CHANGE_TYPE: Final = "workflow.definition_change.v1"


class DefinitionState(StrEnum):
    """What has become of a rewritten definition."""

    WATCHING = "watching"  # its canary has succeeded, and it is in force: a relapse takes it back
    KEPT = "kept"  # its window is over, and the cause has not come back
    ROLLED_BACK = "rolled_back"  # what stood there before is in force again
    SUPERSEDED = "superseded"  # somebody else has put another one in force: nothing is taken back


class DefinitionChanged(Published):
    """A workflow's definition was replaced by a proven patch, or what became of it since."""

    org_id: UUID = Field(description="The organisation.")
    workflow_name: str = Field(description="The workflow.")
    failure_id: UUID = Field(description="The failure that it mends.")
    attempt_id: UUID = Field(description="The attempt that put it in force.")
    rewrite_id: UUID = Field(description="The attempt that proposed it.")
    state: DefinitionState = Field(description="What has become of it.")
    digest: str = Field(description="Digest of the new definition.")
    base_digest: str = Field(description="Digest of the one that it replaced.")
    version: str = Field(description="What its store calls it; empty: it never was in force.")
    watch_until: Time | None = Field(default=None, description="Until when a relapse takes it back.")
    relapse_failure_id: UUID | None = Field(default=None, description="The failure by which the cause came back.")
    reason: str = Field(description="Why, in words.")
    changed_at: Time = Field(description="When it came to stand there.")
