"""How hard, how often, and for how much of a workflow at once a heal may be tried."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from consumer.catalog.declared import Declared
from consumer.model import MicroAud


def micro_aud(amount: Decimal) -> MicroAud:
    """Convert Australian dollars to millionths, exactly to the sixth digit."""
    return MicroAud(int((amount * 1_000_000).to_integral_value()))


class AutoRetryLimits(Declared):
    """How hard a failed call is tried again."""

    tries: Annotated[int, Field(ge=1, le=10)] = 3
    """Calls within one attempt."""
    timeout: timedelta = timedelta(seconds=10)
    """For one call, connect to last byte. A request may ask for less, never for more."""
    inline_wait: timedelta = timedelta(seconds=5)
    """A Retry-After longer than this becomes a durable timer instead of a wait in a slot."""
    base: timedelta = timedelta(milliseconds=50)
    """First step of the full jitter: rand(0,1) * min(base * 2^(n-1), cap)."""
    throttled_base: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(seconds=20)
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    """A larger answer is not read to its end, and not counted as healed."""


class SameLimit(Declared):
    """How often the same thing (organisation, workflow, strategy, masked reason) is healed before it is left alone."""

    heals: Annotated[int, Field(ge=1, le=1000)]
    """At most so many within the span, whoever they belong to; the next waits."""
    within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(hours=1)
    cool_down: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=7))] = timedelta(0)
    """And at least so long after the last one began."""


class Brake(Declared):
    """When so much of a workflow is sick at once that its cause lies elsewhere, and healing one by one is no use."""

    runs: Annotated[int, Field(ge=1)]
    """Runs of the workflow that an organisation usually has under way: the whole of which a share may be sick."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Open failures above this share of them stop its heals, until fewer are left or no new ones come."""
    within: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(minutes=10)
    """Only failures detected within this span count as sick at once."""
