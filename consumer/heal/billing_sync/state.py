"""What a heal of billing keeps on its claim: how far it has read. What became of each event is in the book."""

from typing import ClassVar

from pydantic import Field

from consumer.heal.kept import HealState


class SyncState(HealState):
    """How far the events are read, and how often the sums were compared."""

    version: ClassVar[int] = 1
    began: int = Field(ge=0)
    """When the heal began, in seconds since 1970: what is asked for reaches back from there."""
    cursor: int | None = None
    """When the oldest event was made that this reading has read; None at its beginning. It goes from the newest to the
    oldest, and is resumed a little above its cursor: what was read before is known by its id."""
    readings: int = Field(default=0, ge=0)
    """Whole readings so far."""
    fresh: int = Field(default=0, ge=0)
    """Events of this reading that were not known before."""
    unreadable: int = Field(default=0, ge=0)
    """Items of this reading that are no events as they should be."""
    checks: int = Field(default=0, ge=0)
    """How often the sums differed."""
    released: bool = False
    """A person has said yes to the events that move money, as they were held."""
