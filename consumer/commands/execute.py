"""Carries orders out: one executor for each kind, in the transaction that records what became of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, assert_never
from uuid import uuid4

import structlog

from consumer.commands.answers import answer_by_command
from consumer.commands.bulk import preview_bulk, start_bulk, stop_bulk
from consumer.commands.hands import Executor, Hands, Price
from consumer.commands.pauses import begin_pause, end_pause
from consumer.commands.signed import order_of
from consumer.errors import ConfigError, RefusedByDatabase, TransientError
from consumer.model import FailureId
from consumer.model.command import CommandId, Executed, KeptCommand, Order, RefusedOrder
from consumer.model.decision import STATUS_AFTER, Decision, DecisionRequest, DecisionResult
from consumer.results.command import answer
from consumer.results.events import Outlet
from consumer.store.commands import (
    LOCK_WAIT,
    LockedByAnother,
    conclude,
    kept_command,
    organisation_of,
    reserve,
    savepoint,
)
from consumer.store.decisions import decide
from consumer.store.edits import edit_failure
from consumer.store.heal_requests import HealRequestResult, ask_heal
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Connection
from schemas.edit import Edit
from schemas.names import CommandName, CommandOutcome
from schemas.supervision import AnyCommand, DidNotHappen, GiveUp, Heal, Resolve

log = structlog.get_logger(__name__)

API: Final = "shw:api"
"""Issuer of orders of the API's users: with a sign that no issuer of a key has."""
_NO_SUCH: Final = "no such failure in that organisation"


async def carry_out(hands: Hands, order: Order) -> KeptCommand:
    """Carry an order out once, in the caller's transaction, and record what became of it; as the service.

    One of which the id was used before does nothing: `digest` of what is returned tells whether it was the same order.
    """
    if (before := await reserve(hands.connection, order)) is not None:
        return before
    return await conclude(hands.connection, order, await attempt(hands, order))


async def obey_user(connection: Connection, command: AnyCommand, *, outlet: Outlet, price: Price) -> Executed:
    """Carry out a command of a user of the API, in the caller's transaction, record it and have it answered.

    For those that revoke nothing: what it promises holds once the transaction is committed.
    """
    order = order_of(command, CommandId(issuer=API, id=uuid4().hex), None)
    kept = await carry_out(Hands(connection=connection, outlet=outlet, price=price), order)
    message = answer(kept, outlet)
    await put_for_sweeper(connection, [message])
    return kept.executed


async def attempt(hands: Hands, order: Order, lock_wait: timedelta = LOCK_WAIT) -> Executed:
    """Carry an order out in a savepoint of the caller's transaction: what fails leaves nothing, and is answered."""
    try:
        async with savepoint(hands.connection, lock_wait):
            return await _execute(hands, order)
    except LockedByAnother:
        reason = "another session holds the failure's row locked: nothing was changed, send it again under a new id"
        return Executed(outcome=CommandOutcome.REFUSED, reason=reason)
    except (RefusedByDatabase, TransientError) as error:
        if hands.connection.is_closed():
            raise
        # A deadlock or a timeout, of this command alone: those behind it must not wait for it.
        return Executed(outcome=CommandOutcome.REFUSED, reason=f"the database does not take it: {error}")
    except ConfigError:
        raise
    except Exception:  # a bug in one executor must not stop the commands behind it
        log.exception("command_crashed", command=order.command.command, issuer=order.id.issuer, id=order.id.id)
        reason = "a fault of the healer's own, which its log names: nothing was changed"
        return Executed(outcome=CommandOutcome.REFUSED, reason=reason)


async def recall(connection: Connection, refused: RefusedOrder) -> KeptCommand | None:
    """Return what became of a command of which a copy was refused, such as one that has expired since."""
    kept = await kept_command(connection, refused.id) if refused.digest is not None else None
    return kept if kept is not None and kept.digest == refused.digest else None


async def _execute(hands: Hands, order: Order) -> Executed:
    failure_id = order.facts.failure_id
    # The same answer whether it does not exist or is another organisation's: it must not tell which.
    if failure_id is not None and await organisation_of(hands.connection, failure_id) != order.facts.org_id:
        return Executed(outcome=CommandOutcome.NOT_FOUND, reason=_NO_SUCH)
    executor = EXECUTORS.get(order.command.command)
    if executor is None:
        return Executed(outcome=CommandOutcome.REFUSED, reason="this release does not carry it out")
    return await executor(hands, order)


