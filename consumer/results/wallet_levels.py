"""Decides how full a wallet is, and builds the event of a warning. Pure."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from consumer.model import Message, in_aud
from consumer.model.wallet import NOT_WARNED, WalletLevel, WalletReading, WalletVerdict, WalletWarning
from consumer.results.events import Outlet
from consumer.results.standalone import standalone_message
from schemas.events import budget_warning_event
from schemas.heal_result import BudgetWarning
from schemas.names import Budget, BudgetWarningKind

THRESHOLDS: Final = {
    Budget.TEXT: {BudgetWarningKind.TEXT_LOW: 20, BudgetWarningKind.TEXT_CRITICAL: 5},
    Budget.VOICE: {BudgetWarningKind.VOICE_LOW: 20, BudgetWarningKind.VOICE_CRITICAL: 5},
}
"""Percent of what a wallet held when it was last filled, at and below which it is warned of; the platform's own."""
FILLED_BY: Final = 5
"""A rise by more than so many percent is a renewal or a top-up; one by less is a refund, and changes nothing."""


def judge(read: WalletReading) -> WalletVerdict:
    """Decide what follows from a wallet's level."""
    unpaid = _least(read.before.unpaid if read.before is not None else None, read.unpaid)
    if read.budget is None:
        before = read.before or WalletLevel(filled=0, seen=0)
        return WalletVerdict(level=replace(before, unpaid=unpaid))
    left = read.budget + read.held
    before = read.before or WalletLevel(filled=left + read.spent, seen=left + read.spent)
    is_filled = (left - before.seen) * 100 > before.filled * FILLED_BY
    filled, warned = (left, NOT_WARNED) if is_filled else (max(before.filled, left), before.warned)
    thresholds = THRESHOLDS[read.pays_from]
    low = tuple(kind for kind, percent in thresholds.items() if percent < warned and left * 100 <= filled * percent)
    low = low if filled > 0 else ()  # an empty wallet that was never filled runs low of nothing
    warned = min([warned, *(thresholds[kind] for kind in low)])
    return WalletVerdict(
        level=WalletLevel(filled=filled, seen=left, warned=warned, unpaid=unpaid),
        warnings=low,
        is_filled=is_filled and before.warned < NOT_WARNED,
        can_pay=unpaid is not None and not read.locked_out and read.budget >= unpaid,
    )


def describe(kind: BudgetWarningKind, level: WalletLevel) -> tuple[int, str]:
    """Return the threshold of a warning in percent, and the warning in words."""
    budget, percent = next((one, kinds[kind]) for one, kinds in THRESHOLDS.items() if kind in kinds)
    left, filled = in_aud(level.seen), in_aud(level.filled)
    return percent, f"{left} AUD of {filled} are left of the {budget} budget: {percent} % or less"


def warning_message(warning: WalletWarning, outlet: Outlet) -> Message:
    """Build the event of a warning."""
    percent, words = describe(warning.kind, warning.level)
    said = BudgetWarning(
        warning_id=warning.id,
        org_id=warning.org_id,
        warning_type=warning.kind,
        threshold_percent=percent,
        remaining=Decimal(max(0, warning.level.seen)) / 1_000_000,
        filled=Decimal(warning.level.filled) / 1_000_000,
        message=words,
        warned_at=warning.at,
    )
    return standalone_message(budget_warning_event(said), outlet, message_id=warning.id, key=str(warning.org_id))


def _least(one: int | None, other: int | None) -> int | None:
    return min((amount for amount in (one, other) if amount is not None), default=None)
