"""What executors work with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from consumer.model import MicroAud
from consumer.model.command import Executed, Order
from consumer.model.plan import ChangePlan
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.results.pauses import pause_message
from consumer.store.decisions import TellChange
from consumer.store.pauses import TellPause
from consumer.store.pool import Connection

Price: TypeAlias = Callable[[Mapping[str, int]], MicroAud | None]
"""What one attempt for each may cost at most, of so many failures of each workflow; None where that is not declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """The transaction, who builds the events of what changes in it, and who knows prices and plans."""

    connection: Connection
    outlet: Outlet
    price: Price
    change: ChangePlan | None = None
    """Makes the plan of an approval with changes; None where none is to be approved so."""

    @property
    def tell(self) -> TellChange:
        """Builds the event of a status change."""
        return partial(status_message, outlet=self.outlet)

    @property
    def tell_pause(self) -> TellPause:
        """Builds the event of a pause."""
        return partial(pause_message, outlet=self.outlet)


Executor: TypeAlias = Callable[[Hands, Order], Awaitable[Executed]]
"""Carries out one kind of command, in the caller's transaction."""