async def _heal(hands: Hands, order: Order) -> Executed:
    command = order.command
    assert isinstance(command, Heal)  # noqa: S101 - the table below pairs them
    asked = await ask_heal(hands.connection, FailureId(command.failure_id), by=order.facts.by)
    match asked.result:
        case HealRequestResult.DUE:
            reason = "a heal of it is under way: it looks at the other system now" if asked.suspended else ""
            return Executed(outcome=CommandOutcome.ACCEPTED, step=asked.step, reason=reason)
        case HealRequestResult.RESOLVED:
            return Executed(outcome=CommandOutcome.ALREADY, reason="it is resolved already")
        case HealRequestResult.NEEDS_PERSON:
            reason = "an effect of it may have happened: look, then command did_not_happen, resolve or give_up"
            return Executed(outcome=CommandOutcome.REFUSED, reason=reason)
        case HealRequestResult.AWAITING_APPROVAL:
            return Executed(outcome=CommandOutcome.REFUSED, reason="its plan waits for approval: approve or deny that")
        case HealRequestResult.NOT_FOUND:
            return Executed(outcome=CommandOutcome.NOT_FOUND, reason=_NO_SUCH)
        case _:
            assert_never(asked.result)


async def _edit(hands: Hands, order: Order) -> Executed:
    command = order.command
    assert isinstance(command, Edit)  # noqa: S101 - the table below pairs them
    token, by = order.digest.hex()[:12], order.facts.by
    made = await edit_failure(hands.connection, FailureId(command.failure_id), command, hands.tell, by=by, token=token)
    if made.step is None:
        return Executed(outcome=CommandOutcome.REFUSED, reason=made.refusal)
    return Executed(outcome=CommandOutcome.ACCEPTED, step=made.step)


def _decision(decision: Decision) -> Executor:
    async def execute(hands: Hands, order: Order) -> Executed:
        command: Any = order.command
        assert isinstance(command, GiveUp | Resolve | DidNotHappen)  # noqa: S101 - the table below pairs them
        request = DecisionRequest(decision=decision, reason=command.reason, by=order.facts.by)
        made = await decide(hands.connection, FailureId(command.failure_id), request, hands.tell)
        return _decided(made.ruling, decision, revoked=made.revoked)

    return execute


def _decided(ruling: DecisionResult, decision: Decision, *, revoked: bool) -> Executed:
    match ruling:
        case DecisionResult.DONE:
            under_way = "a heal was under way: a call that was sent ends as it ends, and is told" if revoked else ""
            return Executed(outcome=CommandOutcome.ACCEPTED, reason=under_way, revokes=revoked)
        case DecisionResult.RESOLVED | DecisionResult.GIVEN_UP:
            is_so = ruling.value == STATUS_AFTER[decision].value
            outcome = CommandOutcome.ALREADY if is_so else CommandOutcome.REFUSED
            return Executed(outcome=outcome, reason=f"it is {ruling.replace('_', ' ')} already")
        case DecisionResult.NOT_IN_DOUBT:
            reason = "it does not need a person: nothing of it is in doubt"
            return Executed(outcome=CommandOutcome.REFUSED, reason=reason)
        case DecisionResult.NOT_FOUND:
            return Executed(outcome=CommandOutcome.NOT_FOUND, reason=_NO_SUCH)
        case _:
            assert_never(ruling)


EXECUTORS: Final[Mapping[CommandName, Executor]] = {
    CommandName.HEAL: _heal,
    CommandName.GIVE_UP: _decision(Decision.GIVE_UP),
    CommandName.RESOLVE: _decision(Decision.RESOLVE),
    CommandName.DID_NOT_HAPPEN: _decision(Decision.DID_NOT_HAPPEN),
    CommandName.EDIT: _edit,
    CommandName.APPROVE: answer_by_command,
    CommandName.DENY: answer_by_command,
    CommandName.PAUSE: begin_pause,
    CommandName.RESUME: end_pause,
    CommandName.BULK: preview_bulk,
    CommandName.BULK_START: start_bulk,
    CommandName.BULK_STOP: stop_bulk,
}
"""By kind; one that is not listed is refused."""
