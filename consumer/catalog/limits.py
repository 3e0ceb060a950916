"""Limits of heals in the catalog: retries of a call, rate limit of the same heal, and the brake for mass failures."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from consumer.catalog.declared import Declared
from consumer.model import MicroAud

NoNegative = Annotated[timedelta, Field(ge=timedelta(0))]


def micro_aud(amount: Decimal) -> MicroAud:
    """Convert Australian dollars to millionths, exactly to the sixth digit."""
    return MicroAud(int((amount * 1_000_000).to_integral_value()))


class AutoRetryLimits(Declared):
    """Limits of the retries of a failed call."""

    tries: Annotated[int, Field(ge=1, le=10)] = 3
    """Most calls within one attempt."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(seconds=10)
    """Timeout of one call, connect to last byte. A request may ask for less, never for more."""
    inline_wait: NoNegative = timedelta(seconds=5)
    """A Retry-After longer than this becomes a durable timer instead of a wait in a slot."""
    base: NoNegative = timedelta(milliseconds=50)
    """First step of the full jitter: rand(0,1) * min(base * 2^(n-1), cap)."""
    throttled_base: NoNegative = timedelta(seconds=1)
    cap: NoNegative = timedelta(seconds=20)
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    """A larger answer is not read to its end, and not counted as healed."""
    verify: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(minutes=1)
    """How long a run is watched whose failed step was run again, where no request was recorded."""


class SameLimit(Declared):
    """Rate limit of heals of the same thing: the same organisation, workflow, strategy and masked reason."""

    heals: Annotated[int, Field(ge=1, le=1000)]
    """Most heals within the span, across all failures; the next one waits."""
    within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(hours=1)
    cool_down: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=7))] = timedelta(0)
    """Least time since the last heal began."""


class Brake(Declared):
    """Brake on mass failures: stops a workflow's heals when so many runs fail at once that the cause lies elsewhere.

    Healing them one by one is then of no use.
    """

    runs: Annotated[int, Field(ge=1)]
    """Runs of the workflow that an organisation usually has under way: the base of `share`."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Open failures above this share of them stop its heals, until fewer are left or no new ones come."""
    within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(minutes=10)
    """Only failures detected within this span count as failed at once."""
