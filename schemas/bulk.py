"""Commands for many failures at once: a bulk freezes its ids, shows what it would cost, and runs at a rate."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.command_base import AnyOrder
from schemas.heal_result import Aud, Published
from schemas.names import BulkAction, BulkState, Code, CommandName, CommandOutcome, FailureType, Result, Status
from schemas.reason import PlaceName
from schemas.rfc3339 import Time

BULK_PROGRESS_TYPE: Final = "workflow.bulk_progress.v1"
MOST_OF_A_BULK: Final = 100_000


def check_span(since: datetime | None, before: datetime | None) -> None:
    """Raise PydanticCustomError where nothing lies between two times: such a filter finds nothing."""
    if since is not None and before is not None and since >= before:
        raise PydanticCustomError("no_time", "`before` is not later than `since`: no failure was detected in between")


class BulkFilter(BaseModel):
    """Which failures; all of it has to hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow_name: PlaceName | None = Field(default=None, description="Of this workflow; null: of all.")
    failure_type: FailureType | None = Field(default=None, description="Diagnosed as this; null: as anything.")
    code: Code | None = Field(default=None, description="Whose last attempt has this code; null: whatever it has.")
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")] | None = Field(
        default=None, description="Of this cause, as `shw failures --top --json` names it; null: of any."
    )
    target: PlaceName | None = Field(
        default=None, description="Whose dependency has this name, or whose call this host; null: any."
    )
    statuses: tuple[Status, ...] = Field(
        default=(Status.PENDING, Status.DEFERRED, Status.AWAITING_APPROVAL, Status.NEEDS_PERSON),
        min_length=1,
        max_length=len(Status),
        description="Standing so; not given: all that are open.",
    )
    detected_since: Time | None = Field(default=None, description="Detected then or later; null: at any time.")
    detected_before: Time | None = Field(default=None, description="Detected earlier; null: at any time.")

    @model_validator(mode="after")
    def _spans_some_time(self) -> Self:
        check_span(self.detected_since, self.detected_before)
        return self


class Bulk(AnyOrder):
    """Freeze the ids of all failures that a filter finds now, and say how many, and what they may cost."""

    command: Literal[CommandName.BULK] = CommandName.BULK
    org_id: UUID | None = Field(default=None, description="Of this organisation only; null: of all.")
    action: BulkAction = Field(description="What is done to each once it is started.")
    filter: BulkFilter = Field(default_factory=BulkFilter, description="Which failures.")
    rate: float = Field(
        default=20, gt=0, le=500, strict=True, description="How many a second at most, over all replicas."
    )


class _OneBulk(AnyOrder):
    org_id: UUID | None = Field(default=None, description="The bulk's organisation; null: that of all.")
    bulk_id: UUID = Field(description="The bulk, as the answer to its command named it.")


class BulkStart(_OneBulk):
    """Do what was frozen, or go on with what was stopped."""

    command: Literal[CommandName.BULK_START] = CommandName.BULK_START


class BulkStop(_OneBulk):
    """Do nothing more of it; what was asked for already goes on."""

    command: Literal[CommandName.BULK_STOP] = CommandName.BULK_STOP


class BulkPreview(Published):
    """What a bulk has frozen."""

    bulk_id: UUID = Field(description="Its id, for `bulk_start` and `bulk_stop`.")
    failures: int = Field(ge=0, description="How many failures.")
    at_most_aud: Aud | None = Field(
        default=None, description="What one attempt for each may cost together; null where that cannot be told."
    )


class BulkOutcome(Published):
    """What became of one failure of a bulk."""

    failure_id: UUID = Field(description="The failure.")
    outcome: CommandOutcome = Field(description="As the command for it alone would be answered.")
    reason: str = Field(default="", description="Why it was refused, in words.")
    result: Result | None = Field(default=None, description="Of a heal: how the first attempt since then ended.")


class BulkProgress(Published):
    """How far a bulk is, with the outcomes since the event before; the event's id is `bulk_id:number`."""

    bulk_id: UUID = Field(description="The bulk.")
    number: int = Field(ge=0, description="Counts its events, from 1: none is left out.")
    org_id: UUID | None = Field(default=None, description="Its organisation; null: all.")
    action: BulkAction = Field(description="What is done to each.")
    state: BulkState = Field(description="Where it stands.")
    failures: int = Field(ge=0, description="How many are frozen.")
    waiting: int = Field(ge=0, description="Not done yet.")
    accepted: int = Field(ge=0, description="Done.")
    already: int = Field(ge=0, description="It was so before.")
    refused: int = Field(ge=0, description="Refused, or not found any more.")
    under_way: int = Field(ge=0, description="Of the accepted heals: not ended yet.")
    healed: int = Field(ge=0, description="Of the accepted heals: ended with success.")
    outcomes: tuple[BulkOutcome, ...] = Field(default=(), description="Of each failure that has changed since.")
    at: Time = Field(description="When this was so.")
