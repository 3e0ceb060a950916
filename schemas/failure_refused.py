"""The event of a refused failure event: tells its publisher what became a dead letter, why, and what to do."""

from typing import Final
from uuid import UUID

from pydantic import Field

from schemas.heal_result import Published
from schemas.names import PoisonReason
from schemas.rfc3339 import Time

FAILURE_REFUSED_TYPE: Final = "workflow.failure_refused.v1"


class RefusedPlace(Published):
    """Where the refused record lies: the place that a producer was answered when it sent it."""

    topic: str = Field(description="The topic.")
    partition: int = Field(description="The partition.")
    offset: int = Field(description="The offset.")


class FailureRefused(Published):
    """A record of the failures topic was refused, and no failure was made of it; told where the catalog says so."""

    source: str = Field(
        description="The CloudEvents source that the record claims, or `urn:kafka:<topic>` where it claims none that "
        "can be read; also the record's key. Longer ones are cut to 512 characters."
    )
    event_id: str | None = Field(
        default=None, description="The event's id; null where it has none, or none that can be read. Cut like `source`."
    )
    org_id: UUID | None = Field(
        default=None, description="The organisation that its data claim; null where they claim none that can be read."
    )
    reason: PoisonReason = Field(description="Why it was refused.")
    message: str = Field(description="What was wrong, and where; secrets are taken out.")
    cure: str = Field(description="What its publisher, or who operates the healer, can do about it.")
    record: RefusedPlace = Field(description="Where it lies; of a replayed one, where it lay first.")
    refused_at: Time = Field(description="When it was refused.")
