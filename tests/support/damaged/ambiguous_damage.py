"""Damage that looks as if it could be undone, and of which two answers are as good as each other: to be refused."""

import json
import random
from collections.abc import Iterator
from typing import Final

from tests.support.damaged.schema_positions import Json, Place, Schema, places, replaced, valid
from tests.support.damaged.spellings import camel, flat, kebab, pascal, snake
from tests.support.damaged.unrepairable_damage import Refusal, other_value, placed, valid_at, written_out
from tests.support.damaged.value_damage import as_day, as_time

_STYLES: Final = (snake, camel, kebab, pascal)


def _objects(document: Json, schema: Schema, rng: random.Random) -> Iterator[tuple[Place, str, Json]]:
    found = [
        (place, key, other)
        for place in places(document, schema)
        if isinstance(place.value, dict)
        for key in place.value
        if key in place.declared and (other := other_value(place.value[key])) is not None
    ]
    rng.shuffle(found)
    for place, key, other in found:
        if valid_at(document, schema, place, {**place.value, key: other}):
            yield place, key, other


def equal_keys(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a key of the text twice, with two values that would both do."""
    for place, key, other in _objects(document, schema, rng):
        marked = json.dumps(replaced(document, place.path, {**place.value, "\u2020": other}), ensure_ascii=False)
        return marked.replace('"\u2020"', json.dumps(key, ensure_ascii=False))
    return None


def alias_beside_key(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a key in another style beside itself, with another value."""
    for place, key, other in _objects(document, schema, rng):
        names = [name for style in _STYLES if (name := style(key)) != key and flat(name) == flat(key)]
        if names and place.closed:
            return written_out(replaced(document, place.path, {**place.value, rng.choice(names): other}), rng)
    return None


def two_documents(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give two documents, one behind the other or in two envelopes."""
    for place, key, other in _objects(document, schema, rng):
        second = replaced(document, place.path, {**place.value, key: other})
        one, two = json.dumps(document), json.dumps(second)
        return rng.choice(
            [
                f"{one}\n{two}",
                f"Either:\n```json\n{one}\n```\nor:\n```json\n{two}\n```\n",
                f'{{"data": {one}, "result": {two}}}',
                f"[{one}, {two}]" if schema.get("type") == "object" else f"{one} {two}",
                f"First try: {one}. Corrected: {two}",
            ]
        )
    return None


def unclear_number(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write a number that can be read in two ways, or only in part."""

    def offers(place: Place, rng: random.Random) -> Iterator[Json]:
        match place.schema.get("type"):
            case "integer" if not isinstance(place.value, bool):
                yield rng.choice(
                    ["1.234", "12,34", "1,23", "12 or 13", "~40", "1-2", "3/4", "ten", "4 items", "1.5", "0x1F", "7%"]
                )
            case "number":
                yield rng.choice(["1,234", "0,5", "NaN", "Infinity", "45%", "12 kg", "1 to 2", "1.2.3", "--1"])
            case _:
                pass

    return placed(document, schema, rng, offers)


def time_for_day(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a time within the day where a day is wanted, or a span."""

    def offers(place: Place, rng: random.Random) -> Iterator[Json]:
        if as_day(place) is not None:
            day = place.value
            yield rng.choice(
                [f"{day}T13:45:00Z", f"{day} 09:30:00", f"{day[:7]}", f"{day[:4]}", f"{day}/{day}", f"{day} or later"]
            )

    return placed(document, schema, rng, offers)


def time_without_zone(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Leave out a time's zone, or give the day alone."""

    def offers(place: Place, rng: random.Random) -> Iterator[Json]:
        at = as_time(place)
        if at is not None:
            yield rng.choice([f"{at:%Y-%m-%dT%H:%M:%S}", f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"])

    return placed(document, schema, rng, offers)


def truncated_part(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write a part as text and cut that off."""

    def offers(place: Place, rng: random.Random) -> Iterator[Json]:
        if place.path and isinstance(place.value, dict | list) and place.value:
            text = json.dumps(place.value)
            yield text[: rng.randrange(1, len(text))]

    return placed(document, schema, rng, offers)


def lacking_in_envelope(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Put a document that lacks something into an envelope, with what it lacks beside it or not at all."""
    if not isinstance(document, dict) or "data" in schema.get("properties", {}):
        return None
    keys = [key for key in schema["required"] if not {"default", "const"} & schema["properties"].get(key, {}).keys()]
    if not keys:
        return None
    gone = rng.choice(keys)
    rest = {key: value for key, value in document.items() if key != gone}
    return written_out(
        rng.choice([{"data": rest}, {"status": "ok", "data": rest}, {"data": None, "status": "ok"}]), rng
    )


def lacking_beside(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Put a document that lacks a key into an envelope that has one of that name, of the right kind."""
    if not isinstance(document, dict) or "data" in schema.get("properties", {}):
        return None
    keys = [
        key
        for key in schema["required"]
        if key in document and not {"default", "const"} & schema.get("properties", {}).get(key, {}).keys()
    ]
    if not keys:
        return None
    gone = rng.choice(keys)
    rest = {key: value for key, value in document.items() if key != gone}
    made = {gone: document[gone], "data": rest}
    return written_out(made, rng) if rest and not valid(made, schema) else None


def two_slips_of_one(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a key twice, both times mistyped, with two values."""
    for place, key, other in _objects(document, schema, rng):
        if key in place.required and len(key) > 4:
            rest = {name: value for name, value in place.value.items() if name != key}
            one, two = key[:2] + key[3:], key[:-1] + key[-1:] * 2
            return written_out(replaced(document, place.path, {**rest, one: place.value[key], two: other}), rng)
    return None


def truncated_inside(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write a truncated text as a whole JSON text, in single quotes or as Python prints it."""
    del schema
    text = json.dumps(document)
    cut = text[: rng.randrange(2, len(text))]
    python = repr(document)
    return rng.choice(
        [json.dumps(cut), python[: rng.randrange(2, len(python))], f'{{"status": "ok", "data": {cut}', f"{cut}..."]
    )


def failed_envelope(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give the envelope of an error."""
    del document, schema
    return rng.choice(
        [
            '{"status": "error", "data": null, "error": {"code": 500, "message": "boom"}}',
            '{"error": {"type": "rate_limit", "message": "slow down"}}',
            '{"success": false, "errors": ["not found"]}',
            '{"message": "Internal Server Error"}',
        ]
    )


TRAPS: Final[dict[str, Refusal]] = {
    "equal keys, two values": equal_keys,
    "key and its alias, two values": alias_beside_key,
    "two documents": two_documents,
    "unclear number": unclear_number,
    "time or span for a day": time_for_day,
    "time without a zone": time_without_zone,
    "truncated part": truncated_part,
    "envelope around what lacks": lacking_in_envelope,
    "envelope beside what lacks": lacking_beside,
    "two slips of one key": two_slips_of_one,
    "truncated inside": truncated_inside,
    "envelope of an error": failed_envelope,
}
