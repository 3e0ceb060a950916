"""Credits: held before a heal, settled once after it, never below zero under any interleaving.

The caller holds its claims already: the lock order is failures, claims, wallets, each sorted. No one waits for a
wallet that somebody else holds locked: holds are put off, and what is settled is owed until the wallet can be had.
What a provider charges beyond a hold, and the wallet cannot pay, is a debt: it is collected before anything is held.

What is held of one budget of a wallet is given back to it and owed by it, and neither ever pays for the other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from consumer.model import AttemptId, MicroAud, OrgId
from consumer.store.pool import Connection
from consumer.store.wallet_entries import (
    LEDGER_METADATA,
    apply_owed_to,
    collect_debts,
    read_budgets,
    take_turns,
    write_entries,
)
from consumer.store.wallet_levels import Note, leave_notes
from consumer.store.wallets import ALL_HELD, EXHAUSTED, Hold, Wallet, admit
from schemas.names import Budget
from schemas.value import value

_ADJUSTMENT: Final = "adjustment"
_CONSUMPTION: Final = {Budget.TEXT: "text_consume", Budget.VOICE: "voice_consume"}

_CLEAR_HOLDS = "UPDATE heal_claim SET held = 0 WHERE attempt_id = ANY($1::uuid[])"

_OUTSTANDING = """
SELECT org_id, sum(held)::bigint AS held FROM heal_claim
 WHERE org_id = ANY($1::uuid[]) AND pays_from = $2 AND NOT attempt_id = ANY($3::uuid[]) GROUP BY org_id
"""

_OWE = """
INSERT INTO heal_debt (attempt_id, org_id, strategy, amount, pays_from)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[])
ON CONFLICT (attempt_id) DO UPDATE SET amount = heal_debt.amount + excluded.amount
"""

_LOCKOUTS = """
SELECT DISTINCT ON (l.org_id) l.org_id, left(l.reason, 1000) AS lockout FROM usage_lockouts l
 WHERE l.org_id = ANY($1::uuid[]) AND l.unlocked_at IS NULL AND l.lockout_type IN ($2, 'both')
 ORDER BY l.org_id, l.locked_at
"""

_LOCK_OUT = """
INSERT INTO usage_lockouts (org_id, lockout_type, reason, metadata)
SELECT o, $2, $3, $4::jsonb FROM unnest($1::uuid[]) AS o
 WHERE NOT EXISTS (SELECT FROM usage_lockouts l WHERE l.org_id = o AND l.unlocked_at IS NULL
                    AND l.lockout_type IN ($2, 'both'))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsAdmitted:
    """The result of holding credits: the reason for each heal that is refused, and those whose wallet is locked."""

    refused: Mapping[AttemptId, str] = field(default_factory=dict)
    locked: frozenset[AttemptId] = frozenset()
    left: Mapping[tuple[OrgId, Budget], int] = field(default_factory=dict)
    """What the wallets of those that are refused can pay of that budget."""


async def admit_holds(
    connection: Connection, holds: Sequence[Hold], *, nothing_for: Sequence[Hold] = ()
) -> HoldsAdmitted:
    """Hold credits for heals that are claimed in this transaction.

    A refused claim stands with nothing held, to be settled as a refusal; `nothing_for` are refused already. Where the
    wallet is locked nothing is decided: the caller puts those heals off.
    """
    if nothing_for:
        await connection.execute(_CLEAR_HOLDS, [hold.attempt_id for hold in nothing_for])
    by_budget = _by_budget([hold for hold in holds if hold.amount > 0], lambda hold: hold.pays_from)
    if len(by_budget) > 1:
        await take_turns(connection, (hold.org_id for some in by_budget.values() for hold in some))
    admitted = [await _admit_holds_of(connection, budget, some) for budget, some in by_budget.items()]
    return HoldsAdmitted(
        refused={attempt: reason for one in admitted for attempt, reason in one.refused.items()},
        locked=frozenset(attempt for one in admitted for attempt in one.locked),
        left={key: left for one in admitted for key, left in one.left.items()},
    )


