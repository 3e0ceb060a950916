"""The demo's failures, each with its expected outcome: input and oracle of the demo."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from consumer.demo.organisations import Organisations
from consumer.demo.world import World
from consumer.model import JsonObject
from schemas.names import Code, Result, Status, StrategyName

SECRET: Final = "Bearer demo-7Qx2vK9pLm4RtY8s"  # noqa: S105 - the demo's bait: it must appear nowhere
ORDERED: Final[JsonObject] = {"json": [{"path": "/state", "equals": "booked"}]}


class EventForm(Enum):
    """How a failure reaches the healer."""

    STRUCTURED = "structured"  # a CloudEvent in the record's value
    BINARY = "binary"  # a CloudEvent with its attributes in the record's headers
    BARE = "bare"  # the event's data alone
    MEMBER = "member"  # a row that a signed-in member inserts into PostgreSQL, without Kafka


class Wave(Enum):
    """When a failure is sent."""

    FIRST = 1  # at the start
    CRASH = 2  # its heal is under way when the consumer is killed
    AFTER = 3  # together with the new consumer


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Expected final status of a failure, and expected content of its last attempt."""

    status: Status
    result: Result
    strategy: StrategyName = StrategyName.AUTO_RETRY
    code: Code | None = None
    missing: tuple[str, ...] = ()
    says: str = ""
    """Substring of the attempt's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One failure of the demo, with how and when it is sent and its expected outcome."""

    name: str
    """Name of its workflow, unique among the cases."""
    org_id: UUID
    reason: str
    context: JsonObject
    expected: Expected
    way: EventForm = EventForm.STRUCTURED
    wave: Wave = Wave.FIRST
    deliveries: int = 1
    effects: tuple[str, ...] = ()
    """Effects that the world must have seen exactly once at the end."""


HEALED: Final = Expected(status=Status.RESOLVED, result=Result.SUCCESS)
NOT_HEALED: Final = Expected(status=Status.GIVEN_UP, result=Result.FAILED, code=Code.NOT_HEALED)


def demo_cases(world: World, organisations: Organisations) -> tuple[Case, ...]:
    """Return every failure of the demo."""
    org_id = organisations.paying
    return (
        *_reads_to_heal(world, org_id),
        *_effects_to_heal(world, org_id),
        *_unhealable(world, org_id),
        *_to_refuse(world, organisations),
        *_unrecorded(org_id),
        *_repairs(org_id),
        *_to_interrupt(world, org_id),
    )


def effects_of(cases: Iterable[Case]) -> tuple[str, ...]:
    """Return all effects that the world must have seen."""
    return tuple(effect for case in cases for effect in case.effects)


def _reads_to_heal(world: World, org_id: UUID) -> tuple[Case, ...]:
    return (
        Case(
            name="search.products",
            org_id=org_id,
            reason="Request timeout after 30 s: GET /products/lamps",
            context=_read_request(world, "search", "/products/lamps"),
            expected=HEALED,
            deliveries=2,
        ),
        Case(
            name="rates.daily",
            org_id=org_id,
            reason="Upstream timeout: GET /rates/daily",
            context=_read_request(world, "rates", "/rates/daily"),
            expected=HEALED,
            way=EventForm.BARE,
        ),
        Case(
            name="quotas.monthly",
            org_id=org_id,
            reason="Upstream timeout: GET /quotas/monthly",
            context=_read_request(world, "quotas", "/quotas/monthly"),
            expected=HEALED,
        ),
        Case(
            name="search.later",
            org_id=org_id,
            reason="Request timeout after 30 s: GET /products/chairs",
            context=_read_request(world, "search", "/products/chairs"),
            expected=HEALED,
            wave=Wave.AFTER,
        ),
    )


def _effects_to_heal(world: World, org_id: UUID) -> tuple[Case, ...]:
    return (
        Case(
            name="orders.place",
            org_id=org_id,
            reason="Gateway timeout: POST /orders",
            context=_keyed_request(world, "orders", "order-1001")
            | {"resume": {"url": world.url("runs", "/runs/run-1001")}},
            expected=HEALED,
            way=EventForm.BINARY,
            effects=("orders:order-1001", "runs:run-1001"),
        ),
        Case(
            name="guests.notify",
            org_id=org_id,
            reason="Connect timeout, then ECONNREFUSED: POST /notifications",
            context=_unkeyed_request(world, "notifications", "guest-12") | {"error": {"code": "ECONNREFUSED"}},
            expected=HEALED,
            way=EventForm.BARE,
            effects=("notifications:guest-12",),
        ),
        Case(
            name="concierge.table",
            org_id=org_id,
            reason="Concierge could not book the table for room 12: HTTP 503",
            context=_keyed_request(world, "orders", "table-12"),
            expected=HEALED,
            way=EventForm.BINARY,
            effects=("orders:table-12",),
        ),
        Case(
            name="orders.recorded",
            org_id=org_id,
            reason="Timeout while ordering, recorded by a member",
            context=_keyed_request(world, "orders", "order-2002"),
            expected=HEALED,
            way=EventForm.MEMBER,
            effects=("orders:order-2002",),
        ),
    )


def _unhealable(world: World, org_id: UUID) -> tuple[Case, ...]:
    shape: JsonObject = {"schema": {"type": "object", "properties": {"items": {"type": "array"}}}}
    return (
        Case(
            name="prices.lying",
            org_id=org_id,
            reason="Timeout while reading the price list",
            context=_read_request(world, "prices", "/prices"),
            expected=Expected(status=Status.GIVEN_UP, result=Result.FAILED, code=Code.UNVERIFIED, says="`error`"),
        ),
        Case(
            name="stock.lying",
            org_id=org_id,
            reason="Timeout while reading the stock",
            context=_read_request(world, "stock", "/stock", expect=shape),
            expected=NOT_HEALED,
        ),
        Case(
            name="archive.dead",
            org_id=org_id,
            reason="Timeout while reading the archive",
            context=_read_request(world, "archive", "/archive"),
            expected=NOT_HEALED,
        ),
    )


