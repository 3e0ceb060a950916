"""What a heal that makes an asset keeps on its claim: the call that is about to be made, the job, or what is stored."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from consumer.heal.kept import HealState, is_keepable
from consumer.model import Json, JsonObject

_MAX_TEXT = 160
_MAX_ENTRIES = 12

Text: TypeAlias = Annotated[str, Field(max_length=_MAX_TEXT)]
Entry: TypeAlias = dict[str, int | Text]
Stage: TypeAlias = Literal["calls", "answered", "waits", "stored", "placed"]


class MakeState(HealState):
    """How far the making of an asset is.

    `calls`: a generator's call is about to begin, or may have been made. `answered`: it was, and brought nothing.
    `waits`: a job was ordered. `stored`: its object is whole and in the store. `placed`: the address points at it.
    """

    version: ClassVar[int] = 1
    stage: Stage
    generator: Text = ""
    job_id: Annotated[str, Field(max_length=256)] | None = None
    calls: int = Field(default=0, ge=0)
    """Calls of generators so far, the one under way included."""
    answered: int = Field(default=0, ge=0)
    """Definite answers so far: with each the idempotency key changes."""
    spent: int = Field(default=0, ge=0)
    """What generators have charged for sure, in millionths of an AUD."""
    in_doubt: int = Field(default=0, ge=0)
    """What calls may have cost whose answer never came."""
    began: float = Field(default=0, allow_inf_nan=False)
    """When the call began, or the job was ordered, or the object was placed, in seconds since 1970."""
    looks: int = Field(default=0, ge=0)
    digest: Text = ""
    """SHA-256 of the object, in hex."""
    media_type: Text = ""
    passed_over: tuple[Text, ...] = ()
    """Generators that are not asked again in this attempt."""
    made: tuple[Entry, ...] = ()
    """What came of each call, as the attempt's details have it."""


def entry(**told: Json) -> Entry | None:
    """Return an entry for the state, its texts cut; None where it could not be kept."""
    kept: Entry = {
        name: said if isinstance(said, int) else str(said)[:_MAX_TEXT]
        for name, said in told.items()
        if said is not None
    }
    return kept if is_keepable(MakeState(stage="calls", made=(kept,))) else None


def latest(entries: list[Entry]) -> tuple[Entry, ...]:
    """Return the entries that a state has room for."""
    return tuple(entries[-_MAX_ENTRIES:])


def details_of(state: MakeState) -> JsonObject:
    """Return what was done so far, for the attempt's details."""
    told: JsonObject = {"generations": [{**one} for one in state.made]}
    return told | {"job": state.job_id} if state.job_id else told
