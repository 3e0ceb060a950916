"""Seeded schemas with names as people give them."""

import random
from collections.abc import Callable
from typing import Final, TypeAlias

from tests.support.damaged.schema_positions import Schema
from tests.support.damaged.spellings import camel, kebab, snake

Style: TypeAlias = Callable[[str], str]

_FIRST: Final = (
    *("account", "billing", "branch", "campaign", "carrier", "channel", "contract", "customer", "delivery", "device"),
    *("employee", "invoice", "language", "machine", "member", "merchant", "network", "operator", "package", "partner"),
    *("payment", "platform", "policy", "product", "project", "quarter", "receipt", "region", "request", "sender"),
    *("reservation", "session", "shipment", "station", "supplier", "ticket", "transfer", "vehicle", "vendor"),
    *("warehouse", "workflow"),
)
_LAST: Final = {
    "integer": ["count", "quantity", "capacity", "priority", "sequence", "volume", "mileage", "duration"],
    "number": ["weight", "ratio", "latitude", "score", "temperature", "percentage", "distance", "discount"],
    "boolean": ["enabled", "verified", "archived", "refundable", "subscribed", "overdue"],
    "string": ["comment", "summary", "nickname", "description", "headline", "narrative"],
    "date": ["birthday", "deadline", "anniversary", "startdate", "expiry"],
    "date-time": ["timestamp", "checkpoint", "heartbeat"],
    "uuid": ["identifier", "correlation"],
    "email": ["mailbox", "contact"],
    "enum": ["status", "category", "condition", "tier", "visibility"],
    "list": ["labels", "aliases", "keywords"],
    "numbers": ["amounts", "offsets"],
    "days": ["holidays", "milestones"],
    "object": ["profile", "settings", "envelope", "location"],
    "objects": ["entries", "positions", "attachments"],
    "nullable": ["remark", "override"],
}
_ENUMS: Final = (
    ["active", "suspended", "closed"],
    ["in_progress", "on_hold", "done", "rejected"],
    ["LOW", "MEDIUM", "HIGH"],
    ["Bronze", "Silver", "Gold", "Platinum"],
    ["north-east", "south-west", "central"],
)
_INSIDE: Final = frozenset({"object", "objects"})
_DEEPEST: Final = 2


def random_schema(rng: random.Random) -> Schema:
    """Return a schema of an object in one style of keys."""
    style = rng.choice([snake, camel, kebab])
    return {"title": f"{rng.choice(_FIRST)} {rng.randrange(1000)}", **_object(rng, style, 0)}


def _object(rng: random.Random, style: Style, depth: int) -> Schema:
    kinds = [kind for kind in _LAST if depth < _DEEPEST or kind not in _INSIDE]
    firsts = rng.sample(_FIRST, k=rng.randint(3, 9) if depth == 0 else rng.randint(2, 4))
    properties: dict[str, Schema] = {}
    for first in firsts:
        kind = rng.choice(kinds)
        properties[style(f"{first}_{rng.choice(_LAST[kind])}")] = _inner(kind, rng, style, depth)
    names = list(properties)
    made: Schema = {
        "type": "object",
        "properties": properties,
        "required": rng.sample(names, k=rng.randint(1, len(names))),
    }
    return made if rng.random() < 0.25 else {**made, "additionalProperties": False}


def _inner(kind: str, rng: random.Random, style: Style, depth: int) -> Schema:  # noqa: C901, PLR0911 - one line a kind
    match kind:
        case "integer":
            low = rng.choice([0, 1, -500])
            made: Schema = {"type": "integer", "minimum": low, "maximum": rng.choice([100, 5000, 5_000_000])}
            return {**made, "default": rng.randint(1, 90)} if rng.random() < 0.2 else made
        case "number":
            return {"type": "number", "minimum": -1000, "maximum": 1000}
        case "boolean":
            return {"type": "boolean", **({"default": rng.random() < 0.5} if rng.random() < 0.25 else {})}
        case "date" | "date-time" | "uuid" | "email":
            return {"type": "string", "format": kind}
        case "enum":
            values = rng.choice(_ENUMS)
            return {"enum": values, **({"default": values[0]} if rng.random() < 0.2 else {})}
        case "list":
            return {"type": "array", "minItems": rng.choice([0, 1]), "items": {"type": "string", "minLength": 1}}
        case "numbers":
            return {"type": "array", "items": {"type": rng.choice(["integer", "number"]), "minimum": 0}}
        case "days":
            return {"type": "array", "items": {"type": "string", "format": "date"}}
        case "object":
            return _object(rng, style, depth + 1)
        case "objects":
            return {"type": "array", "minItems": 1, "items": _object(rng, style, depth + 1)}
        case "nullable":
            return {"type": [rng.choice(["string", "integer"]), "null"]}
        case _:
            return {"type": "string", "minLength": rng.choice([0, 1, 3])}
