"""Credits: held before a heal, settled once after it, never below zero under any interleaving.

Whoever calls holds its claims already: the order of locks is failures, claims, wallets, each sorted.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from consumer.model import AttemptId, MicroAud, OrgId
from consumer.store.pool import Connection
from consumer.store.rows import as_json
from schemas.value import value

NO_WALLET: Final = "No billing wallet configured"
EXHAUSTED: Final = "Text budget exhausted"
ALL_HELD: Final = "Text budget is held by heals under way"

_WALLETS = """
SELECT w.org_id, floor(w.text_budget_aud * 1000000)::bigint AS budget,
       (SELECT l.reason FROM usage_lockouts l
         WHERE l.org_id = w.org_id AND l.unlocked_at IS NULL AND l.lockout_type IN ('text', 'both')
         ORDER BY l.locked_at LIMIT 1) AS lockout
  FROM token_wallets w WHERE w.org_id = ANY($1::uuid[]) ORDER BY w.org_id FOR UPDATE OF w
"""

# The wallets and their ledger in one statement: neither can change without the other.
_ENTER = """
WITH changed AS (
  UPDATE token_wallets w
     SET text_budget_aud = w.text_budget_aud + round(d.delta / 1000000.0, 6), updated_at = clock_timestamp()
    FROM unnest($8::uuid[], $9::bigint[]) AS d (org_id, delta) WHERE w.org_id = d.org_id
)
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
SELECT l.org_id, l.event_type, round(l.amount / 1000000.0, 6), round(l.remaining / 1000000.0, 6), $6::jsonb,
       l.attempt_id, $7
  FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[])
    AS l (org_id, event_type, amount, remaining, attempt_id)
"""

_UNHELD = "UPDATE heal_claim SET held = 0 WHERE attempt_id = ANY($1::uuid[])"

_OUTSTANDING = """
SELECT org_id, sum(held)::bigint AS held FROM heal_claim
 WHERE org_id = ANY($1::uuid[]) AND NOT attempt_id = ANY($2::uuid[]) GROUP BY org_id
"""

_LOCK_OUT = """
INSERT INTO usage_lockouts (org_id, lockout_type, reason, metadata)
SELECT o, 'text', $2, $3::jsonb FROM unnest($1::uuid[]) AS o
 WHERE NOT EXISTS (SELECT FROM usage_lockouts l WHERE l.org_id = o AND l.unlocked_at IS NULL
                    AND l.lockout_type IN ('text', 'both'))
"""

_BY_THE_HEALER = as_json({"service": "self-healing-workflows"})


@value(frozen=True, slots=True, kw_only=True)
class Hold:
    """What one claimed heal needs to have held."""

    attempt_id: AttemptId
    org_id: OrgId
    amount: MicroAud


@value(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A wallet's text budget, and the reason of its lockout if there is one."""

    budget: int
    lockout: str | None


