"""What a processor's wire says: its events, objects and amounts, and the calls that ask for them. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from consumer.catalog.billing import BillingAccount, SumList
from consumer.heal.billing_sync.money import UnreadableAmount, currency_of, minor_units
from consumer.model import Json
from consumer.model.call import OutboundRequest
from schemas.json_value import value_at
from schemas.value import value

_MAX_NAME = 255
TotalKey: TypeAlias = tuple[str, str, str]
"""Customer, currency and period."""


class UnreadableAnswer(ValueError):
    """An answer does not have the form that its kind of processor has; the message does not quote it."""


@value(frozen=True, slots=True, kw_only=True)
class BillingEvent:
    """One event as the processor tells it, in the version in which it was made."""

    id: str
    type: str
    created: int
    """Seconds since 1970."""
    object_id: str
    """What it is about; empty where that has no id of its own, as a balance: then it cannot be read again."""
    object_type: str
    document: Json
    picture: Json = None
    """What it is about, as the event itself shows it; none where the processor's wire does not say where."""


@value(frozen=True, slots=True, kw_only=True)
class EventPage:
    """One page of events, the newest first."""

    events: tuple[BillingEvent, ...]
    unreadable: int
    """Items of the page that are no events as they should be."""
    oldest: int | None
    """When the last one of the page was made."""
    next: str | None


@value(frozen=True, slots=True, kw_only=True)
class SumPage:
    """What one page adds to the sums."""

    amounts: tuple[tuple[TotalKey, int], ...]
    ids: tuple[str, ...] | None = None
    """Whose amounts they are, in the same order: what stands on two pages counts once. None: it is not told."""
    unreadable: int
    next: str | None


class Wire(Protocol):
    """A processor: what to ask it (raises UnfitValue), and what its answers say (raises UnreadableAnswer)."""

    @property
    def sums(self) -> Sequence[str]:
        """The types of objects that the sums are made of."""
        ...

    def events_call(self, since: int, until: int | None, cursor: str) -> OutboundRequest:
        """Return the call for a page of the events that were not delivered, from `since` on and up to `until`."""
        ...

    def read_events(self, body: Json) -> EventPage:
        """Read such a page."""
        ...

    def object_call(self, kind: str, object_id: str) -> OutboundRequest | None:
        """Return the call for an object as it is now; None where it is not known where objects of its type are."""
        ...

    def sums_call(self, kind: str, since: int, cursor: str) -> OutboundRequest:
        """Return the call for a page of the objects of a type that were made since."""
        ...

    def read_sums(self, kind: str, body: Any) -> SumPage:  # noqa: ANN401 - JSON with exact decimals
        """Read such a page."""
        ...


def events_of(items: Sequence[Json], at: Mapping[str, str], account: BillingAccount) -> tuple[list[BillingEvent], int]:
    """Return the events among the items of a list that the platform is to have, and how many cannot be read."""
    wanted = [item for item in items if account.is_wanted(value_at(item, at["type"], None))]
    events = [event_of(item, at) for item in wanted]
    return [one for one in events if one is not None], events.count(None)


def oldest_of(items: Sequence[Json], pointer: str) -> int | None:
    """Return when the oldest item of a list was made."""
    return min((at for item in items if (at := moment(value_at(item, pointer, None))) is not None), default=None)


def event_of(item: Json, at: Mapping[str, str]) -> BillingEvent | None:
    """Return an item of a list as an event, by the pointers to its members; None where it is none."""
    found = {name: value_at(item, pointer, None) for name, pointer in at.items()}
    about, picture = found["object_id"], found.get("picture")
    names = [found[name] for name in ("id", "type", "object_type")]
    if about is not None or not isinstance(picture, dict):
        names.append(about)
    created = moment(found["created"])
    if created is None or not all(isinstance(one, str) and 0 < len(one) <= _MAX_NAME for one in names):
        return None
    if not all(name.isprintable() for name in names):
        return None
    return BillingEvent(
        id=found["id"],
        type=found["type"],
        created=created,
        object_id=about or "",
        object_type=found["object_type"],
        document=item,
        picture=picture,
    )


def moment(said: object) -> int | None:
    """Return a time in seconds since 1970, from that or from RFC 3339; None where it is none."""
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 2**40:
        return said
    if not isinstance(said, str):
        return None
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        return None
    return int(read.timestamp()) if read.tzinfo is not None else None


def period_of(created: int, account: BillingAccount) -> str:
    """Return the period that a moment belongs to, as the sums are told by it."""
    form = {"month": "%Y-%m", "day": "%Y-%m-%d", "all": ""}[account.period]
    return datetime.fromtimestamp(created, UTC).strftime(form)


def period_begins(moment_at: datetime, account: BillingAccount) -> datetime:
    """Return when the period began that a moment lies in: sums are told of whole periods."""
    day = moment_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match account.period:
        case "month":
            return day.replace(day=1)
        case "day":
            return day
        case "all":
            return datetime.fromtimestamp(0, UTC)


def amount_of(item: Any, at: SumList) -> tuple[str, str, int]:  # noqa: ANN401 - JSON with exact decimals
    """Return customer, currency and minor units of an item; raises UnreadableAmount."""
    customer = value_at(item, at.customer, None)
    customer = "" if customer is None else customer
    if not isinstance(customer, str) or len(customer) > _MAX_NAME or not (customer.isprintable() or not customer):
        raise UnreadableAmount("its customer is no name")
    currency = currency_of(value_at(item, at.currency, None))
    return customer, currency, minor_units(value_at(item, at.amount, None), currency, at.unit)


def items_of(body: Any, pointer: str) -> list[Any]:  # noqa: ANN401 - JSON is anything
    """Return the list in an answer; raises UnreadableAnswer."""
    found = value_at(body, pointer, None)
    if not isinstance(found, list):
        raise UnreadableAnswer(f"has no list at {pointer or 'its top'}")
    return found


def cursor_of(body: Any, pointer: str | None) -> str | None:  # noqa: ANN401 - JSON is anything
    """Return the cursor of the next page; None after the last one. Raises UnreadableAnswer."""
    found = None if pointer is None else value_at(body, pointer, None)
    if found is None or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise UnreadableAnswer(f"has no cursor at {pointer}")
    return str(found)
