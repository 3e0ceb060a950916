"""How full a wallet is: what is read of it, what follows from that, and the warning that it may give."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from consumer.model.identity import OrgId
from schemas.names import Budget, BudgetWarningKind

INSUFFICIENT: Final = "Insufficient credits for healing"
"""What the attempt's `error` says where its credits could not be held, as the platform's consoles look for it."""
BudgetKey: TypeAlias = tuple[OrgId, Budget]
"""One budget of one organisation's wallet."""
NOT_WARNED: Final = 100
"""The threshold of a wallet of which it was not warned since it was last filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletLevel:
    """What is remembered of one budget of a wallet, in millionths of an AUD; what heals hold is counted to it."""

    filled: int
    """What it held when it was last filled: 100 %."""
    seen: int
    """What it held when it was last looked at."""
    warned: int = NOT_WARNED
    """The threshold in percent of which it was warned."""
    unpaid: int | None = None
    """The least that a failure waits for; None: none waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletReading:
    """One budget of a wallet as it stands, and what is remembered of it."""

    org_id: OrgId
    pays_from: Budget = Budget.TEXT
    budget: int | None
    """None: there is no wallet."""
    held: int
    locked_out: bool
    before: WalletLevel | None
    spent: int = 0
    """What heals have spent since it was last looked at."""
    unpaid: int | None = None
    """The least that could not be held since then."""

    @property
    def key(self) -> BudgetKey:
        """Which budget it is of."""
        return self.org_id, self.pays_from


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletVerdict:
    """What follows from a reading."""

    level: WalletLevel
    warnings: tuple[BudgetWarningKind, ...] = ()
    """Thresholds that it has fallen below since it was last filled."""
    is_filled: bool = False
    """It was renewed or topped up: its warnings close."""
    can_pay: bool = False
    """It can pay for a failure that waits for credits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletWarning:
    """A warning that was opened; its id is that of its row."""

    id: UUID
    org_id: OrgId
    kind: BudgetWarningKind
    level: WalletLevel
    at: datetime
