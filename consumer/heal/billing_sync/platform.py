"""The platform's side: whether it has an event, its handler, an object as it has it, and its sums."""

from collections import Counter
from itertools import repeat
from typing import Any, Final, Literal, TypeAlias

from consumer.heal.billing_sync.money import UnreadableAmount, number_of
from consumer.heal.billing_sync.session import REFUSES, BillingSession, CannotGoOn
from consumer.heal.billing_sync.wire import BillingEvent, TotalKey, UnreadableAnswer, amount_of, cursor_of, items_of
from consumer.model import Json
from consumer.model.call import CallResult, OutboundRequest
from consumer.model.digest import digest
from consumer.runners.templates import UnfitValue, Values, render_call
from schemas.json_value import value_at
from schemas.value import value

GONE: Final = frozenset({404, 410})
_MAX_PAGES: Final = 100_000
_GOOD: Final = range(200, 300)
Differs: TypeAlias = Literal["behind", "ahead"]
"""`ahead`: a number that the platform has is above the processor's, and is never taken back."""


@value(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """An object as one side has it."""

    document: Json
    deleted: bool


def _values(event: BillingEvent, session: BillingSession) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "event_type": event.type,
        "object_id": event.object_id,
        "object_type": event.object_type,
        "org_id": str(session.org_id),
    }


async def has_event(session: BillingSession, event: BillingEvent) -> bool:
    """Return whether the platform has applied an event; raises CannotGoOn, and UnfitValue."""
    call = render_call(session.account.platform.event, "GET", _values(event, session), org_id=session.org_id)
    answer = await session.ask("platform", call)
    if answer.status not in GONE and answer.status not in _GOOD:
        why = f"does not say whether it has an event: it answered {answer.status}"
        raise CannotGoOn("platform", why, after=None, of_one=answer.status not in REFUSES)
    if answer.status in _GOOD and "html" in (answer.header("content-type") or "").lower():
        # Who stands before it answers every address with a page: each event would count as applied.
        raise CannotGoOn("platform", "answers with a page where it is asked for an event", after=None)
    return answer.status in _GOOD


async def give(session: BillingSession, event: BillingEvent, newest: ObjectState) -> CallResult:
    """Give an event to the platform's own handler, with its object as it is now; raises UnfitValue."""
    declared = session.account.platform.apply
    values = _values(event, session) | {"event": event.document, "object": newest.document}
    return await session.act("platform", render_call(declared, declared.method, values, org_id=session.org_id))


async def refresh(session: BillingSession, event: BillingEvent, newest: ObjectState) -> CallResult | None:
    """Give the platform an object as it is now; None where that is not declared. Raises UnfitValue."""
    if (declared := session.account.platform.refresh) is None:
        return None
    key = f"{event.object_id}-{digest(newest.document)[:32]}"
    values: Values = _values(event, session) | {"object": newest.document, "key": key}
    return await session.act("platform", render_call(declared, declared.method, values, org_id=session.org_id))


async def newest_state(session: BillingSession, event: BillingEvent) -> ObjectState | None:
    """Read an object at the processor as it is now; None where it is not known where. Raises CannotGoOn.

    Of what has no id of its own there is nothing to read: what its event shows is all there is.
    """
    if not event.object_id:
        return ObjectState(document=event.picture, deleted=False)
    call = session.wire.object_call(event.object_type, event.object_id)
    if call is None:
        return None
    return await _object(session, call, "processor", event)


async def difference(session: BillingSession, event: BillingEvent, newest: ObjectState) -> tuple[str, Differs] | None:
    """Return where the platform has an object in another state than the newest; None where it is the same."""
    declared = session.account.platform.object
    if declared is None:
        return None
    call = render_call(declared, "GET", _object_values(event, session), org_id=session.org_id)
    ours = await _object(session, call, "platform", event)
    if ours.deleted != newest.deleted:
        return ("it is deleted there", "behind") if newest.deleted else ("the platform does not have it", "behind")
    if newest.deleted:
        return None
    found = None
    for pair in session.account.compare:
        there, here = value_at(newest.document, pair.theirs, None), value_at(ours.document, pair.ours, None)
        if there == here and isinstance(there, bool) == isinstance(here, bool):
            continue
        theirs, held = number_of(there), number_of(here)
        if theirs is not None and held is not None and held > theirs:
            return f"the platform has more at {pair.ours}", "ahead"
        found = found or f"another {pair.ours}"
    return None if found is None else (found, "behind")


