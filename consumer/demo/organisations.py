"""Organisations that the demo's failures belong to, with their wallets and users."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4, uuid5

import asyncpg

# What stands there already is left as it is: development mode keeps its database.
_ORGANISATION = "INSERT INTO organizations (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_WALLET = """
INSERT INTO token_wallets (org_id, text_budget_aud, voice_budget_aud) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING
"""
_MEMBERSHIP = "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"

PAYING_AUD: Final = 10
CROWDED_AUD: Final = 100
VOICES_AUD: Final = PAYING_AUD + CROWDED_AUD
"""In all voice budgets; as much is in those of texts."""
WALLETS_AUD: Final = 2 * VOICES_AUD


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisations:
    """Three organisations: one pays, and has users; one has no wallet; one has a thousand failures at once."""

    paying: UUID
    poor: UUID
    crowded: UUID
    member: UUID
    owner: UUID


def new_organisations() -> Organisations:
    """Create ids that no other run has."""
    return Organisations(paying=uuid4(), poor=uuid4(), crowded=uuid4(), member=uuid4(), owner=uuid4())


def lasting_organisations(paying: UUID) -> Organisations:
    """Return the ids that follow from the first one, the same in each run."""
    poor, crowded, member, owner = (uuid5(paying, name) for name in ("poor", "crowded", "member", "owner"))
    return Organisations(paying=paying, poor=poor, crowded=crowded, member=member, owner=owner)


async def found_organisations(connection: asyncpg.Connection, organisations: Organisations) -> Organisations:
    """Insert organisations that are missing into the database, with their wallets and users."""
    await connection.execute(_ORGANISATION, organisations.paying, "Lamps & Sons")
    await connection.execute(_ORGANISATION, organisations.poor, "No Wallet Ltd")
    await connection.execute(_ORGANISATION, organisations.crowded, "Parcels & Daughters")
    await connection.execute(_WALLET, organisations.paying, PAYING_AUD)
    await connection.execute(_WALLET, organisations.crowded, CROWDED_AUD)
    await connection.execute(_MEMBERSHIP, organisations.member, organisations.paying, "member")
    await connection.execute(_MEMBERSHIP, organisations.owner, organisations.paying, "owner")
    return organisations
