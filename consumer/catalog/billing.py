"""Declaration of billing accounts: where the processor's truth is read, and how the platform is brought into step.

The processor is only ever read. What it says is applied through the platform's own handler, by event id; the sums of
both sides then have to be equal. Pure.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field, model_validator

from consumer.catalog.access import Organisations, among
from consumer.catalog.declared import Declared
from consumer.catalog.runners.checks import Address, SentHeaders, fault, secrets_in
from consumer.catalog.runners.http import CallTemplate
from consumer.catalog.schema_autofix import Pointer
from consumer.catalog.templates import Placeholder, read_url

EVENTS_LAST: Final = timedelta(days=30)
"""How far back Stripe lists events."""
MOVES_MONEY: Final = ("refund.*", "charge.refund*", "credit_note.*", "payout.*", "transfer.*", "topup.*")
"""Types of events that a platform's handler may answer by moving money itself; each needs a person's yes."""
STRIPE_LISTS: Final[Mapping[str, str]] = {
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "coupon": "coupons",
    "credit_note": "credit_notes",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "invoiceitem": "invoiceitems",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "payout": "payouts",
    "plan": "plans",
    "price": "prices",
    "product": "products",
    "quote": "quotes",
    "refund": "refunds",
    "setup_intent": "setup_intents",
    "subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
    "topup": "topups",
    "transfer": "transfers",
}
"""Where Stripe has the objects of a type, below `/v1/`."""
ObjectType: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Unit: TypeAlias = Literal["minor", "major"]
"""`minor`: whole cents (or yen, or fils); `major`: a decimal text, such as "12.30"."""
_OBJECT: Final = frozenset({"object_id", "object_type", "org_id"})
_EVENT: Final = _OBJECT | {"event_id", "event_type"}
_DOCUMENTS: Final = frozenset({"event", "object"})


class PlatformLook(CallTemplate):
    """Template of a look at what the platform has: 2xx says that it is there, 404 or 410 that it is not."""

    places: ClassVar[frozenset[str]] = _EVENT
    demanded: ClassVar[frozenset[str]] = frozenset({"event_id"})
    body: None = None


class ObjectLook(CallTemplate):
    """Template of a look at one object, on either side: 404 or 410 says that it is deleted."""

    places: ClassVar[frozenset[str]] = _OBJECT
    demanded: ClassVar[frozenset[str]] = frozenset({"object_id"})
    body: None = None


class _DocumentCall(CallTemplate):
    method: Literal["POST", "PUT", "PATCH"] = "POST"

    @classmethod
    def _check_places(cls, places: tuple[Placeholder, ...] | list[Placeholder], path: tuple[int | str, ...]) -> None:
        for place in places:
            if place.name in _DOCUMENTS & cls.places:
                fault(f"`{{{place.name}}}` is a whole document: it stands alone in the body", *path)
        super()._check_places(places, path)


class ApplyCall(_DocumentCall):
    """Template of the call that hands an event to the platform's own handler, which knows it again by its id."""

    places: ClassVar[frozenset[str]] = _EVENT | _DOCUMENTS
    demanded: ClassVar[frozenset[str]] = frozenset({"event_id"})


class RefreshCall(_DocumentCall):
    """Template of the call that gives the platform an object as it is now; `key` is of the object and its state."""

    places: ClassVar[frozenset[str]] = _OBJECT | {"object", "key"}
    demanded: ClassVar[frozenset[str]] = frozenset({"object_id", "key"})


class ListTemplate(CallTemplate):
    """Template of a list that is read page by page: times in seconds since 1970, the first page's `cursor` empty."""

    places: ClassVar[frozenset[str]] = frozenset({"since", "cursor", "org_id"})
    demanded: ClassVar[frozenset[str]] = frozenset()
    body: None = None
    items: Pointer = ""
    """Where the list stands in an answer."""
    next: Pointer | None = None
    """Where the cursor of the next page stands; null, empty or absent after the last one. None: there is one page."""

    @model_validator(mode="after")
    def _check_paging(self) -> Self:
        if (self.next is None) == ("cursor" in self.used):
            fault("a list of pages has `{cursor}` in its call, and `next`; one of a single page neither", "next")
        return self


class SumList(ListTemplate):
    """A list of amounts: the platform's sums, or the processor's objects of one type."""

    customer: Pointer
    currency: Pointer
    amount: Pointer
    unit: Unit = "minor"


class TotalsList(SumList):
    """The platform's sums by customer, currency and period."""

    period: Pointer | None = None
    """Where the period stands, as `2026-11` or `2026-11-30`; not needed where the account has only one."""


class ObjectsList(SumList):
    """The processor's objects of one type, for the sums."""

    created: Pointer
    minus: bool = False
    """Its amounts are taken off, as those of refunds and credit notes."""


class EventList(ListTemplate):
    """The processor's list of events that were not delivered, the newest first."""

    id: Pointer
    created: Pointer
    """Seconds since 1970, or RFC 3339."""
    type: Pointer
    object_id: Pointer
    object_type: Pointer


