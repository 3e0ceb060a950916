"""The load: distinct failures of fifty organisations, the catalog that admits them, and what must come of them."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid5

import orjson

from consumer.catalog import Catalog, parse_catalog
from consumer.ingest.decode import event_failure_id
from consumer.model import AttemptId, FailureId, attempt_id

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


def organisations() -> tuple[UUID, ...]:
    """Name the organisations."""
    return tuple(uuid5(_SPACE, f"organisation {number}") for number in range(ORGANISATIONS))


def events(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Give key and value of each event: CloudEvents, structured, 600 to 900 bytes."""
    orgs = organisations()
    for number in range(count):
        org, source = orgs[number % ORGANISATIONS], _SOURCES[number % len(_SOURCES)]
        yield f"run-{number}".encode(), orjson.dumps(_event(number, org, source))


def expected(count: int) -> dict[FailureId, AttemptId]:
    """Name the failure that each event must become, and its one attempt."""
    orgs = organisations()
    ids = (
        event_failure_id(orgs[number % ORGANISATIONS], _SOURCES[number % len(_SOURCES)], f"event-{number}")
        for number in range(count)
    )
    return {failure: attempt_id(failure, 0) for failure in ids}


def _event(number: int, org: UUID, source: str) -> dict[str, object]:
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
