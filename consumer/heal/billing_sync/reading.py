"""Reads the events that were not delivered, from the newest to the oldest, and has each applied that is not known.

The cursor is a time, and not the last event's id: what was listed may be gone when the heal goes on. It goes on a
little above it, for times have seconds and events come out of order; what was read before is known by its id.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

from consumer.heal.billing_sync.applying import Applying, is_over
from consumer.heal.billing_sync.platform import go_on
from consumer.heal.billing_sync.session import BillingSession, CannotGoOn
from consumer.heal.billing_sync.wire import BillingEvent, EventPage, UnreadableAnswer
from consumer.runners.templates import UnfitValue

MOST_PAGES: Final = 10_000


def since_of(session: BillingSession) -> int:
    """Return from when on events are asked for."""
    return max(0, session.state.began - int(session.account.window.total_seconds()))


async def read_events(session: BillingSession) -> None:
    """Make one whole reading, from where the state says on; raises CannotGoOn and WindowOver."""
    applying, cursor, until = Applying(session), "", None
    before = {cursor}
    if session.state.cursor is not None:
        until = session.state.cursor + int(session.account.overlap.total_seconds())
    for _ in range(MOST_PAGES):
        session.stay_in_window()
        page = await _page(session, until, cursor)
        fresh = await _apply_page(session, applying, page)
        ends = page.next is None
        oldest = session.state.cursor if page.oldest is None else page.oldest
        await session.keep(
            cursor=None if ends else oldest,
            fresh=session.state.fresh + fresh,
            unreadable=session.state.unreadable + page.unreadable,
            readings=session.state.readings + ends,
        )
        if page.next is None:
            return
        cursor = go_on(before, page.next, "processor")
    raise CannotGoOn("processor", "lists its events without an end", after=None)


async def _page(session: BillingSession, until: int | None, cursor: str) -> EventPage:
    try:
        call = session.wire.events_call(since_of(session), until, cursor)
        return session.wire.read_events(await session.read("processor", call))
    except (UnreadableAnswer, UnfitValue) as error:
        raise CannotGoOn("processor", str(error), after=None) from error


async def _apply_page(session: BillingSession, applying: Applying, page: EventPage) -> int:
    """Apply the events of a page that are not over; returns how many there were."""
    marks = await session.book.known(session.org_id, session.name, [event.id for event in page.events])
    fresh, seen = 0, set[str]()
    for event in _oldest_first(page.events):
        before = marks.get(event.id)
        if event.id in seen or is_over(session, before):
            continue
        seen.add(event.id)
        session.stay_in_window()
        await applying.apply(event, before)
        fresh += 1
    return fresh


def _oldest_first(events: Sequence[BillingEvent]) -> list[BillingEvent]:
    """Return events in the order in which they happened; those of one second as they are listed, turned round."""
    turned = tuple(reversed(events))
    return sorted(turned, key=attrgetter("created"))


def seconds(moment: datetime) -> int:
    """Return a moment in seconds since 1970."""
    return int(moment.timestamp())
