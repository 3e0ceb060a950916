"""The wallet and the ledger of one organisation, for people: read in one snapshot, so that they can be compared."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from consumer.model import MicroAud, OrgId
from consumer.store.pool import Connection, Pool, transaction, translated
from schemas.names import Budget

PAGE: Final = 1000
"""Lines of a ledger that are read at once."""

_WALLET = """
SELECT w.tier, w.text_budget_aud, w.voice_budget_aud, w.renew_day, w.auto_topup, w.topup_amount_aud,
       (SELECT coalesce(sum(c.held), 0)::bigint FROM heal_claim c
         WHERE c.org_id = w.org_id AND c.pays_from = 'text') AS held,
       (SELECT coalesce(sum(c.held), 0)::bigint FROM heal_claim c
         WHERE c.org_id = w.org_id AND c.pays_from = 'voice') AS voice_held,
       (SELECT coalesce(sum(c.held), 0)::bigint FROM heal_claim c
         WHERE c.org_id = w.org_id AND c.owner = 'parked') AS parked,
       (SELECT coalesce(sum(o.amount), 0)::bigint FROM heal_owed o WHERE o.org_id = w.org_id) AS owed,
       (SELECT coalesce(sum(d.amount), 0)::bigint FROM heal_debt d WHERE d.org_id = w.org_id) AS debt,
       ARRAY(SELECT left(l.lockout_type || ' since ' || l.locked_at || ': ' || l.reason, 300) FROM usage_lockouts l
              WHERE l.org_id = w.org_id AND l.unlocked_at IS NULL ORDER BY l.locked_at LIMIT 20) AS lockouts
  FROM token_wallets w WHERE w.org_id = $1
"""

# Of one budget: a line is of the voice budget where it consumes voices, or says so. The platform's own top-ups and
# renewals do not say, and are taken for the text budget's.
_OF: Final = (
    "(e.event_type = 'voice_consume' OR coalesce(e.metadata -> 'budget' = '\"voice\"', false)) = ($2 = 'voice')"
)
_BEFORE = f"""
SELECT e.remaining FROM token_usage_events e
 WHERE e.org_id = $1 AND {_OF} AND e.created_at < $3 ORDER BY e.id DESC LIMIT 1
"""  # noqa: S608 - a constant

_LATER = f"""
SELECT e.id FROM token_usage_events e WHERE e.org_id = $1 AND {_OF} AND e.created_at >= $3 LIMIT 1
"""  # noqa: S608 - a constant

_LINES = f"""
SELECT e.id, e.created_at, e.event_type, e.amount, e.remaining, e.attempt_id, e.phase,
       CASE WHEN jsonb_typeof(e.metadata -> 'debt_of') = 'string'
            THEN left(e.metadata ->> 'debt_of', 36) END AS debt_of
  FROM token_usage_events e
 WHERE e.org_id = $1 AND {_OF} AND e.id > $3 AND e.created_at >= $4 AND e.created_at < $5
 ORDER BY e.id LIMIT $6
"""  # noqa: S608 - a constant

# Holds that nothing ended, of heals that are not under way and of which no locked wallet is owed anything.
_LOST_HOLDS = f"""
SELECT count(*) AS lost FROM token_usage_events e
 WHERE e.org_id = $1 AND {_OF} AND e.phase = 'hold'
   AND NOT EXISTS (SELECT FROM token_usage_events s WHERE s.attempt_id = e.attempt_id AND s.phase = 'settle')
   AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.attempt_id = e.attempt_id)
   AND NOT EXISTS (SELECT FROM heal_owed o WHERE o.attempt_id = e.attempt_id)
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletState:
    """A wallet with what stands beside it: holds, what it is owed, and what it owes."""

    tier: str
    text_budget_aud: Decimal
    voice_budget_aud: Decimal
    renew_day: int
    auto_topup: bool
    topup_amount_aud: Decimal | None
    held: MicroAud
    """Of the text budget, of heals under way, and of those whose outcome a person has to find out."""
    voice_held: MicroAud
    """The same of the voice budget."""
    parked: MicroAud
    """The part of it that waits for a person."""
    owed: MicroAud
    """What ended heals give back, which another application's lock keeps from being written into the wallet."""
    debt: MicroAud
    lockouts: tuple[str, ...]

    @property
    def budgets(self) -> Mapping[Budget, Decimal]:
        """What is in it, by budget."""
        return {Budget.TEXT: self.text_budget_aud, Budget.VOICE: self.voice_budget_aud}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One line of a budget's ledger; `remaining` is what its writer says that is left."""

    id: int
    created_at: datetime
    event_type: str
    amount: Decimal
    remaining: Decimal
    attempt_id: UUID | None
    phase: str | None
    debt_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSnapshot:
    """The ledger of one organisation within a span of time, as of one moment."""

    wallet: WalletState | None
    before: Decimal | None
    """What was left before the span; None where the ledger begins in it."""
    is_latest: bool
    """Whether nothing was written after the span: the wallet has to hold what its last line says."""
    lost_holds: int
    lines: AsyncIterator[LedgerLine]


async def read_wallet(pool: Pool, org_id: OrgId) -> WalletState | None:
    """Read a wallet and what stands beside it; None where the organisation has none."""
    async with transaction(pool) as connection:
        return await _read_wallet(connection, org_id)


@asynccontextmanager
async def read_ledger(
    pool: Pool, org_id: OrgId, budget: Budget, since: datetime, until: datetime
) -> AsyncIterator[LedgerSnapshot]:
    """Read the ledger of one budget in a span of time, and the wallet of the same moment."""
    with translated():
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield await _read_ledger(connection, org_id, budget, since, until)


async def _read_ledger(
    connection: Connection, org_id: OrgId, budget: Budget, since: datetime, until: datetime
) -> LedgerSnapshot:
    return LedgerSnapshot(
        wallet=await _read_wallet(connection, org_id),
        before=await connection.fetchval(_BEFORE, org_id, budget, since),
        is_latest=await connection.fetchval(_LATER, org_id, budget, until) is None,
        lost_holds=await connection.fetchval(_LOST_HOLDS, org_id, budget),
        lines=_lines(connection, org_id, budget, since, until),
    )


async def _read_wallet(connection: Connection, org_id: OrgId) -> WalletState | None:
    row = await connection.fetchrow(_WALLET, org_id)
    return WalletState(**{**row, "lockouts": tuple(row["lockouts"])}) if row is not None else None


async def _lines(
    connection: Connection, org_id: OrgId, budget: Budget, since: datetime, until: datetime
) -> AsyncIterator[LedgerLine]:
    after = 0
    while rows := await connection.fetch(_LINES, org_id, budget, after, since, until, PAGE):
        for row in rows:
            yield LedgerLine(**row)
        after = rows[-1]["id"]
