"""What executors work with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from consumer.model import MicroAud
from consumer.model.command import Executed, Order
from consumer.store.decisions import TellChange
from consumer.store.pool import Connection

Price: TypeAlias = Callable[[Mapping[str, int]], MicroAud | None]
"""What one attempt for each may cost at most, of so many failures of each workflow; None where that is not declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """The transaction, who builds the events of what changes in it, and who knows prices."""

    connection: Connection
    tell: TellChange
    price: Price


Executor: TypeAlias = Callable[[Hands, Order], Awaitable[Executed]]
"""Carries out one kind of command, in the caller's transaction."""