class Platform(Declared):
    """The platform's own side: its handler, and what it says it has."""

    event: PlatformLook
    """Whether an event was applied: asked before each call to the handler, and after it."""
    apply: ApplyCall
    object: ObjectLook | None = None
    """An object as the platform has it, to be compared by `compare`."""
    refresh: RefreshCall | None = None
    """Gives it an object as it is now, where an applied event left another state than the newest."""
    totals: TotalsList

    @property
    def templates(self) -> Iterator[CallTemplate]:
        """All its calls."""
        yield from filter(None, (self.event, self.apply, self.object, self.refresh, self.totals))


class ComparedMember(Declared):
    """A member of an object that has to be the same on both sides."""

    theirs: Pointer
    ours: Pointer


class BillingAccountBase(Declared):
    """What every kind of account declares."""

    organisations: Organisations = "*"
    platform: Platform
    compare: Annotated[tuple[ComparedMember, ...], Field(max_length=32)] = ()
    types: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)] = ("*",)
    """Types of events, or patterns, that the platform's handler is for; all others are passed over."""
    money: Annotated[tuple[str, ...], Field(max_length=64)] = MOVES_MONEY
    """Types of events, or patterns, that are applied only after a person's yes."""
    period: Literal["month", "day", "all"] = "month"
    """What the sums are told by, in UTC."""
    window: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=400))] = EVENTS_LAST
    """How far back events are asked for."""
    overlap: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=5)
    """How far behind its cursor a reading goes on: times have seconds, and events come out of order."""
    settle: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(seconds=5)
    """Time before sums that differ are read again: the platform, or the processor, may write beside."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)
    response_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 8 * 1024 * 1024

    @model_validator(mode="after")
    def _check_comparison(self) -> Self:
        if bool(self.compare) != (self.platform.object is not None):
            fault("`compare` and the platform's `object` go together: one is of no use without the other", "compare")
        return self

    def is_wanted(self, event_type: object) -> bool:
        """Return whether an event is one for the platform's handler; what has no readable type counts as one."""
        return not isinstance(event_type, str) or any(fnmatchcase(event_type, one) for one in self.types)

    def moves_money(self, event_type: str) -> bool:
        """Return whether an event is applied only after a person's yes."""
        return any(fnmatchcase(event_type, one) for one in self.money)

    @property
    def platform_secrets(self) -> frozenset[str]:
        """The names of the secrets that the platform's calls refer to."""
        return frozenset().union(*(one.secrets for one in self.platform.templates))


class StripeObjects(Declared):
    """Objects of one type that count for the sums."""

    amount: Pointer
    """Where the amount stands in the object, in minor units: `/amount_paid`."""
    customer: Pointer = "/customer"
    minus: bool = False
    """Its amounts are taken off, as those of refunds and credit notes."""


class StripeAccount(BillingAccountBase):
    """An account at Stripe, or at what speaks as Stripe does."""

    kind: Literal["stripe"]
    url: Address = "https://api.stripe.com"
    headers: SentHeaders = Field(default_factory=dict)
    """Its credential: `authorization: Bearer secret://NAME`."""
    sums: Annotated[dict[ObjectType, StripeObjects], Field(min_length=1)]
    """What the sums are made of, by type."""
    paths: dict[ObjectType, str] = Field(default_factory=dict)
    """Where objects of further types are, below `/v1/`."""

    @model_validator(mode="after")
    def _check_sums(self) -> Self:
        if self.window > EVENTS_LAST:
            fault("Stripe lists the events of 30 days", "window")
        for kind in self.sums:
            if self.path_of(kind) is None:
                fault("give its list under `paths`: it is none of the types that are known", "sums", kind)
        return self

    def path_of(self, kind: str) -> str | None:
        """Return where objects of a type are; None where that is not known."""
        return self.paths.get(kind) or STRIPE_LISTS.get(kind)

    @property
    def address(self) -> str:
        """Where its calls go."""
        return self.url

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        return secrets_in(self.headers) | self.platform_secrets


class DescribedAccount(BillingAccountBase):
    """An account at a processor that is described by templates."""

    kind: Literal["http"]
    events: EventList
    object: ObjectLook
    sums: Annotated[dict[ObjectType, ObjectsList], Field(min_length=1)]

    @property
    def address(self) -> str:
        """Where its calls go."""
        return read_url(self.events.url).origin

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that its calls refer to."""
        lists = (one.secrets for one in self.sums.values())
        return self.events.secrets.union(self.object.secrets, self.platform_secrets, *lists)


BillingAccount: TypeAlias = Annotated[StripeAccount | DescribedAccount, Field(discriminator="kind")]


def account_of(accounts: Mapping[str, BillingAccount], org_id: UUID) -> tuple[str, BillingAccount] | None:
    """Return an organisation's account among those of an entry: the first that it may use."""
    return next(((name, one) for name, one in accounts.items() if among(org_id, one.organisations)), None)