def _to_refuse(world: World, organisations: Organisations) -> tuple[Case, ...]:
    org_id = organisations.paying
    secret = _read_request(world, "search", "/products/desks", headers={"Authorization": SECRET})
    named = ("context.request.method", "context.request.url")
    return (
        Case(
            name="search.nameless",
            org_id=org_id,
            reason="Request timeout, and nobody said of what",
            context={},
            expected=_refusal(Code.MISSING_CONTEXT, missing=named),
        ),
        Case(
            name="search.secret",
            org_id=org_id,
            reason="Request timeout: GET /products/desks",
            context=secret,
            expected=_refusal(Code.REFUSED, says="/context/request/headers/Authorization was redacted"),
        ),
        Case(
            name="receipts.sent",
            org_id=org_id,
            reason="Read timeout: POST /receipts",
            context=_unkeyed_request(world, "receipts", "receipt-7") | {"error": {"type": "httpx2.ReadTimeout"}},
            expected=_refusal(Code.REFUSED, says="may already have had its effect"),
            effects=("receipts:receipt-7",),
        ),
        Case(
            name="reports.unpaid",
            org_id=organisations.poor,
            reason="Timeout while building the report",
            context=_read_request(world, "rates", "/rates/unpaid"),
            expected=Expected(status=Status.DEFERRED, result=Result.FAILED, code=Code.INSUFFICIENT_CREDITS),
        ),
    )


def _unrecorded(org_id: UUID) -> tuple[Case, ...]:
    rewrite = StrategyName.WORKFLOW_REWRITE
    return (
        Case(
            name="nightly.export",
            org_id=org_id,
            reason="The nightly export ended early",
            context={"workflow": {"version": "7"}},
            expected=_refusal(Code.MISSING_CONTEXT, strategy=rewrite, missing=("context.workflow.failing_run",)),
        ),
    )


def _repairs(org_id: UUID) -> tuple[Case, ...]:
    run: JsonObject = {"id": "run-inv-7", "step": "book"}
    mended: JsonObject = {"invoiceId": "inv-7", "amount": "129", "status": " Paid "}
    twofold: JsonObject = {"invoiceId": "inv-8", "invoice-id": "inv-9", "amount": 12, "status": "open"}
    autofix = StrategyName.SCHEMA_AUTOFIX
    return (
        Case(
            name="invoices.book",
            org_id=org_id,
            reason="Validation failed: '129' is not of type 'integer'",
            context={"run": run, "payload": mended},
            expected=Expected(status=Status.RESOLVED, result=Result.SUCCESS, strategy=autofix),
            effects=("engine:run-inv-7",),
        ),
        Case(
            name="invoices.twofold",
            org_id=org_id,
            reason="Validation failed: 'invoice_id' is a required property",
            context={"run": run | {"id": "run-inv-8"}, "payload": twofold},
            expected=_refusal(Code.REFUSED, strategy=autofix, says="ambiguous"),
        ),
        Case(
            name="invoices.fields",
            org_id=org_id,
            reason="Validation failed: 'amount' is a required property",
            context={"run": {"id": "run-inv-10"}},
            expected=_refusal(Code.MISSING_CONTEXT, strategy=autofix, missing=("context.payload", "context.run.step")),
        ),
    )


def _to_interrupt(world: World, org_id: UUID) -> tuple[Case, ...]:
    return (
        Case(
            name="transfers.payout",
            org_id=org_id,
            reason="Timeout: POST /transfers",
            context=_keyed_request(world, "transfers", "payout-5"),
            expected=HEALED,
            wave=Wave.CRASH,
            effects=("transfers:payout-5",),
        ),
        Case(
            name="texts.confirm",
            org_id=org_id,
            reason="Connect timeout: POST /texts",
            context=_unkeyed_request(world, "texts", "text-5") | {"error": {"code": "ECONNREFUSED"}},
            expected=Expected(status=Status.NEEDS_PERSON, result=Result.UNKNOWN, code=Code.INTERRUPTED),
            wave=Wave.CRASH,
            effects=("texts:text-5",),
        ),
    )


def _refusal(
    code: Code,
    *,
    strategy: StrategyName = StrategyName.AUTO_RETRY,
    missing: tuple[str, ...] = (),
    says: str = "",
) -> Expected:
    return Expected(
        status=Status.GIVEN_UP, result=Result.FAILED, strategy=strategy, code=code, missing=missing, says=says
    )


def _read_request(
    world: World,
    service: str,
    path: str,
    *,
    headers: JsonObject | None = None,
    expect: JsonObject | None = None,
) -> JsonObject:
    request: JsonObject = {"method": "GET", "url": world.url(service, path), "headers": headers or {}}
    return {"request": request | ({"expect": expect} if expect else {})}


def _keyed_request(world: World, service: str, reference: str) -> JsonObject:
    request: JsonObject = {
        "method": "POST",
        "url": world.url(service, f"/{service}"),
        "body": {"reference": reference},
        "idempotency_key": f"demo-{reference}",
        "expect": ORDERED,
    }
    return {"request": request}


def _unkeyed_request(world: World, service: str, reference: str) -> JsonObject:
    request: JsonObject = {
        "method": "POST",
        "url": world.url(service, f"/{service}"),
        "body": {"reference": reference},
    }
    return {"request": request}