async def _admit_holds_of(connection: Connection, budget: Budget, wanted: Sequence[Hold]) -> HoldsAdmitted:
    wallets = await write_entries(connection, budget, [(hold, -hold.amount, _ADJUSTMENT) for hold in wanted], "hold")
    if owed_to := [org_id for org_id, wallet in wallets.items() if wallet.owed]:
        await apply_owed_to(connection, budget, owed_to)
        await collect_debts(connection, budget, owed_to)
        theirs = [(hold, -hold.amount, _ADJUSTMENT) for hold in wanted if hold.org_id in owed_to]
        wallets |= await write_entries(connection, budget, theirs, "hold")
    locked = frozenset(h.attempt_id for h in wanted if h.org_id in wallets and wallets[h.org_id].locked)
    asked = [hold for hold in wanted if hold.attempt_id not in locked]
    short = [hold for hold in asked if hold.org_id not in wallets or not wallets[hold.org_id].paid]
    if not short:
        return HoldsAdmitted(locked=locked)
    admission = admit(short, await _with_lockouts(connection, budget, short, wallets))
    if admission.paid:
        paid = [(hold, -hold.amount, _ADJUSTMENT) for hold in admission.paid]
        await write_entries(connection, budget, paid, "hold")
    refused = admission.refused
    if refused:
        await connection.execute(_CLEAR_HOLDS, list(refused))
        refused = await _tell_held_from_gone(connection, budget, asked, refused, wallets)
    left = {(org_id, budget): amount for org_id, amount in admission.left.items()}
    return HoldsAdmitted(refused=refused, locked=locked, left=left)


_Of = TypeVar("_Of")


def _by_budget(whole: Iterable[_Of], budget_of: Callable[[_Of], Budget]) -> dict[Budget, list[_Of]]:
    """Group by budget, in the same order in every transaction."""
    groups: dict[Budget, list[_Of]] = {}
    for one in whole:
        groups.setdefault(budget_of(one), []).append(one)
    return {budget: groups[budget] for budget in Budget if budget in groups}


async def _with_lockouts(
    connection: Connection, budget: Budget, short: Sequence[Hold], wallets: Mapping[OrgId, Wallet]
) -> Mapping[OrgId, Wallet]:
    """Add the organisations that are locked out and have no wallet: the lockout is what they are told of."""
    without = sorted({hold.org_id for hold in short} - wallets.keys())
    if not without:
        return wallets
    rows = await connection.fetch(_LOCKOUTS, without, budget)
    return {**wallets, **{OrgId(row["org_id"]): Wallet(budget=0, lockout=row["lockout"]) for row in rows}}


@value(frozen=True, slots=True, kw_only=True)
class EndedHold:
    """A hold whose heal has ended, and what was spent: charged beyond it, perhaps, by a provider."""

    hold: Hold
    strategy: str
    spent: MicroAud


@value(frozen=True, slots=True, kw_only=True)
class Unpaid:
    """What could not be held of a budget, where no cheaper rung acts."""

    org_id: OrgId
    amount: MicroAud
    pays_from: Budget = Budget.TEXT


def read_hold(row: Any) -> Hold:  # noqa: ANN401 - asyncpg's record
    """Read what a claim's row holds."""
    return Hold(
        attempt_id=AttemptId(row["attempt_id"]),
        org_id=OrgId(row["org_id"]),
        amount=MicroAud(row["held"]),
        pays_from=Budget(row["pays_from"]),
    )


