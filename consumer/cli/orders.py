"""Orders of an operator: carried out as a supervisor's commands are, recorded, answered and told."""

import asyncio
from typing import Final
from uuid import UUID, uuid4

from consumer.catalog import Catalogs
from consumer.cli.exits import ExitCode, say
from consumer.commands.execute import carry_out
from consumer.commands.hands import Hands, Price
from consumer.commands.prices import at_most
from consumer.commands.signed import order_of
from consumer.model import FailureId
from consumer.model.command import CommandId, KeptCommand
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from consumer.results.command import answer
from consumer.results.events import Outlet
from consumer.service.catalog_file import read_catalog
from consumer.service.strategies import installed_strategies
from consumer.settings import read_settings
from consumer.store.bulk import bulk_state
from consumer.store.commands import organisation_of
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Pool, transaction
from schemas.names import CommandOutcome
from schemas.supervision import AnyCommand

OPERATOR: Final = "shw:operator"
"""Issuer of an operator's orders: with a sign that no issuer of a key has."""
_DONE: Final = frozenset((CommandOutcome.ACCEPTED, CommandOutcome.ALREADY))


async def obey(pool: Pool, command: AnyCommand, *, price: Price | None = None) -> KeptCommand:
    """Carry out a command of an operator; returns when what it promises holds in every replica."""
    outlet = Outlet.of(read_settings().kafka)
    order = order_of(command, CommandId(issuer=OPERATOR, id=uuid4().hex), None)
    async with transaction(pool) as connection:
        hands = Hands(connection=connection, outlet=outlet, price=price or (lambda _: None))
        kept = await carry_out(hands, order)
    if kept.executed.revokes:
        await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
    message = answer(kept, outlet)
    async with transaction(pool) as connection:
        await put_for_sweeper(connection, [message])
    return kept


def describe(kept: KeptCommand) -> ExitCode:
    """Print what became of a command."""
    executed = kept.executed
    say(f"{executed.outcome.replace('_', ' ').capitalize()}" + (f": {executed.reason}." if executed.reason else "."))
    return ExitCode.OK if executed.outcome in _DONE else ExitCode.NO


async def priced(pool: Pool, command: AnyCommand) -> KeptCommand:
    """Carry out a command that asks what heals may cost, by the catalog that the settings name."""
    catalog = read_catalog(read_settings().catalog)
    async with installed_strategies(Catalogs(catalog), connections=1) as strategies:
        names = frozenset(strategies)
    return await obey(pool, command, price=lambda workflows: at_most(catalog, names, workflows))


async def organisation_of_failure(pool: Pool, failure_id: UUID) -> UUID | None:
    """Return a failure's organisation."""
    async with transaction(pool) as connection:
        return await organisation_of(connection, FailureId(failure_id))


async def organisation_of_bulk(pool: Pool, bulk_id: UUID) -> tuple[bool, UUID | None]:
    """Return whether there is such a bulk, and its organisation."""
    async with transaction(pool) as connection:
        found = await bulk_state(connection, bulk_id)
    return (False, None) if found is None else (True, found[1])
