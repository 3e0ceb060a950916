"""Executors of bulks: freeze what a filter finds and say what it may cost; start it, stop it; and one item of it."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from consumer.commands.hands import Hands
from consumer.model import MicroAud, OrgId
from consumer.model.bulk import FrozenFailure, RunningBulk, bulk_id_of
from consumer.model.command import CommandFacts, CommandId, Executed, Order
from consumer.store.bulk import TooMany, bulk_state, find, freeze, turn
from schemas.bulk import MOST_OF_A_BULK, Bulk, BulkPreview, BulkStart, BulkStop
from schemas.names import BulkAction, BulkState, CommandName, CommandOutcome
from schemas.supervision import DidNotHappen, GiveUp, Heal, Resolve

NO_SUCH_BULK: Final = "no such bulk in that organisation"
_COMMANDS: Final = {
    BulkAction.HEAL: Heal,
    BulkAction.GIVE_UP: GiveUp,
    BulkAction.RESOLVE: Resolve,
    BulkAction.DID_NOT_HAPPEN: DidNotHappen,
}


async def preview_bulk(hands: Hands, order: Order) -> Executed:
    """Freeze what the filter finds; nothing is done to it before the bulk is started."""
    command = order.command
    assert isinstance(command, Bulk)  # noqa: S101 - the table of executors pairs them
    try:
        found, workflows = await find(hands.connection, command.org_id, command.filter)
    except TooMany:
        reason = f"the filter finds more than {MOST_OF_A_BULK} failures: narrow it"
        return Executed(outcome=CommandOutcome.REFUSED, reason=reason)
    cost: MicroAud | None = MicroAud(0)
    if command.action is BulkAction.HEAL:
        cost = hands.price(workflows)
    bulk_id = bulk_id_of(order.id)
    await freeze(hands.connection, bulk_id, command, order.facts.by, found, cost)
    preview = BulkPreview(
        bulk_id=bulk_id, failures=len(found), at_most_aud=Decimal(cost) / 1_000_000 if cost is not None else None
    )
    return Executed(outcome=CommandOutcome.ACCEPTED, details={"bulk": preview.model_dump(mode="json")})


async def start_bulk(hands: Hands, order: Order) -> Executed:
    """Start a bulk, or go on with one that was stopped."""
    command = order.command
    assert isinstance(command, BulkStart)  # noqa: S101 - the table of executors pairs them
    return await _turn(hands, command.bulk_id, order.facts.org_id, BulkState.RUNNING)


async def stop_bulk(hands: Hands, order: Order) -> Executed:
    """Stop a bulk: the slice that is under way is the last one."""
    command = order.command
    assert isinstance(command, BulkStop)  # noqa: S101 - the table of executors pairs them
    return await _turn(hands, command.bulk_id, order.facts.org_id, BulkState.STOPPED)


async def _turn(hands: Hands, bulk_id: UUID, org_id: OrgId | None, state: BulkState) -> Executed:
    found = await bulk_state(hands.connection, bulk_id)
    if found is None or found[1] != org_id:
        return Executed(outcome=CommandOutcome.NOT_FOUND, reason=NO_SUCH_BULK)
    if found[0] is state:
        return Executed(outcome=CommandOutcome.ALREADY, reason=f"it is {state} already")
    if found[0] is BulkState.DONE:
        return Executed(outcome=CommandOutcome.REFUSED, reason="it has ended")
    await turn(hands.connection, bulk_id, state)
    return Executed(outcome=CommandOutcome.ACCEPTED)


def order_of_item(bulk: RunningBulk, item: FrozenFailure) -> Order:
    """Return the order that a bulk gives for one of its failures."""
    model = _COMMANDS[bulk.action]
    by = f"{bulk.issued_by} (bulk {bulk.id})"
    command = model(
        org_id=item.org_id, failure_id=item.failure_id, issued_by=bulk.issued_by[:512] or "-", reason=bulk.reason
    )
    return Order(
        id=CommandId(issuer="bulk", id=f"{bulk.id}:{item.place}"),
        command=command,
        digest=b"",
        organisations=None,
        facts=CommandFacts(name=CommandName(bulk.action.value), org_id=item.org_id, failure_id=item.failure_id, by=by),
    )
