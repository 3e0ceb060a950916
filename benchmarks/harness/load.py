"""The loads: distinct failures of fifty organisations, the catalog that admits them, and what must come of them."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final
from uuid import UUID, uuid5

import orjson

from consumer.catalog import Catalog, parse_catalog
from consumer.ingest.decode import event_failure_id
from consumer.model import FailureId

ORGANISATIONS: Final = 50
BUDGET_AUD: Final = 1_000
_SPACE: Final = UUID("3f0e9d52-8a56-4d3c-9c55-0d5b1b4f8a11")
_SOURCES: Final = ("urn:orders", "urn:bookings", "urn:ledger")
_WORKFLOWS: Final = (
    "orders.sync", "orders.export", "invoices.create", "bookings.confirm", "crm.update", "mail.digest",
    "assets.publish", "reports.nightly", "concierge.request", "ledger.close", "stock.import", "anything.else",
)  # fmt: skip
_REASONS: Final = (
    "POST https://api{0}.example.com/v1/{1}: Timeout of 30000 ms exceeded while waiting for response headers",
    "upstream request timeout: {1} did not answer within 30 s (attempt 3 of 3, connection api{0}:443)",
    "Concierge action {1} ended with 503 Service Unavailable from api{0}.example.com",
    "httpx.ReadTimeout: read timeout of 10.0 s on api{0}.example.com in step {1}",
)

CATALOG: Final = "version: 1\nsources:\n" + "".join(
    f"- {{source: '{source}', organisations: '*'}}\n" for source in _SOURCES
) + "workflows:\n" + "".join(
    f"- name: '{name}'\n  hosts: [{{host: '*.example.com'}}]\n"
    for name in (
        *("orders.*", "invoices.*", "bookings.*", "crm.*", "mail.*", "assets.*", "reports.*", "concierge.*"),
        *("ledger.*", "stock.*", "*"),
    )
)  # fmt: skip


def catalog() -> Catalog:
    """Parse the catalog of the load."""
    return parse_catalog(CATALOG, "the benchmark's catalog")


@cache
def organisations() -> tuple[UUID, ...]:
    """Name the organisations."""
    return tuple(uuid5(_SPACE, f"organisation {number}") for number in range(ORGANISATIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an event asks of its heal, where heals do as they are told."""

    ms: float = 0.0
    """How long it takes."""
    scope: str | None = None
    """What it acts on, within the organisation; None for a scope that no other event has."""
    hangs: bool = False
    """It does not end before it is stopped."""
    minutes: float = 0.0
    """How long it is suspended before it ends."""

    def told(self) -> dict[str, object]:
        """Give it as it stands in an event's context."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a load; its number makes it distinct."""

    number: int
    organisation: int
    """Counts through `organisations()`."""
    work: Work | None = None
    record_key: str | None = None
    """The Kafka record's key; None for the run's id."""

    @property
    def key(self) -> bytes:
        """The record's key."""
        return (self.record_key or f"run-{self.number}").encode()

    @property
    def value(self) -> bytes:
        """The record's value: a CloudEvent, structured, 600 to 900 bytes."""
        return orjson.dumps(_event(self.number, self._org_id, self._source, self.work))

    @property
    def failure(self) -> FailureId:
        """The failure that it must become."""
        return event_failure_id(self._org_id, self._source, f"event-{self.number}")

    @property
    def _org_id(self) -> UUID:
        return organisations()[self.organisation]

    @property
    def _source(self) -> str:
        return _SOURCES[self.number % len(_SOURCES)]


def plain(count: int, first: int = 0) -> Iterator[Event]:
    """Give events of all organisations in turn, each with a scope of its own."""
    return (Event(number=number, organisation=number % ORGANISATIONS) for number in range(first, first + count))


def events(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Give key and value of each plain event."""
    return ((event.key, event.value) for event in plain(count))


def failures_of(load: Iterable[Event]) -> frozenset[FailureId]:
    """Name the failure that each event must become."""
    return frozenset(event.failure for event in load)


def _event(number: int, org: UUID, source: str, work: Work | None) -> dict[str, object]:
    workflow = _WORKFLOWS[number % len(_WORKFLOWS)]
    action = workflow.partition(".")[2]
    headers = {"content-type": "application/json", "accept": "application/json"}
    if number % 4 == 0:
        headers["authorization"] = "secret://orders-api"
    request = {
        "method": "POST",
        "url": f"https://api{number % 7}.example.com/v1/{action}/{number}",
        "headers": headers,
        "body": {"reference": f"ref-{number:08d}", "quantity": number % 90, "note": "as agreed " * (number % 20)},
        "effect": "keyed",
        "idempotency_key": f"{action}-{number}",
    }
    context = {
        "error": {"type": "TimeoutError", "http_status": 504, "provider": f"api{number % 7}"},
        "run": {"id": f"run-{number}", "epoch": 1, "step": action},
        "request": request,
        **({"work": work.told()} if work else {}),
    }
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": source,
        "type": "workflow.failure.v1",
        "datacontenttype": "application/json",
        "data": {
            "org_id": str(org),
            "workflow_name": workflow,
            "failure_reason": _REASONS[number % len(_REASONS)].format(number % 7, action),
            "context": context,
        },
    }
