"""What stands between a wallet and the healer, and is applied later: refunds owed to a locked wallet, and its debts.

A debt is what a provider charged beyond a hold, and the wallet could not pay.
"""

from typing import Final

from consumer.model import MicroAud
from consumer.store.credits import APPLY_OWED, COLLECT, LEDGER_METADATA, TAKE_TURNS
from consumer.store.pool import Pool, transaction, translated

_OWED_TO = "SELECT DISTINCT h.org_id FROM heal_owed h LIMIT $1"

_INDEBTED = """
SELECT d.org_id FROM heal_debt d JOIN token_wallets w ON w.org_id = d.org_id
 WHERE w.text_budget_aud > 0 GROUP BY d.org_id LIMIT $1
"""

_DEBTS = "SELECT coalesce(sum(d.amount), 0)::bigint FROM heal_debt d"

_FORGET_DEBTS = "DELETE FROM heal_debt d WHERE NOT EXISTS (SELECT FROM organizations o WHERE o.id = d.org_id)"

# With its organisation a wallet goes, and what it was owed.
_FORGET_OWED = """
DELETE FROM heal_owed h
 WHERE h.org_id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM token_wallets t WHERE t.org_id = h.org_id)
"""

_APPLIED_AT_ONCE: Final = 1000


async def apply_owed(pool: Pool) -> MicroAud:
    """Apply what wallets are owed that were locked when a heal ended, and collect debts; returns what is left of these.

    In the order in which it was written. A wallet without an organisation is gone, and so is what it was owed or owed.
    """
    async with transaction(pool) as connection:
        owed_to = [row["org_id"] for row in await connection.fetch(_OWED_TO, _APPLIED_AT_ONCE)]
        if owed_to:
            await connection.execute(_FORGET_OWED, owed_to)
            await connection.execute(APPLY_OWED, owed_to, LEDGER_METADATA)
    debts = await _debts(pool)
    if not debts:
        return debts
    async with transaction(pool) as connection:
        await connection.execute(_FORGET_DEBTS)
        indebted = [row["org_id"] for row in await connection.fetch(_INDEBTED, _APPLIED_AT_ONCE)]
        if indebted:
            await connection.execute(TAKE_TURNS, sorted(indebted))
            await connection.execute(COLLECT, indebted, LEDGER_METADATA)
    return await _debts(pool)


async def _debts(pool: Pool) -> MicroAud:
    with translated():
        return MicroAud(await pool.fetchval(_DEBTS))