@value(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger: the wallet's change, and what remains after it."""

    org_id: OrgId
    attempt_id: AttemptId
    amount: int
    remaining: int
    kind: str


@value(frozen=True, slots=True, kw_only=True)
class Admission:
    """Which holds the wallets can pay, in order of arrival."""

    entries: tuple[Entry, ...]
    refused: Mapping[AttemptId, str]


def admit(holds: Sequence[Hold], wallets: Mapping[OrgId, Wallet]) -> Admission:
    """Decide on a batch of holds as if they came one by one; pure."""
    left = {org_id: wallet.budget for org_id, wallet in wallets.items()}
    entries: list[Entry] = []
    refused: dict[AttemptId, str] = {}
    for hold in holds:
        wallet = wallets.get(hold.org_id)
        if wallet is None or wallet.lockout is not None or hold.amount > left[hold.org_id]:
            refused[hold.attempt_id] = NO_WALLET if wallet is None else wallet.lockout or EXHAUSTED
            continue
        left[hold.org_id] -= hold.amount
        entries.append(_entry(hold, -hold.amount, left[hold.org_id]))
    return Admission(entries=tuple(entries), refused=refused)


def _entry(hold: Hold, amount: int, remaining: int) -> Entry:
    return Entry(org_id=hold.org_id, attempt_id=hold.attempt_id, amount=amount, remaining=remaining, kind="adjustment")


async def admit_holds(
    connection: Connection, holds: Sequence[Hold], *, nothing_for: Sequence[Hold] = ()
) -> Mapping[AttemptId, str]:
    """Hold credits for heals that are claimed in this transaction; give the reason for each that is refused.

    A refused claim stands with nothing held, to be settled as a refusal; `nothing_for` are refused already.
    """
    if nothing_for:
        await connection.execute(_UNHELD, [hold.attempt_id for hold in nothing_for])
    wanted = [hold for hold in holds if hold.amount > 0]
    if not wanted:
        return {}
    wallets = await _lock_wallets(connection, {hold.org_id for hold in wanted})
    admission = admit(wanted, wallets)
    await _write(connection, admission.entries, "hold")
    if not admission.refused:
        return {}
    await connection.execute(_UNHELD, list(admission.refused))
    return await _explain(connection, wanted, admission.refused, wallets)


async def settle_holds(connection: Connection, ended: Sequence[tuple[Hold, MicroAud]]) -> None:
    """Give back what was held and not spent; in the transaction that deletes the claims, so at most once."""
    held = [(hold, spent) for hold, spent in ended if hold.amount > 0]
    if not held:
        return
    left = {org: w.budget for org, w in (await _lock_wallets(connection, {h.org_id for h, _ in held})).items()}
    entries = []
    for hold, spent in held:
        if hold.org_id not in left:
            continue  # the wallet went with its organisation
        back = hold.amount - min(spent, hold.amount)
        left[hold.org_id] += back
        kind = "text_consume" if spent else "adjustment"
        remaining = left[hold.org_id]
        entries.append(
            Entry(org_id=hold.org_id, attempt_id=hold.attempt_id, amount=back, remaining=remaining, kind=kind)
        )
    await _write(connection, entries, "settle")


async def _lock_wallets(connection: Connection, org_ids: Iterable[OrgId]) -> dict[OrgId, Wallet]:
    rows = await connection.fetch(_WALLETS, sorted(org_ids))
    return {OrgId(row["org_id"]): Wallet(budget=row["budget"], lockout=row["lockout"]) for row in rows}


async def _write(connection: Connection, entries: Sequence[Entry], phase: str) -> None:
    if not entries:
        return
    change: dict[OrgId, int] = {}
    for entry in entries:
        change[entry.org_id] = change.get(entry.org_id, 0) + entry.amount
    columns = zip(*((e.org_id, e.kind, e.amount, e.remaining, e.attempt_id) for e in entries), strict=True)
    await connection.execute(_ENTER, *columns, _BY_THE_HEALER, phase, list(change), list(change.values()))


async def _explain(
    connection: Connection, holds: Sequence[Hold], refused: Mapping[AttemptId, str], wallets: Mapping[OrgId, Wallet]
) -> Mapping[AttemptId, str]:
    """Open a lockout where the budget is really gone, and not where it is only held by heals that are under way."""
    short = {hold.org_id: hold for hold in holds if refused.get(hold.attempt_id) == EXHAUSTED}
    if not short:
        return refused
    rows = await connection.fetch(_OUTSTANDING, list(short), list(refused))
    held = {OrgId(row["org_id"]): row["held"] for row in rows}
    gone = [org for org, hold in short.items() if wallets[org].budget + held.get(org, 0) < hold.amount]
    await connection.execute(_LOCK_OUT, gone, EXHAUSTED, _BY_THE_HEALER)
    org_of = {hold.attempt_id: hold.org_id for hold in holds}
    return {
        attempt: ALL_HELD if reason == EXHAUSTED and org_of[attempt] not in gone else reason
        for attempt, reason in refused.items()
    }