def _object_values(event: BillingEvent, session: BillingSession) -> Values:
    return {"object_id": event.object_id, "object_type": event.object_type, "org_id": str(session.org_id)}


async def _object(
    session: BillingSession, call: OutboundRequest, side: Literal["processor", "platform"], event: BillingEvent
) -> ObjectState:
    answer = await session.ask(side, call)
    if answer.status in GONE:
        gone: Json = {"id": event.object_id, "object": event.object_type, "deleted": True}
        return ObjectState(document=gone, deleted=True)
    body = session.parsed(side, answer)
    if not isinstance(body, dict):
        raise CannotGoOn(side, "answered what is no object", after=None, of_one=True)
    return ObjectState(document=body, deleted=value_at(body, "/deleted", None) is True)


@value(frozen=True, slots=True, kw_only=True)
class Sums:
    """The sums of one side, in minor units; and how many of what they are made of could not be read."""

    totals: dict[TotalKey, int]
    unreadable: int


async def platform_sums(session: BillingSession, since: int) -> Sums:
    """Read the platform's sums; raises CannotGoOn."""
    at = session.account.platform.totals
    totals: Counter[TotalKey] = Counter()
    unreadable, cursor, before = 0, "", {""}
    for _ in range(_MAX_PAGES):
        session.stay_in_window()
        values: Values = {"since": since, "cursor": cursor, "org_id": str(session.org_id)}
        body = await session.read_exact("platform", _rendered(session, at, values))
        for item in _items(body, at.items):
            try:
                customer, currency, units = amount_of(item, at)
            except UnreadableAmount:
                unreadable += 1
                continue
            period = "" if at.period is None else str(value_at(item, at.period, ""))
            totals[customer, currency, period] += units
        if (following := _cursor(body, at.next)) is None:
            break
        cursor = go_on(before, following, "platform")
    return Sums(totals=dict(totals), unreadable=unreadable)


async def processor_sums(session: BillingSession, since: int) -> Sums:
    """Read the processor's sums out of its objects; raises CannotGoOn."""
    totals: Counter[TotalKey] = Counter()
    unreadable = 0
    for kind in session.wire.sums:
        cursor, before, counted = "", {""}, set[str]()
        for _ in range(_MAX_PAGES):
            session.stay_in_window()
            body = await session.read_exact("processor", session.wire.sums_call(kind, since, cursor))
            try:
                page = session.wire.read_sums(kind, body)
            except UnreadableAnswer as error:
                raise CannotGoOn("processor", str(error), after=None) from error
            ids = repeat(None) if page.ids is None else page.ids
            for object_id, (key, units) in zip(ids, page.amounts, strict=False):
                if object_id in counted:
                    continue
                totals[key] += units
                if object_id is not None:
                    counted.add(object_id)
            unreadable += page.unreadable
            if page.next is None:
                break
            cursor = go_on(before, page.next, "processor")
    return Sums(totals=dict(totals), unreadable=unreadable)


def go_on(before: set[str], following: str, side: Literal["processor", "platform"]) -> str:
    """Return the cursor of the next page, and add it to those before; raises CannotGoOn where it is one of them."""
    if following in before:
        raise CannotGoOn(side, "goes on from the same cursor for ever", after=None)
    before.add(following)
    return following


def _rendered(session: BillingSession, at: Any, values: Values) -> OutboundRequest:  # noqa: ANN401 - a template
    try:
        return render_call(at, "GET", values, org_id=session.org_id)
    except UnfitValue as error:
        raise CannotGoOn("platform", f"cannot be asked for its sums: {error}", after=None) from error


def _items(body: Any, pointer: str) -> list[Any]:  # noqa: ANN401 - JSON is anything
    try:
        return items_of(body, pointer)
    except UnreadableAnswer as error:
        raise CannotGoOn("platform", str(error), after=None) from error


def _cursor(body: Any, pointer: str | None) -> str | None:  # noqa: ANN401 - JSON is anything
    try:
        return cursor_of(body, pointer)
    except UnreadableAnswer as error:
        raise CannotGoOn("platform", str(error), after=None) from error
