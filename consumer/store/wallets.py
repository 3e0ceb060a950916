"""What wallets can pay of a batch of holds: the decision, and the reason for each hold that is refused. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from consumer.model import AttemptId, MicroAud, OrgId
from schemas.names import Budget
from schemas.value import value

NO_WALLET: Final = "No billing wallet configured"
EXHAUSTED: Final[Mapping[Budget, str]] = {
    Budget.TEXT: "Text budget exhausted",
    Budget.VOICE: "Voice budget exhausted",
}
ALL_HELD: Final[Mapping[Budget, str]] = {
    Budget.TEXT: "Text budget is held by heals under way",
    Budget.VOICE: "Voice budget is held by heals under way",
}


@value(frozen=True, slots=True, kw_only=True)
class Hold:
    """The credit hold that one claimed heal needs."""

    attempt_id: AttemptId
    org_id: OrgId
    amount: MicroAud
    pays_from: Budget = Budget.TEXT


@value(frozen=True, slots=True, kw_only=True)
class Wallet:
    """One budget of a wallet, and the reason of its lockout if there is one."""

    budget: int
    lockout: str | None
    paid: bool = False
    """Whether all entries for it are paid already; the budget is the one from before."""
    owed: bool = False
    """Whether it is owed something that is to be applied before anything is held of it."""
    locked: bool = False
    """Whether somebody else holds it, or its organisation, locked: nothing is known of it, and nothing was held."""


@value(frozen=True, slots=True, kw_only=True)
class Admission:
    """The holds that the wallets can pay, in order of arrival, and the reason for each other one."""

    paid: tuple[Hold, ...]
    refused: Mapping[AttemptId, str]
    left: Mapping[OrgId, int] = field(default_factory=dict)
    """What each wallet can pay after them; none of one that is locked out."""


def admit(holds: Sequence[Hold], wallets: Mapping[OrgId, Wallet]) -> Admission:
    """Decide on a batch of holds of one budget as if they came one by one; pure."""
    left = {org_id: 0 if wallet.lockout is not None else wallet.budget for org_id, wallet in wallets.items()}
    paid: list[Hold] = []
    refused: dict[AttemptId, str] = {}
    for hold in holds:
        wallet = wallets.get(hold.org_id)
        if wallet is None or wallet.lockout is not None or hold.amount > left[hold.org_id]:
            refused[hold.attempt_id] = NO_WALLET if wallet is None else wallet.lockout or EXHAUSTED[hold.pays_from]
            continue
        left[hold.org_id] -= hold.amount
        paid.append(hold)
    return Admission(paid=tuple(paid), refused=refused, left=left)
