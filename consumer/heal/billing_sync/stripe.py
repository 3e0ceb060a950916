"""Stripe's wire: lists by `starting_after` and `has_more`, the newest first; events of 30 days. Pure."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from consumer.catalog.billing import StripeAccount, SumList
from consumer.heal.billing_sync.money import UnreadableAmount
from consumer.heal.billing_sync.wire import (
    EventPage,
    SumPage,
    UnreadableAnswer,
    amount_of,
    events_of,
    items_of,
    moment,
    oldest_of,
    period_of,
)
from consumer.model import Json
from consumer.model.call import OutboundRequest
from schemas.json_value import value_at

PAGE: Final = 100
"""The longest page that there is."""
_EVENT: Final = {
    "id": "/id",
    "type": "/type",
    "created": "/created",
    "object_id": "/data/object/id",
    "object_type": "/data/object/object",
    "picture": "/data/object",
}
_LISTS_ALL: Final = {"subscription": ("status", "all")}
"""What a list leaves out unless it is asked for all: cancelled subscriptions."""


class StripeWire:
    """What to ask Stripe, and what its answers say."""

    def __init__(self, account: StripeAccount, org_id: UUID) -> None:
        self._account = account
        self._org_id = org_id

    @property
    def sums(self) -> Sequence[str]:
        """The types of objects that the sums are made of."""
        return tuple(self._account.sums)

    def events_call(self, since: int, until: int | None, cursor: str) -> OutboundRequest:
        """Return the call for a page of the events that were not delivered."""
        query = [("limit", str(PAGE)), ("delivery_success", "false"), ("created[gte]", str(since))]
        query += [("created[lte]", str(until))] if until is not None else []
        return self._get("events", query, cursor)

    def read_events(self, body: Json) -> EventPage:
        """Read such a page."""
        items = items_of(body, "/data")
        events, unreadable = events_of(items, _EVENT, self._account)
        oldest = oldest_of(items, _EVENT["created"])
        return EventPage(events=tuple(events), unreadable=unreadable, oldest=oldest, next=_next(body, items))

    def object_call(self, kind: str, object_id: str) -> OutboundRequest | None:
        """Return the call for an object as it is now."""
        path = self._account.path_of(kind)
        return None if path is None else self._get(f"{path}/{quote(object_id, safe='')}", [], "")

    def sums_call(self, kind: str, since: int, cursor: str) -> OutboundRequest:
        """Return the call for a page of the objects of a type that were made since."""
        query = [("limit", str(PAGE)), ("created[gte]", str(since))]
        query += [_LISTS_ALL[kind]] if kind in _LISTS_ALL else []
        return self._get(self._account.path_of(kind) or kind, query, cursor)

    def read_sums(self, kind: str, body: Any) -> SumPage:  # noqa: ANN401 - JSON with exact decimals
        """Read such a page."""
        items, counted = items_of(body, "/data"), self._account.sums[kind]
        at = SumList.model_construct(customer=counted.customer, currency="/currency", amount=counted.amount)
        amounts, ids, unreadable = [], [], 0
        for item in items:
            created, object_id = moment(value_at(item, "/created", None)), value_at(item, "/id", None)
            try:
                customer, currency, units = amount_of(item, at)
            except UnreadableAmount:
                created = None
            if created is None or not isinstance(object_id, str):
                unreadable += 1
                continue
            key = customer, currency, period_of(created, self._account)
            amounts.append((key, -units if counted.minus else units))
            ids.append(object_id)
        return SumPage(amounts=tuple(amounts), ids=tuple(ids), unreadable=unreadable, next=_next(body, items))

    def _get(self, path: str, query: list[tuple[str, str]], cursor: str) -> OutboundRequest:
        # No `Stripe-Version`: each event is told in the version in which it was made, and objects in the account's own.
        pairs = [*query, *([("starting_after", cursor)] if cursor else [])]
        asked = f"?{urlencode(pairs)}" if pairs else ""
        return OutboundRequest(
            method="GET",
            url=f"{self._account.url}/v1/{path}{asked}",
            headers=tuple(self._account.headers.items()),
            org_id=self._org_id,
        )


def _next(body: Any, items: list[Any]) -> str | None:  # noqa: ANN401 - JSON is anything
    more = value_at(body, "/has_more", None)
    if more is False:
        return None
    last = value_at(items[-1], "/id", None) if items and more is True else None
    if not isinstance(last, str):
        raise UnreadableAnswer("does not say where its list ends or goes on")
    return last
