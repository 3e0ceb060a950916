"""Builds events that carry a text where texts stand, or a value where a request is to send it, and decodes them."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, quote_plus
from uuid import UUID

from consumer.catalog import parse_catalog
from consumer.ingest.decode import AdmissionRules, decode
from consumer.model import DeadLetter, Failure, Record

ORG: Final = UUID("5f3f6d8e-8d0c-4a3e-9d5e-2b1a7f0c9e11")
_CATALOG: Final = "version: 1\nsources:\n- {source: '*', organisations: '*'}\n"
_RULES: Final = AdmissionRules(catalog=parse_catalog(_CATALOG), max_event_bytes=1 << 20)
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
Event = dict[str, Any]


def _event(**data: object) -> Event:
    base = {"org_id": str(ORG), "workflow_name": "orders.sync", "failure_reason": "request timeout", "context": {}}
    attributes = {"specversion": "1.0", "id": "1", "source": "urn:orders", "type": "workflow.failure.v1"}
    return attributes | {"data": base | data}


def _deep(text: str) -> Event:
    value: Any = text
    for n in range(5):
        value = {f"level{n}": [value]}
    return _event(context=value)


CARRIERS: Final[Mapping[str, Callable[[str], Event]]] = {
    "failure_reason": lambda text: _event(failure_reason=f"step charge failed: {text}"),
    "workflow_name": lambda text: _event(workflow_name=f"orders.{text}"),
    "context text depth 5": lambda text: _deep(f"said: {text}"),
    "context value alone": lambda text: _event(context={"note": text}),
    "context parsed": lambda text: _event(context={"inner": json.loads(text)}),
    "context key": lambda text: _event(context={text: "x"}),
    "unknown data field": lambda text: _event(of_tomorrow=text),
    "extension attribute": lambda text: _event() | {"myattribute": text},
    "error.message": lambda text: _event(context={"error": {"message": text}}),
}
"""Where a text stands, and how an event carries it there."""


def _call(**request: object) -> Event:
    return _event(context={"request": {"method": "PUT", "url": "https://api.example.com/v1/orders", **request}})


PLACES: Final[Mapping[str, Callable[[str, object], Event]]] = {
    "body field": lambda field, value: _call(body={field: value, "amount": 12}),
    "header": lambda field, value: _call(headers={f"x-{field.replace('_', '-')}": str(value)}),
    "url query": lambda field, value: _call(
        url=f"https://api.example.com/v1/list?{field}={quote_plus(str(value))}&n=5"
    ),
    "url path": lambda field, value: _call(url=f"https://api.example.com/v1/{field}/{quote(str(value), safe='')}"),
    "text": lambda field, value: _call(body=f"order 17 has {field}: {value}, as before"),
    "form": lambda field, value: _call(body=f"{field}={quote_plus(str(value))}&n=5"),
    "bare text": lambda field, value: _call(body=str(value)),  # noqa: ARG005 - has no field
}
"""Where a value stands in a request that is to be sent, and how an event has it there."""


def decoded(event: Event) -> Failure:
    """Decode an event as the service does; a dead letter is a mistake of the test."""
    record = Record(
        topic="workflow.failures", partition=0, offset=0, timestamp_ms=1, key=None, headers=(),
        value=json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"),
    )  # fmt: skip
    found = decode(record, _RULES, _NOW)
    if isinstance(found, DeadLetter):
        raise TypeError(found.message)
    return found


def stored(failure: Failure) -> str:
    """Return everything of a failure that is stored, as one text."""
    parts = (failure.workflow_name, failure.failure_reason, failure.source, failure.context, failure.extra)
    return "\n".join(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts)
