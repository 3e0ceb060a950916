"""A processor that the catalog describes by templates. Pure."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from consumer.catalog.billing import DescribedAccount
from consumer.heal.billing_sync.money import UnreadableAmount
from consumer.heal.billing_sync.wire import (
    EventPage,
    SumPage,
    amount_of,
    cursor_of,
    events_of,
    items_of,
    moment,
    oldest_of,
    period_of,
)
from consumer.model import Json
from consumer.model.call import OutboundRequest
from consumer.runners.templates import Values, render_call
from schemas.json_value import value_at


class DescribedWire:
    """What to ask a described processor, and what its answers say."""

    def __init__(self, account: DescribedAccount, org_id: UUID) -> None:
        self._account = account
        self._org_id = org_id

    @property
    def sums(self) -> Sequence[str]:
        """The types of objects that the sums are made of."""
        return tuple(self._account.sums)

    def events_call(self, since: int, until: int | None, cursor: str) -> OutboundRequest:  # noqa: ARG002 - as Wire
        """Return the call for a page of events; where it goes on from is `since` and the cursor alone."""
        values: Values = {"since": since, "cursor": cursor, "org_id": str(self._org_id)}
        return render_call(self._account.events, "GET", values, org_id=self._org_id)

    def read_events(self, body: Json) -> EventPage:
        """Read such a page."""
        at = self._account.events
        names = {"id": at.id, "type": at.type, "created": at.created}
        names |= {"object_id": at.object_id, "object_type": at.object_type}
        items = items_of(body, at.items)
        events, unreadable = events_of(items, names, self._account)
        oldest = oldest_of(items, at.created)
        return EventPage(events=tuple(events), unreadable=unreadable, oldest=oldest, next=cursor_of(body, at.next))

    def object_call(self, kind: str, object_id: str) -> OutboundRequest | None:
        """Return the call for an object as it is now."""
        values = {"object_id": object_id, "object_type": kind, "org_id": str(self._org_id)}
        return render_call(self._account.object, "GET", values, org_id=self._org_id)

    def sums_call(self, kind: str, since: int, cursor: str) -> OutboundRequest:
        """Return the call for a page of the objects of a type that were made since."""
        values: Values = {"since": since, "cursor": cursor, "org_id": str(self._org_id)}
        return render_call(self._account.sums[kind], "GET", values, org_id=self._org_id)

    def read_sums(self, kind: str, body: Any) -> SumPage:  # noqa: ANN401 - JSON with exact decimals
        """Read such a page."""
        at = self._account.sums[kind]
        amounts, unreadable = [], 0
        for item in items_of(body, at.items):
            created = moment(value_at(item, at.created, None))
            try:
                customer, currency, units = amount_of(item, at)
            except UnreadableAmount:
                created = None
            if created is None:
                unreadable += 1
                continue
            key = customer, currency, period_of(created, self._account)
            amounts.append((key, -units if at.minus else units))
        return SumPage(amounts=tuple(amounts), unreadable=unreadable, next=cursor_of(body, at.next))
