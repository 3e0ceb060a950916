"""Damage that changes what a document means: a repair that undoes its form alone would make another document of it."""

import json
import random
from typing import Final

from tests.support.damaged.schema_positions import Json, Place, Schema, places, renamed, replaced
from tests.support.damaged.spellings import camel, kebab, snake, words

_KINDS: Final = (
    ("s", "ms", "min", "minutes", "seconds", "hours", "days"),
    ("kg", "g", "lb", "grams", "pounds"),
    ("cm", "mm", "m", "km", "inches"),
    ("usd", "eur", "aud", "gbp", "cents"),
    ("min", "max"),
    ("start", "end"),
    ("starts", "ends"),
    ("from", "to", "until"),
    ("created", "updated", "deleted"),
    ("buyer", "seller", "payer", "payee"),
    ("sender", "receiver", "recipient"),
    ("source", "target"),
    ("origin", "destination"),
    ("departure", "arrival"),
    ("net", "gross"),
    ("debit", "credit"),
    ("first", "last"),
    ("width", "height"),
    ("lat", "lng"),
    ("billing", "shipping"),
    ("in", "out"),
    ("due", "paid"),
)
_UNITS: Final[tuple[dict[str, Json], ...]] = (
    {"unit": "ms"},
    {"currency": "EUR"},
    {"uom": "kg"},
    {"scale": 2},
    {"currencyCode": "USD"},
)


def of_another_meaning(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Call a required key by a word of the same kind: another unit, role, direction or side."""
    found = [
        (place, key, other)
        for place in places(document, schema)
        if isinstance(place.value, dict)
        for key in sorted(place.required & place.value.keys())
        for other in _others(key)
        if other not in place.declared and other not in place.value
    ]
    if not found:
        return None
    place, key, other = rng.choice(found)
    return json.dumps(replaced(document, place.path, renamed(place.value, key, other)))


def _others(key: str) -> list[str]:
    parts = words(key)
    style = kebab if "-" in key else snake if "_" in key or key.islower() else camel
    return [
        style("_".join([*parts[:at], other, *parts[at + 1 :]]))
        for at, word in enumerate(parts)
        for kind in _KINDS
        if word in kind
        for other in kind
        if other != word
    ]


def with_its_unit(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write a number together with what it is measured in."""
    found = [place for place in places(document, schema) if place.path and _is_number(place)]
    if not found:
        return None
    place = rng.choice(found)
    return json.dumps(replaced(document, place.path, {"value": place.value, **rng.choice(_UNITS)}))


def _is_number(place: Place) -> bool:
    number = isinstance(place.value, int | float) and not isinstance(place.value, bool)
    return number and place.schema.get("type") in ("integer", "number")


def joined(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write a list of texts as one text."""
    found = [place for place in places(document, schema) if place.path and _is_list_of_texts(place)]
    if not found:
        return None
    place = rng.choice(found)
    return json.dumps(replaced(document, place.path, rng.choice([", ", ",", "; ", " | ", "\n"]).join(place.value)))


def _is_list_of_texts(place: Place) -> bool:
    texts = isinstance(place.value, list) and len(place.value) > 1 and all(isinstance(one, str) for one in place.value)
    return texts and place.schema.get("type") == "array"


def twice(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write the same document two times."""
    del schema
    text = json.dumps(document)
    return rng.choice([f"{text}\n{text}", f"First:\n{text}\nSecond:\n{text}"])


def draft(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write it among thoughts that do not end."""
    del schema
    return f"<{rng.choice(['think', 'thinking', 'reasoning'])}>Perhaps {json.dumps(document)} but let me check"
