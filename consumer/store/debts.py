"""What stands between a wallet and the healer, and is applied later: refunds owed to a locked wallet, and its debts.

A debt is what a provider charged beyond a hold, and the wallet could not pay.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from consumer.model import MicroAud, OrgId
from consumer.store.pool import Pool, transaction, translated
from consumer.store.wallet_entries import apply_owed_to, collect_debts, take_turns
from schemas.names import Budget

_OWED_TO = "SELECT DISTINCT h.org_id, h.pays_from FROM heal_owed h LIMIT $1"

_INDEBTED = """
SELECT d.org_id, d.pays_from FROM heal_debt d JOIN token_wallets w ON w.org_id = d.org_id
 WHERE CASE d.pays_from WHEN 'voice' THEN w.voice_budget_aud ELSE w.text_budget_aud END > 0
 GROUP BY d.org_id, d.pays_from LIMIT $1
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
        rows = await connection.fetch(_OWED_TO, _APPLIED_AT_ONCE)
        if rows:
            await connection.execute(_FORGET_OWED, [row["org_id"] for row in rows])
            await take_turns(connection, (row["org_id"] for row in rows))
        for budget, org_ids in _by_budget(rows):
            await apply_owed_to(connection, budget, org_ids)
    debts = await _debts(pool)
    if not debts:
        return debts
    async with transaction(pool) as connection:
        await connection.execute(_FORGET_DEBTS)
        rows = await connection.fetch(_INDEBTED, _APPLIED_AT_ONCE)
        if rows:
            await take_turns(connection, (row["org_id"] for row in rows))
        for budget, org_ids in _by_budget(rows):
            await collect_debts(connection, budget, org_ids)
    return await _debts(pool)


def _by_budget(rows: Sequence[Any]) -> Iterator[tuple[Budget, Sequence[OrgId]]]:
    for budget in Budget:
        if org_ids := [OrgId(row["org_id"]) for row in rows if row["pays_from"] == budget]:
            yield budget, org_ids


async def _debts(pool: Pool) -> MicroAud:
    with translated():
        return MicroAud(await pool.fetchval(_DEBTS))
