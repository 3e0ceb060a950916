"""Limits of auto-regenerate in the catalog: how often it may pay, how long it waits, how long the proof may take."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from consumer.catalog.declared import Declared

PerceptualHash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class AutoRegenerateLimits(Declared):
    """Limits of one attempt to make an asset again."""

    calls: Annotated[int, Field(ge=1, le=10)] = 2
    """Most calls of generators within one attempt: for so many the credits are held."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=2))] = timedelta(seconds=20)
    """One call that looks, stores or reads back; a generator has a timeout of its own."""
    asset_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 32 * 1024 * 1024
    """A larger asset is not read, and not believed."""
    poll: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=10))] = timedelta(seconds=2)
    """Wait before the first look at a job; it grows with each, up to `poll_cap`."""
    poll_cap: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=10))] = timedelta(seconds=30)
    job: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=6))] = timedelta(minutes=30)
    """How long a job may last; one that lasts longer is taken back."""
    verify: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(hours=1))] = timedelta(minutes=2)
    """How long the address may go on giving the old asset after the new one was stored (caches)."""
    placeholders: Annotated[tuple[PerceptualHash, ...], Field(max_length=256)] = ()
    """Images that stand for missing ones, by the hash that a verdict on them tells: none of them is a success."""
    seconds_per_character: Annotated[float, Field(ge=0.02, le=0.5)] | None = None
    """Pace of this workflow's voices, measured on running text; None: 0.06, with more room to either side."""
