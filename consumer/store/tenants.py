"""Organisations, members and wallets of a database without a platform: added and set by the operator who owns it.

Where a platform stands, its own services write these rows. As in `organisations`, the statements need rights that the
service's role does not have, and stand in mappings, by what they do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from consumer.model import OrgId
from consumer.store.pool import Connection, Pool, transaction
from schemas.names import Budget

COLUMNS: Final[Mapping[Budget, str]] = {Budget.TEXT: "text_budget_aud", Budget.VOICE: "voice_budget_aud"}
"""The wallet's column of each budget."""

STATEMENTS: Final[Mapping[str, str]] = {
    "add": "INSERT INTO organizations (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id",
    "list": """
SELECT o.id, o.name, o.created_at, w.text_budget_aud, w.voice_budget_aud,
       (SELECT count(*) FROM user_organizations u WHERE u.org_id = o.id) AS members
  FROM organizations o LEFT JOIN token_wallets w ON w.org_id = o.id
 WHERE ($1::uuid IS NULL OR o.id > $1) ORDER BY o.id LIMIT $2""",
    "exists": "SELECT id FROM organizations WHERE id = $1",
    "make a wallet": "INSERT INTO token_wallets (org_id) VALUES ($1) ON CONFLICT (org_id) DO NOTHING",
    "read a wallet": "SELECT text_budget_aud, voice_budget_aud FROM token_wallets WHERE org_id = $1 FOR UPDATE",
    "set a wallet": """
UPDATE token_wallets SET text_budget_aud = $2, voice_budget_aud = $3, updated_at = now() WHERE org_id = $1""",
    "tell the ledger": """
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata)
VALUES ($1, 'adjustment', $2, $3, $4::jsonb)""",
    "set a member": """
INSERT INTO user_organizations (user_id, org_id, role) VALUES ($2, $1, $3)
ON CONFLICT (user_id, org_id) DO UPDATE SET role = EXCLUDED.role""",
}
"""What is done, by its name."""
_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An organisation, with what is in its wallet (None: it has none) and the number of its members."""

    id: OrgId
    name: str
    text_budget_aud: Decimal | None
    voice_budget_aud: Decimal | None
    members: int


async def add_organisation(pool: Pool, org: OrgId, name: str) -> bool:
    """Add an organisation; returns False where its id is taken, and changes nothing then."""
    async with transaction(pool) as connection:
        return await connection.fetchval(STATEMENTS["add"], org, name) is not None


async def organisations_after(pool: Pool, org: OrgId | None) -> Sequence[Tenant]:
    """Return the next organisations in the order of their ids; none: that was the last of them."""
    async with transaction(pool) as connection:
        rows = await connection.fetch(STATEMENTS["list"], org, _PAGE)
    return [
        Tenant(
            id=OrgId(row["id"]),
            name=row["name"] or "",
            text_budget_aud=row["text_budget_aud"],
            voice_budget_aud=row["voice_budget_aud"],
            members=row["members"],
        )
        for row in rows
    ]


async def set_member(pool: Pool, org: OrgId, user: UUID, role: str) -> bool:
    """Make a user a member of an organisation, in that role; returns False where there is no such organisation."""
    async with transaction(pool) as connection:
        if not await _exists(connection, org):
            return False
        await connection.execute(STATEMENTS["set a member"], org, user, role)
    return True


async def set_wallet(pool: Pool, org: OrgId, budgets: Mapping[Budget, Decimal], by: str) -> bool:
    """Set budgets of a wallet, which is made where there is none; the ledger has a line for each that changes.

    Returns False where there is no such organisation.
    """
    async with transaction(pool) as connection:
        if not await _exists(connection, org):
            return False
        await connection.execute(STATEMENTS["make a wallet"], org)
        row = await connection.fetchrow(STATEMENTS["read a wallet"], org)
        if row is None:
            return False
        before = {budget: Decimal(row[column]) for budget, column in COLUMNS.items()}
        after = before | dict(budgets)
        await connection.execute(STATEMENTS["set a wallet"], org, after[Budget.TEXT], after[Budget.VOICE])
        for budget in COLUMNS:
            if after[budget] != before[budget]:
                told = json.dumps({"budget": budget, "by": by, "reason": "shw wallet set"})
                change = after[budget] - before[budget]
                await connection.execute(STATEMENTS["tell the ledger"], org, change, after[budget], told)
    return True


async def _exists(connection: Connection, org: OrgId) -> bool:
    return await connection.fetchval(STATEMENTS["exists"], org) is not None
