"""Compares the sums of both sides by customer, currency and period. What the platform has too much is only told."""

from collections.abc import Iterator
from datetime import UTC, datetime

from consumer.heal.billing_sync.money import told
from consumer.heal.billing_sync.platform import platform_sums, processor_sums
from consumer.heal.billing_sync.reading import seconds, since_of
from consumer.heal.billing_sync.session import BillingSession
from consumer.heal.billing_sync.wire import TotalKey, period_begins
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class SumDifference:
    """One sum that is not the same on both sides, in minor units."""

    key: TotalKey
    theirs: int
    ours: int

    @property
    def is_ahead(self) -> bool:
        """Whether the platform has more than the processor."""
        return self.ours > self.theirs

    @property
    def words(self) -> str:
        """The difference, for a person."""
        customer, currency, period = self.key
        where = f"{customer or 'without a customer'}{f', {period}' if period else ''}"
        by = told(abs(self.theirs - self.ours), currency)
        both = f"processor {told(self.theirs, currency)}, platform {told(self.ours, currency)}"
        end = f"the platform has {by} more, which is never taken back" if self.is_ahead else f"{by} are missing"
        return f"{where}: {both}: {end}"


@value(frozen=True, slots=True, kw_only=True)
class Comparing:
    """What a comparison of the sums has found."""

    compared: int
    differs: tuple[SumDifference, ...]
    unreadable: int
    """Amounts of either side that could not be read: then nothing is proven."""

    @property
    def is_equal(self) -> bool:
        """Whether both sides have the same, to the last unit."""
        return not self.differs and not self.unreadable


async def compare_sums(session: BillingSession) -> Comparing:
    """Read the sums of both sides, and compare them; raises CannotGoOn and WindowOver."""
    begins = period_begins(datetime.fromtimestamp(since_of(session), UTC), session.account)
    theirs = await processor_sums(session, seconds(begins))
    ours = await platform_sums(session, seconds(begins))
    differs = tuple(differences(theirs.totals, ours.totals))
    compared = len(theirs.totals.keys() | ours.totals.keys())
    return Comparing(compared=compared, differs=differs, unreadable=theirs.unreadable + ours.unreadable)


def differences(theirs: dict[TotalKey, int], ours: dict[TotalKey, int]) -> Iterator[SumDifference]:
    """Yield where two sets of sums differ; a sum that one side does not tell is nothing."""
    for key in sorted(theirs.keys() | ours.keys()):
        there, here = theirs.get(key, 0), ours.get(key, 0)
        if there != here:
            yield SumDifference(key=key, theirs=there, ours=here)
