"""A statement of an organisation's credits: sums its ledger line by line, and finds where it does not add up. Pure."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from consumer.store.ledger import LedgerLine, WalletState
from schemas.names import Budget

SHOWN: Final = 10
"""Faults that are told one by one; the others are counted."""


@dataclass(slots=True, kw_only=True)
class Statement:
    """The ledger as it is read: what was there before, what came and went, and what is left."""

    budget: Budget = Budget.TEXT
    before: Decimal | None
    """What was left before the first line; None where the ledger begins with it."""
    after: Decimal | None = None
    sums: dict[str, Decimal] = field(default_factory=dict)
    """By type of line."""
    faults: list[str] = field(default_factory=list)
    more_faults: int = 0

    def __post_init__(self) -> None:
        """Begin with what was there."""
        self.after = self.before

    def add(self, line: LedgerLine) -> None:
        """Add one line: each says what is left after it, and has to follow from the line before."""
        if self.after is None:
            self.before = self.after = line.remaining - line.amount
        self.after += line.amount
        if not _same(self.after, line.remaining):
            self._fault(f"line {line.id} says that {line.remaining:f} AUD are left, the lines up to it {self.after:f}")
            self.after = line.remaining
        if line.remaining.is_finite() and line.remaining < 0:
            self._fault(f"line {line.id} goes below zero")
        self.sums[line.event_type] = self.sums.get(line.event_type, Decimal(0)) + line.amount

    def close(self, wallet: WalletState | None, *, is_latest: bool, lost_holds: int) -> None:
        """Hold the end against the wallet; only where nothing was written after it."""
        held = wallet.budgets[self.budget] if wallet is not None else None
        if is_latest and held is not None and self.after is not None and not _same(held, self.after):
            self._fault(
                f"the wallet holds {held:f} AUD, the ledger ends with {self.after:f}: "
                "somebody wrote the wallet without a line"
            )
        if lost_holds:
            self._fault(f"{lost_holds} holds were never settled, and their heals are not under way")

    @property
    def total(self) -> Decimal:
        """The sum of all lines."""
        return sum(self.sums.values(), Decimal(0))

    def _fault(self, fault: str) -> None:
        if len(self.faults) < SHOWN:
            self.faults.append(fault)
        else:
            self.more_faults += 1


def _same(one: Decimal, other: Decimal) -> bool:
    """Compare to the millionth: the platform may have written any fraction, and the healer rounds to that."""
    if not (one.is_finite() and other.is_finite()):
        return False  # `NaN` and `Infinity` are numbers to the database: no line leads to them
    return abs(one - other) < Decimal("0.000001")
