"""Twelve schemas in the style of those that people publish, each with documents that follow it."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
Make: TypeAlias = Callable[[random.Random], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A schema, a maker of its documents, and the keys of which another meaning is known."""

    name: str
    schema: Mapping[str, Json]
    make: Make
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Required keys, each with keys of another unit, currency, role or direction."""


def _text(**more: Json) -> dict[str, Json]:
    return {"type": "string", **more}


def _closed(properties: Mapping[str, Json], optional: Sequence[str] = ()) -> dict[str, Json]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


def _open(properties: Mapping[str, Json], required: Sequence[str]) -> dict[str, Json]:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _hex(rng: random.Random, length: int) -> str:
    return "".join(rng.choice("0123456789abcdef") for _ in range(length))


def _uuid(rng: random.Random) -> str:
    return f"{_hex(rng, 8)}-{_hex(rng, 4)}-4{_hex(rng, 3)}-a{_hex(rng, 3)}-{_hex(rng, 12)}"


def _day(rng: random.Random) -> str:
    return f"20{rng.randint(19, 26)}-{rng.randint(1, 12):02}-{rng.randint(13, 28):02}"


def _moment(rng: random.Random) -> str:
    return f"{_day(rng)}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}Z"


_INTEGER: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_TRUTH: Final = {"type": "boolean"}
_TOWNS: Final = ("Lisboa", "Zürich", "Kraków", "Des Moines", "São Paulo", "Leeds")
_NAMES: Final = ("Ada Okafor", "Miro Søndergaard", "Chen Wei", "O'Brien, Nora", "Jürgen Groß", "Priya Nair")
_NOTES: Final = (
    "Leave at the desk; ring twice.",
    'He said "no" and left.',
    "Path is C:\\temp\\in, really",
    "two\nlines",
    "100% cotton, size: M",
    "see https://example.org/a?b=c&d=[1]",
    "{not json}",
    "it's fine // I think",
    "naïve café — ☕",
)

_ORDER: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_closed(
        {
            "order_id": _text(pattern="^ord_[0-9a-f]{8}$"),
            "placed_at": _text(format="date-time"),
            "status": {"enum": ["pending", "paid", "in_transit", "delivered", "cancelled"]},
            "customer_email": _text(format="email"),
            "total_cents": {"type": "integer", "minimum": 0},
            "gift": _TRUTH,
            "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}},
            "note": _text(),
        },
        optional=("note",),
    ),
    "$defs": {
        "line": _closed({
            "sku": _text(minLength=3), "quantity": {"type": "integer", "minimum": 1}, "unit_price_cents": _INTEGER,
        }),
    },
}  # fmt: skip


def _order(rng: random.Random) -> Json:
    lines: list[Any] = [
        {
            "sku": f"SKU-{rng.randint(100, 999)}",
            "quantity": rng.randint(2, 9),
            "unit_price_cents": rng.randint(99, 9999),
        }
        for _ in range(rng.randint(1, 3))
    ]
    made: dict[str, Json] = {
        "order_id": f"ord_{_hex(rng, 8)}",
        "placed_at": _moment(rng),
        "status": rng.choice(["pending", "paid", "in_transit", "delivered"]),
        "customer_email": "ada@example.org",
        "total_cents": sum(line["quantity"] * line["unit_price_cents"] for line in lines),
        "gift": rng.random() < 0.5,
        "lines": lines,
    }
    return made | ({"note": rng.choice(_NOTES)} if rng.random() < 0.7 else {})


_INVOICE: Final = _closed(
    {
        "invoiceNumber": _text(),
        "issueDate": _text(format="date"),
        "dueDate": _text(format="date"),
        "currency": _text(pattern="^[A-Z]{3}$"),
        "seller": {"$ref": "#/definitions/party"},
        "buyer": {"$ref": "#/definitions/party"},
        "netAmount": _NUMBER,
        "taxAmount": _NUMBER,
        "paid": _TRUTH,
    },
) | {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "definitions": {"party": _open({"name": _text(), "vatId": _text(), "city": _text()}, ["name", "vatId"])},
}


def _party(rng: random.Random) -> Json:
    return {
        "name": rng.choice(_NAMES),
        "vatId": f"PT{rng.randint(10**8, 10**9 - 1)}",
        "city": rng.choice(_TOWNS),
    }


def _invoice(rng: random.Random) -> Json:
    return {
        "invoiceNumber": f"2024/{rng.randint(1, 999):04}",
        "issueDate": _day(rng),
        "dueDate": _day(rng),
        "currency": rng.choice(["EUR", "CHF", "BRL"]),
        "seller": _party(rng),
        "buyer": _party(rng),
        "netAmount": rng.randint(100, 99999) / 100 + 0.005,
        "taxAmount": rng.randint(100, 9999) / 100 + 0.005,
        "paid": rng.random() < 0.5,
    }


_CLOUD_EVENT: Final = {
    "type": "object",
    "properties": {
        "id": _text(minLength=1),
        "source": _text(format="uri-reference", minLength=1),
        "specversion": {"const": "1.0"},
        "type": _text(minLength=1),
        "datacontenttype": {"type": ["string", "null"]},
        "subject": {"type": ["string", "null"]},
        "time": {"type": ["string", "null"], "format": "date-time"},
        "data": {"type": "object", "required": ["attempt", "ok"], "properties": {"attempt": _INTEGER, "ok": _TRUTH}},
    },
    "required": ["id", "source", "specversion", "type", "data"],
}


def _cloud_event(rng: random.Random) -> Json:
    return {
        "specversion": "1.0",
        "id": _uuid(rng),
        "source": "/sensors/tn-1234567/alerts",
        "type": "org.example.alert.raised",
        "datacontenttype": "application/json",
        "subject": rng.choice([None, "door-4", "line 7"]),
        "time": _moment(rng),
        "data": {"attempt": rng.randint(2, 40), "ok": rng.random() < 0.5, "note": rng.choice(_NOTES)},
    }


_MANIFEST: Final = {
    "type": "object",
    "required": ["name", "version", "private", "scripts", "dependencies", "keywords"],
    "properties": {
        "name": _text(pattern="^(?:@[a-z0-9-]+/)?[a-z0-9-]+$"),
        "version": _text(pattern=r"^\d+\.\d+\.\d+"),
        "private": _TRUTH,
        "description": _text(),
        "scripts": {"type": "object", "additionalProperties": _text()},
        "dependencies": {"type": "object", "additionalProperties": _text()},
        "keywords": {"type": "array", "items": _text(), "uniqueItems": True},
        "engines": {"type": "object", "properties": {"node": _text()}},
    },
}


def _manifest(rng: random.Random) -> Json:
    return {
        "name": rng.choice(["@acme/ledger", "tide-table", "kiosk"]),
        "version": f"{rng.randint(0, 4)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
        "private": rng.random() < 0.5,
        "description": rng.choice(_NOTES),
        "scripts": {"build": "tsc -p .", "test:unit": "node --test", "lint": 'eslint "src/**/*.ts"'},
        "dependencies": {"left-pad": "^1.3.0", "@types/node": "~20.1.0"},
        "keywords": rng.sample(["cli", "tides", "ledger", "ocean", "tables"], 3),
        "engines": {"node": ">=20"},
    }


_DEPLOYMENT: Final = _closed(
    {
        "apiVersion": {"const": "apps/v1"},
        "kind": {"enum": ["Deployment", "StatefulSet", "DaemonSet"]},
        "metadata": _open(
            {"name": _text(), "namespace": _text(), "labels": {"type": "object", "additionalProperties": _text()}},
            ["name"],
        ),
        "spec": _closed(
            {
                "replicas": {"type": "integer", "minimum": 0},
                "paused": _TRUTH,
                "containers": {"type": "array", "items": {"$ref": "#/$defs/container"}},
            },
        ),
    }
) | {
    "$defs": {
        "container": _closed(
            {
                "name": _text(),
                "image": _text(),
                "args": {"type": "array", "items": _text()},
                "ports": {
                    "type": "array",
                    "items": _closed({"containerPort": _INTEGER, "protocol": {"enum": ["TCP", "UDP"]}}),
                },
                "memoryMi": _INTEGER,
            },
        )
    }
}


def _deployment(rng: random.Random) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": rng.choice(["Deployment", "StatefulSet"]),
        "metadata": {
            "name": "tide-api",
            "namespace": "ocean",
            "labels": {"app.kubernetes.io/name": "tide", "tier": "web"},
        },
        "spec": {
            "replicas": rng.randint(2, 12),
            "paused": rng.random() < 0.5,
            "containers": [
                {
                    "name": name,
                    "image": f"registry.example.org/{name}:1.{rng.randint(0, 9)}",
                    "args": ["--listen", f"0.0.0.0:{rng.randint(3000, 9000)}"],
                    "ports": [{"containerPort": rng.randint(3000, 9000), "protocol": rng.choice(["TCP", "UDP"])}],
                    "memoryMi": rng.choice([128, 256, 512]),
                }
                for name in rng.sample(["web", "proxy", "metrics"], rng.randint(1, 2))
            ],
        },
    }


_TOOL_CALL: Final = {
    "oneOf": [
        _closed({"tool": {"const": "search_flights"}, "from_airport": _text(pattern="^[A-Z]{3}$"),
                 "to_airport": _text(pattern="^[A-Z]{3}$"), "depart_on": _text(format="date"), "adults": _INTEGER,
                 "nonstop": _TRUTH}),
        _closed({"tool": {"const": "create_ticket"}, "title": _text(),
                 "priority": {"enum": ["low", "normal", "urgent"]}, "labels": {"type": "array", "items": _text()},
                 "assignee": {"type": ["string", "null"]}}),
        _closed({"tool": {"const": "wait"}, "seconds": {"type": "number", "exclusiveMinimum": 0}}),
    ]
}  # fmt: skip


def _tool_call(rng: random.Random) -> Json:
    if rng.random() < 0.5:
        start, end = rng.sample(["LIS", "ZRH", "KRK", "GRU"], 2)
        return {
            "tool": "search_flights", "from_airport": start, "to_airport": end, "depart_on": _day(rng),
            "adults": rng.randint(2, 6), "nonstop": rng.random() < 0.5,
        }  # fmt: skip
    return {
        "tool": "create_ticket", "title": rng.choice(_NOTES), "priority": rng.choice(["low", "normal", "urgent"]),
        "labels": rng.sample(["bug", "billing", "mobile"], 2), "assignee": rng.choice([None, "nora"]),
    }  # fmt: skip


_OPERATION: Final = _open(
    {
        "openapi": _text(pattern=r"^3\.1\.\d+$"),
        "info": _open({"title": _text(), "version": _text(), "deprecated": _TRUTH}, ["title", "version"]),
        "paths": {
            "type": "object",
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "type": "object",
                "patternProperties": {"^(get|put|post|delete)$": {"$ref": "#/$defs/operation"}},
                "additionalProperties": False,
            },
        },
    },
    ["openapi", "info", "paths"],
) | {
    "$defs": {
        "operation": {
            "type": "object",
            "required": ["operationId", "responses"],
            "properties": {
                "operationId": _text(),
                "tags": {"type": "array", "items": _text()},
                "parameters": {
                    "type": "array",
                    "items": _closed(
                        {"name": _text(), "in": {"enum": ["query", "path", "header"]}, "required": _TRUTH}
                    ),
                },
                "responses": {"type": "object", "patternProperties": {"^[1-5](?:\\d{2}|XX)$": {"type": "object"}}},
            },
        }
    }
}


def _operation(rng: random.Random) -> Json:
    return {
        "openapi": f"3.1.{rng.randint(0, 1)}",
        "info": {"title": "Tides", "version": f"2024.{rng.randint(1, 9)}", "deprecated": rng.random() < 0.5},
        "paths": {
            "/ports/{port}": {
                "get": {
                    "operationId": "readPort",
                    "tags": ["ports", "public"],
                    "parameters": [
                        {"name": "port", "in": "path", "required": True},
                        {"name": "depth", "in": "query", "required": False},
                    ],
                    "responses": {"200": {"description": rng.choice(_NOTES)}, "4XX": {"description": "no such port"}},
                }
            }
        },
    }


_CALENDAR: Final = _closed(
    {
        "uid": _text(format="uuid"),
        "summary": _text(maxLength=80),
        "start": _text(format="date-time"),
        "duration_minutes": {"type": "integer", "minimum": 5},
        "all_day": _TRUTH,
        "attendees": {
            "type": "array",
            "items": _closed(
                {"email": _text(format="email"), "response": {"enum": ["accepted", "declined", "tentative"]}}
            ),
        },
        "recurrence": {
            "anyOf": [
                {"type": "null"},
                _closed({"every": {"enum": ["day", "week", "month"]}, "until": _text(format="date")}),
            ]
        },
    },
)


def _calendar(rng: random.Random) -> Json:
    return {
        "uid": _uuid(rng),
        "summary": rng.choice(_NOTES),
        "start": _moment(rng),
        "duration_minutes": rng.randint(2, 12) * 15,
        "all_day": rng.random() < 0.5,
        "attendees": [
            {"email": f"{name}@example.org", "response": rng.choice(["accepted", "declined", "tentative"])}
            for name in rng.sample(["ada", "miro", "nora", "wei"], 2)
        ],
        "recurrence": rng.choice([None, {"every": rng.choice(["day", "week", "month"]), "until": _day(rng)}]),
    }


_PHONE: Final = _closed({"kind": {"enum": ["home", "work", "mobile"]}, "number": _text(pattern=r"^\+")})
_ADDRESS_BOOK: Final = {
    "type": "array",
    "items": _closed(
        {
            "fullName": _text(),
            "postalCode": _text(),
            "locality": _text(),
            "country": _text(pattern="^[A-Z]{2}$"),
            "phones": {"type": "array", "items": _PHONE},
            "birthday": _text(format="date"),
            "newsletter": _TRUTH,
        },
        optional=("birthday",),
    ),
}  # fmt: skip


def _address_book(rng: random.Random) -> Json:
    return [
        {
            "fullName": name,
            "postalCode": f"0{rng.randint(1000, 9999)}",
            "locality": rng.choice(_TOWNS),
            "country": rng.choice(["PT", "CH", "PL"]),
            "phones": [
                {"kind": kind, "number": f"+351{rng.randint(10**8, 10**9 - 1)}"}
                for kind in rng.sample(["home", "work", "mobile"], rng.randint(1, 2))
            ],
            "newsletter": rng.random() < 0.5,
        }
        | ({"birthday": _day(rng)} if rng.random() < 0.5 else {})
        for name in rng.sample(_NAMES, rng.randint(2, 3))
    ]


_WORKFLOW: Final = _closed(
    {
        "workflow": _text(),
        "version": _INTEGER,
        "enabled": _TRUTH,
        "trigger": {
            "oneOf": [
                _closed({"kind": {"const": "cron"}, "expression": _text()}),
                _closed({"kind": {"const": "webhook"}, "path": _text(pattern="^/"),
                         "methods": {"type": "array", "items": {"enum": ["GET", "POST"]}}}),
            ]
        },
        "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}},
        "timeout_seconds": {"type": "integer", "minimum": 1, "maximum": 86400},
    }
) | {
    "$defs": {
        "step": _closed(
            {
                "id": _text(pattern="^[a-z][a-z0-9_]*$"),
                "action": {"enum": ["http_request", "transform", "send_email", "branch"]},
                "max_attempts": _INTEGER,
                "needs": {"type": "array", "items": _text()},
                "parameters": {"type": "object"},
            },
            optional=("parameters",),
        )
    }
}  # fmt: skip


def _workflow(rng: random.Random) -> Json:
    trigger = (
        {"kind": "cron", "expression": "0 6 * * 1-5"}
        if rng.random() < 0.5
        else {"kind": "webhook", "path": "/hooks/orders", "methods": ["GET", "POST"]}
    )
    return {
        "workflow": "orders.sync",
        "version": rng.randint(2, 30),
        "enabled": rng.random() < 0.5,
        "trigger": trigger,
        "steps": [
            {"id": "fetch", "action": "http_request", "max_attempts": rng.randint(2, 5), "needs": [],
             "parameters": {"url": "https://example.org/orders?since={{ last_run }}", "verify": True, "limit": 50}},
            {"id": "shape_it", "action": "transform", "max_attempts": rng.randint(2, 5), "needs": ["fetch", "clock"]},
        ],
        "timeout_seconds": rng.randint(30, 3600),
    }  # fmt: skip


_TELEMETRY: Final = _closed(
    {
        "deviceId": _text(),
        "recordedAt": _text(format="date-time"),
        "batteryPercent": {"type": "integer", "minimum": 0, "maximum": 100},
        "temperatureCelsius": {"type": "number", "minimum": -60, "maximum": 90},
        "position": _closed({"latitude": {"type": "number", "minimum": -90, "maximum": 90},
                             "longitude": {"type": "number", "minimum": -180, "maximum": 180}, "speedKmh": _NUMBER}),
        "samples": {"type": "array", "items": _NUMBER, "minItems": 2},
        "charging": _TRUTH,
        "firmware": _text(),
        "lastError": {"type": ["string", "null"]},
    }
)  # fmt: skip


def _telemetry(rng: random.Random) -> Json:
    return {
        "deviceId": f"tn-{rng.randint(10**6, 10**7)}",
        "recordedAt": _moment(rng),
        "batteryPercent": rng.randint(2, 99),
        "temperatureCelsius": rng.randint(-300, 500) / 10 + 0.05,
        "position": {
            "latitude": rng.randint(-8000, 8000) / 100 + 0.005,
            "longitude": rng.randint(-17000, 17000) / 100 + 0.005,
            "speedKmh": rng.randint(0, 900) / 10 + 0.05,
        },
        "samples": [rng.randint(-99, 99) / 8 for _ in range(rng.randint(2, 6))],
        "charging": rng.random() < 0.5,
        "firmware": f"4.{rng.randint(0, 20)}.1",
        "lastError": rng.choice([None, "E42: no fix"]),
    }


_CONFIG: Final = _closed(
    {
        "log_level": {"enum": ["debug", "info", "warning", "error"]},
        "listen_port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "cache_ttl_seconds": _INTEGER,
        "upload_limit_mb": _INTEGER,
        "allowed_origins": {"type": "array", "items": _text(format="uri")},
        "features": {"type": "object", "additionalProperties": _TRUTH},
        "database": _closed({"host": _text(), "pool_size": _INTEGER, "ssl": _TRUTH, "password_file": _text()}),
        "ratio": {"type": "number", "minimum": 0, "maximum": 1},
    }
)


def _config(rng: random.Random) -> Json:
    return {
        "log_level": rng.choice(["debug", "info", "warning", "error"]),
        "listen_port": rng.randint(1024, 65535),
        "cache_ttl_seconds": rng.randint(2, 900),
        "upload_limit_mb": rng.randint(2, 900),
        "allowed_origins": ["https://example.org", "https://admin.example.org:8443"],
        "features": {"dark_mode": rng.random() < 0.5, "betaSearch": rng.random() < 0.5},
        "database": {
            "host": "db.internal",
            "pool_size": rng.randint(2, 40),
            "ssl": rng.random() < 0.5,
            "password_file": "/run/secrets/db",
        },
        "ratio": rng.randint(1, 7) / 8,
    }


PUBLISHED: Final = (
    Published(name="order", schema=_ORDER, make=_order, others={
        "total_cents": ("total_euros", "total_pence", "total_usd", "subtotal_cents"),
        "placed_at": ("cancelled_at", "paid_at", "shipped_at"), "customer_email": ("seller_email", "billing_email"),
    }),
    Published(name="invoice", schema=_INVOICE, make=_invoice, others={
        "netAmount": ("grossAmount", "netWeight"), "dueDate": ("paidDate",), "seller": ("reseller", "sender"),
        "buyer": ("payer",), "taxAmount": ("taxRate", "fixAmount"), "paid": ("unpaid",),
    }),
    Published(name="cloud event", schema=_CLOUD_EVENT, make=_cloud_event, others={"source": ("target", "resource")}),
    Published(name="manifest", schema=_MANIFEST, make=_manifest, others={"private": ("public",)}),
    Published(name="deployment", schema=_DEPLOYMENT, make=_deployment),
    Published(name="tool call", schema=_TOOL_CALL, make=_tool_call, others={
        "depart_on": ("return_on", "arrive_on"), "adults": ("infants",),
    }),
    Published(name="interface", schema=_OPERATION, make=_operation),
    Published(name="calendar", schema=_CALENDAR, make=_calendar, others={
        "duration_minutes": ("duration_hours", "duration_seconds"), "start": ("end", "stop"),
    }),
    Published(name="address book", schema=_ADDRESS_BOOK, make=_address_book),
    Published(name="workflow", schema=_WORKFLOW, make=_workflow, others={
        "timeout_seconds": ("timeout_ms", "timeout_minutes", "timeout_s"), "enabled": ("disabled",),
    }),
    Published(name="telemetry", schema=_TELEMETRY, make=_telemetry, others={
        "temperatureCelsius": ("temperatureFahrenheit", "temperatureKelvin"),
        "batteryPercent": ("batteryVolts", "batteryMah"),
        "charging": ("discharging",),
    }),
    Published(name="config", schema=_CONFIG, make=_config, others={
        "cache_ttl_seconds": ("cache_ttl_ms", "cache_ttl_minutes"),
        "upload_limit_mb": ("upload_limit_gb", "upload_limit_kb", "download_limit_mb"),
    }),
)  # fmt: skip
