"""Applies one event through the platform's own handler: looked for, given with its object as it now is, looked for.

Events come out of order, and several changes may have one second. So no event's own picture of its object counts: the
object is read again before it is given, and compared after. Whatever the order, the newest state is what is left.
"""

from datetime import timedelta
from typing import Final, TypeAlias

from consumer.heal.billing_sync.money import UnreadableAmount, currency_of, minor_units, told
from consumer.heal.billing_sync.platform import ObjectState, difference, give, has_event, newest_state, refresh
from consumer.heal.billing_sync.session import TRIES, BillingSession, CannotGoOn
from consumer.heal.billing_sync.wire import BillingEvent
from consumer.model.billing_event import DONE, EventMark, MarkState
from consumer.model.call import Answer, CallResult, EgressRefused
from consumer.model.http_status import passing
from consumer.runners.templates import UnfitValue
from schemas.json_value import value_at

LOOKS: Final = 3
"""Looks whether the platform has an event after its handler took it: some apply it a moment later."""
BETWEEN_LOOKS: Final = timedelta(milliseconds=500)
_GOOD: Final = range(200, 300)
_TO_PASS: Final = 3
"""Events in a row that the platform's handler breaks on: then it is the platform that is ill, and no event."""
_MOST_WHY: Final = 300
Became: TypeAlias = tuple[MarkState, str]


class Applying:
    """Applies the events of one heal, each for itself: what one of them meets stops no other."""

    def __init__(self, session: BillingSession) -> None:
        self._session = session
        self._broken = 0

    async def apply(self, event: BillingEvent, before: EventMark | None) -> MarkState:
        """Bring one event to its end, and make durable which; raises CannotGoOn where no event could be applied now."""
        session = self._session
        try:
            state, why = await self._become(event, before)
        except UnfitValue as error:
            state, why = MarkState.FAILED, str(error)
        except CannotGoOn as stopped:
            state, why = MarkState.FAILED, self._of_this_one(stopped)
        if state is not MarkState.FAILED:
            self._broken = 0
        await session.book.note(
            session.org_id,
            session.name,
            EventMark(
                event_id=event.id,
                type=event.type,
                object_id=event.object_id,
                created=event.created,
                state=state,
                why=why[:_MOST_WHY],
                attempt_id=session.task.attempt_id,
            ),
        )
        return state

    def _of_this_one(self, stopped: CannotGoOn) -> str:
        """Return why one event cannot be brought to its end; raises where it would be the same for others."""
        if not stopped.of_one:
            raise stopped
        if stopped.after is not None:
            self._broken += 1
            if self._broken >= _TO_PASS:
                raise stopped
        return str(stopped)

    async def _become(self, event: BillingEvent, before: EventMark | None) -> Became:
        session = self._session
        if await has_event(session, event):
            return await self._in_step(event, MarkState.PRESENT, before)
        newest = await newest_state(session, event)
        if newest is None:
            return MarkState.FAILED, f"it is not known where objects of type {event.object_type} are: see `paths`"
        if (asked := self._to_ask(event, before, newest)) is not None:
            return asked
        if (why := await self._given(event, newest)) is not None:
            return MarkState.FAILED, why
        return await self._in_step(event, MarkState.APPLIED, before)

    def _to_ask(self, event: BillingEvent, before: EventMark | None, newest: ObjectState) -> Became | None:
        """Return that an event waits for a yes, or is no longer what a person said yes to; None where it may go."""
        session = self._session
        if not session.account.moves_money(event.type):
            return None
        words = held_words(event, newest)
        if before is None or not _is_released(session, before):
            return MarkState.HELD, words
        if words[:_MOST_WHY] != before.why:
            return MarkState.FAILED, f"it has changed since a person said yes to {before.why!r}: now it is {words!r}"
        return None

    async def _given(self, event: BillingEvent, newest: ObjectState) -> str | None:
        """Give an event to the handler until the platform has it; returns why it has not."""
        session = self._session
        for n in range(1, TRIES + 1):
            session.stay_in_window()
            result = await give(session, event, newest)
            if isinstance(result, EgressRefused):
                raise CannotGoOn("platform", f"may not be called: {result.reason}", after=None)
            if isinstance(result, Answer) and passing(result.status, result.named_headers) is None:
                self._broken = 0
                return await self._taken(event, result)
            if await has_event(session, event):
                self._broken = 0
                return None
            try:
                await session.wait_after("platform", result, n)
            except CannotGoOn as stopped:
                self._broken += 1
                if self._broken >= _TO_PASS or not _is_its_own(result, n):
                    raise
                return str(stopped)
            newest = await newest_state(session, event) or newest
        raise AssertionError("the last try ends it")

    async def _taken(self, event: BillingEvent, answer: Answer) -> str | None:
        if answer.status not in _GOOD:
            return f"the platform's handler refuses it: it answered {answer.status}"
        for n in range(LOOKS):
            if n:
                await self._session.sleep(BETWEEN_LOOKS)
            if await has_event(self._session, event):
                return None
        return f"the platform's handler answered {answer.status}, and the platform does not have it"

    async def _in_step(self, event: BillingEvent, state: MarkState, before: EventMark | None) -> Became:
        """Compare an object that an event is about, and give the platform the newest where it has another state."""
        session = self._session
        if session.account.platform.object is None or not event.object_id:
            return state, ""
        why = ""
        for n in range(LOOKS):
            newest = await newest_state(session, event)
            found = None if newest is None else await difference(session, event, newest)
            if newest is None or found is None:
                return state, ""
            why, how = found
            if how == "ahead":
                return MarkState.FAILED, f"{why} than the processor: it is never taken back"
            if session.account.platform.refresh and (asked := self._to_ask(event, before, newest)) is not None:
                return asked
            if n + 1 < LOOKS and (_answered_well(await refresh(session, event, newest)) is None):
                await session.sleep(BETWEEN_LOOKS)
        return MarkState.FAILED, f"the platform has the event, and its object in another state than the newest: {why}"


def _is_released(session: BillingSession, before: EventMark | None) -> bool:
    """Return whether a person has said yes to an event, as it was held by this very heal."""
    if before is None or before.attempt_id != session.task.attempt_id:
        return False
    return session.state.released and before.state is MarkState.HELD


def is_over(session: BillingSession, mark: EventMark | None) -> bool:
    """Return whether nothing more is done about an event in this heal."""
    if mark is None:
        return False
    if mark.state in DONE:
        return True
    return mark.attempt_id == session.task.attempt_id and not _is_released(session, mark)


def held_words(event: BillingEvent, newest: ObjectState) -> str:
    """Return what an event is about that moves money, in words: what a person says yes to."""
    amount, currency = (value_at(newest.document, f"/{name}", None) for name in ("amount", "currency"))
    customer = value_at(newest.document, "/customer", None)
    try:
        code = currency_of(currency)
        said = f" of {told(minor_units(amount, code, 'minor'), code)}"
    except UnreadableAmount:
        said = ""
    whose = f" for {customer[:64]}" if isinstance(customer, str) and customer.isprintable() else ""
    return f"{event.type}: {event.object_type} {event.object_id}{said}{whose}"


def _is_its_own(result: CallResult, n: int) -> bool:
    """Return whether a failure may be that of one event: its handler breaks on it, each time."""
    return isinstance(result, Answer) and n == TRIES and result.status >= 500  # noqa: PLR2004 - HTTP's own border


def _answered_well(result: CallResult | None) -> Answer | None:
    return result if isinstance(result, Answer) and result.status in _GOOD else None