async def settle_holds(connection: Connection, ended: Sequence[EndedHold], unpaid: Sequence[Unpaid] = ()) -> None:
    """Refund the unspent part of holds; in the transaction that deletes the claims, so at most once.

    What was spent beyond a hold is taken from the wallet as far as it goes, and the rest is a debt. A budget without
    what is `unpaid` is locked out.
    """
    beyond = [one for one in ended if one.spent > one.hold.amount]
    by_budget = _by_budget([one for one in ended if one.hold.amount > 0], lambda one: one.hold.pays_from)
    if unpaid or beyond or len(by_budget) > 1:
        await take_turns(connection, [*(one.hold.org_id for one in ended), *(one.org_id for one in unpaid)])
    for budget, some in _by_budget(unpaid, lambda one: one.pays_from).items():
        await _lock_out_exhausted(connection, budget, some)
    for budget, theirs in by_budget.items():
        back = [(o.hold, o.hold.amount - min(o.spent, o.hold.amount), _settled_as(budget, o)) for o in theirs]
        await write_entries(connection, budget, back, "settle")  # without a wallet its organisation went too
    await leave_notes(
        connection,
        [
            *(Note(org_id=o.hold.org_id, pays_from=o.hold.pays_from, spent=o.spent) for o in ended if o.spent),
            *(Note(org_id=one.org_id, pays_from=one.pays_from, unpaid=one.amount) for one in unpaid),
        ],
    )
    if beyond:
        await _owe(connection, beyond)


def _settled_as(budget: Budget, ended: EndedHold) -> str:
    return _CONSUMPTION[budget] if ended.spent else _ADJUSTMENT


async def _owe(connection: Connection, beyond: Sequence[EndedHold]) -> None:
    rows = [(o.hold.attempt_id, o.hold.org_id, o.strategy, o.spent - o.hold.amount, o.hold.pays_from) for o in beyond]
    await connection.execute(_OWE, *zip(*rows, strict=True))
    for budget, some in _by_budget(beyond, lambda one: one.hold.pays_from).items():
        orgs = sorted({one.hold.org_id for one in some})
        await collect_debts(connection, budget, orgs)


async def _tell_held_from_gone(
    connection: Connection,
    budget: Budget,
    holds: Sequence[Hold],
    refused: Mapping[AttemptId, str],
    wallets: Mapping[OrgId, Wallet],
) -> Mapping[AttemptId, str]:
    """Return the reasons, with those told apart whose budget is only held by heals under way."""
    exhausted = EXHAUSTED[budget]
    short = {hold.org_id: hold for hold in holds if refused.get(hold.attempt_id) == exhausted}
    if not short:
        return refused
    held = await _outstanding(connection, budget, list(short), besides=list(refused))
    gone = [org for org, hold in short.items() if wallets[org].budget + held.get(org, 0) < hold.amount]
    org_of = {hold.attempt_id: hold.org_id for hold in holds}
    return {
        attempt: ALL_HELD[budget] if reason == exhausted and org_of[attempt] not in gone else reason
        for attempt, reason in refused.items()
    }


async def _lock_out_exhausted(connection: Connection, budget: Budget, unpaid: Sequence[Unpaid]) -> None:
    """Open a lockout where a budget is really gone, not where heals under way only hold it."""
    most: dict[OrgId, int] = {}
    for one in unpaid:
        most[one.org_id] = max(one.amount, most.get(one.org_id, 0))
    left = await read_budgets(connection, budget, sorted(most))
    held = await _outstanding(connection, budget, list(most), besides=[])
    gone = [org_id for org_id, amount in left.items() if amount + held.get(org_id, 0) < most[org_id]]
    if gone:
        await connection.execute(_LOCK_OUT, gone, budget, EXHAUSTED[budget], LEDGER_METADATA[budget])


async def _outstanding(
    connection: Connection, budget: Budget, org_ids: Sequence[OrgId], *, besides: Sequence[AttemptId]
) -> Mapping[OrgId, int]:
    rows = await connection.fetch(_OUTSTANDING, org_ids, budget, besides)
    return {OrgId(row["org_id"]): row["held"] for row in rows}
