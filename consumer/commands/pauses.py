"""Executors of pauses: hold healing within a reach, and end that."""

from uuid import uuid5

from consumer.commands.hands import Hands
from consumer.model import ID_SPACE, Json, JsonObject, OrgId
from consumer.model.command import Executed, Order
from consumer.model.pause import NO_ORIGIN, PauseReach, PauseRequest, PauseResult
from consumer.store.pauses import PauseMade, pause, resume
from schemas.names import CommandOutcome
from schemas.supervision import Pause, Resume

_OUTCOMES = {
    PauseResult.DONE: (CommandOutcome.ACCEPTED, ""),
    PauseResult.ALREADY: (CommandOutcome.ALREADY, "it was so before"),
    PauseResult.NOT_FOUND: (CommandOutcome.NOT_FOUND, "no such pause, or no such organisation"),
    PauseResult.TOO_MANY: (CommandOutcome.REFUSED, "as many pauses stand as may: end some"),
    PauseResult.NO_ORIGIN: (CommandOutcome.REFUSED, NO_ORIGIN),
    PauseResult.OVER: (CommandOutcome.REFUSED, "its end lies before its start, or before now"),
}


async def begin_pause(hands: Hands, order: Order) -> Executed:
    """Hold healing within the command's reach: answered when every replica has learnt of it."""
    command = order.command
    assert isinstance(command, Pause)  # noqa: S101 - the table of executors pairs them
    request = PauseRequest(
        reach=_reach(command),
        reason=command.reason,
        by=order.facts.by,
        starts_at=command.starts_at,
        ends_at=command.until,
    )
    pause_id = uuid5(ID_SPACE, f"pause:{len(order.id.issuer)}:{order.id.issuer}:{order.id.id}")
    return _executed(await pause(hands.connection, request, hands.tell_pause, pause_id=pause_id), revokes=True)


async def end_pause(hands: Hands, order: Order) -> Executed:
    """End a pause, or all that stand with exactly the command's reach."""
    command = order.command
    assert isinstance(command, Resume)  # noqa: S101 - the table of executors pairs them
    made = await resume(
        hands.connection,
        command.pause_id or _reach(command),
        by=order.facts.by,
        reason=command.reason,
        tell=hands.tell_pause,
        within=frozenset(map(OrgId, order.organisations)) if order.organisations is not None else None,
    )
    return _executed(made, revokes=False)


def _reach(command: Pause | Resume) -> PauseReach:
    return PauseReach(
        org_id=OrgId(command.org_id) if command.org_id is not None else None,
        workflow_name=command.workflow_name,
        failure_type=command.failure_type,
        strategy=command.strategy,
        dependency=command.dependency,
    )


def _executed(made: PauseMade, *, revokes: bool) -> Executed:
    outcome, reason = _OUTCOMES[made.result]
    ids: list[Json] = [str(one.id) for one in made.pauses]
    details: JsonObject | None = {"pauses": ids} if ids else None
    return Executed(outcome=outcome, reason=reason, revokes=revokes and bool(ids), details=details)
