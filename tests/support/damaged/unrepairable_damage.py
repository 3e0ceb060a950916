"""Damage that no repair can undo without guessing: the one right answer is to refuse."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Final, TypeAlias

from tests.support.damaged import meaning_damage
from tests.support.damaged.schema_positions import Json, Place, Schema, dereferenced, places, replaced, valid, without
from tests.support.damaged.spellings import camel, flat, kebab, pascal, snake

Refusal: TypeAlias = Callable[[Json, Schema, random.Random], str | None]
_NOTHING_EXPLAINS: Final[dict[str, tuple[Json, ...]]] = {
    "integer": ("a few", {"value": "n/a"}, [1, 2], {}, "12 apples", 17.5),
    "number": ("a lot", {"amount": None}, [0.5, 2.5], {}, "about 3"),
    "boolean": ("maybe", {"yes": 1, "no": 1}, [True, False], "sometimes", 17),
    "string": ({"text": {}}, ["a", "b"], {}, [[], []]),
    "object": ("nothing here", 7, [], ["a", "b"], True),
    "array": ({}, True, {"first": {}, "second": {}}),
}
_PAGES: Final = (
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
    "<html>\n<body>Service Unavailable</body>\n</html>",
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
    '<!doctype html><script>window.__STATE__={"error":{"code":500}}</script><p>Oops</p>',
)
_PROSE: Final = (
    "I'm sorry, but I can't help with that request.",
    "The order was placed on the 4th and contains three items; the total is about 40 euros.",
    "upstream request timeout",
    "Error: connect ECONNREFUSED 127.0.0.1:5432",
    "Could you please provide the missing details (name, date)? I need them to fill in the form.",
    "There is no data for the given period: []",
)
_EMPTY: Final = ("", " ", "\n\n", "null", "{}", "[]", '""', "``````", "```json\n```", "{{}}", '"null"')
_STYLES: Final = (snake, camel, kebab, pascal)


def missing(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Leave out a required key that nothing supplies."""
    found = [
        (place, key)
        for place in places(document, schema)
        if isinstance(place.value, dict)
        for key in sorted(place.required & place.value.keys())
        if not _supplied(place.declared.get(key, {}), schema)
    ]
    if not found:
        return None
    place, key = rng.choice(found)
    return written_out(replaced(document, place.path, without(place.value, key)), rng)


def _supplied(schema: Schema, root: Schema) -> bool:
    schema = dereferenced(schema, root)
    return "default" in schema or "const" in schema or len(schema.get("enum", (1, 2))) == 1


def out_of_range(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a number beyond its limits, a text too long or short, a list too long or short."""
    return placed(document, schema, rng, _beyond)


def _beyond(place: Place, rng: random.Random) -> Iterator[Json]:
    schema, value = place.schema, place.value
    if isinstance(value, int | float) and not isinstance(value, bool) and "enum" not in schema:
        if "maximum" in schema:
            yield schema["maximum"] + rng.choice([1, 7, 1000])
        if "minimum" in schema:
            yield schema["minimum"] - rng.choice([1, 5, 1000])
    if isinstance(value, str) and "maxLength" in schema:
        yield "x" * (schema["maxLength"] + rng.choice([1, 40]))
    if isinstance(value, str) and schema.get("minLength", 0) > 1 and "pattern" not in schema:
        yield "x"
    if isinstance(value, list) and "maxItems" in schema and value:
        yield value * (schema["maxItems"] + 1)
    if isinstance(value, list) and schema.get("minItems", 0) > 0:
        yield []


def unknown_word(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a word that the enum does not know and that resembles none of its words."""
    return placed(document, schema, rng, _unknown)


def _unknown(place: Place, rng: random.Random) -> Iterator[Json]:
    if "enum" in place.schema:
        whole = isinstance(place.value, int)
        yield rng.choice([7, 123456]) if whole else rng.choice(["zzz_unknown", "banana", "UNKNOWN_VALUE", "?", "other"])


def off_pattern(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a text that its pattern or format does not take, and that no trimming or casing would mend."""
    return placed(document, schema, rng, _mismatch)


def _mismatch(place: Place, rng: random.Random) -> Iterator[Json]:
    if "pattern" in place.schema and isinstance(place.value, str):
        yield rng.choice(
            ["###", f"#{place.value}#", place.value + "?!", "not the right form", f"{place.value[:-1]}\u00a7"]
        )
    match place.schema.get("format") if isinstance(place.value, str) else None:
        case "date":
            yield rng.choice(["2024-13-45", "soon", "next Friday", "2023-02-30", "2024-00-10", "20241399", "0"])
        case "date-time":
            yield rng.choice(["yesterday", "2024-02-30T10:00:00Z", "25:61", "2024-01-01T27:00:00Z"])
        case "uuid":
            yield rng.choice(["not-a-uuid", f"{place.value[:-1]}g", place.value[:-2]])
        case "email":
            yield rng.choice(["nobody", "ada at example"])
        case _:
            pass


def wrong_type(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a value of a type that nothing explains."""
    return placed(document, schema, rng, _unexplained)


def _unexplained(place: Place, rng: random.Random) -> Iterator[Json]:
    named = place.schema.get("type")
    if not isinstance(named, str) or not place.path or place.schema.get("const") is not None:
        return
    offer = rng.choice(_NOTHING_EXPLAINS.get(named, (None,)))
    # A list in a list may be the list alone, with brackets too many.
    if not (isinstance(offer, list) and isinstance(place.path[-1], int)):
        yield offer


def null_unasked(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Put null for a required value that has no default."""
    found = [
        (*place.path, key)
        for place in places(document, schema)
        if isinstance(place.value, dict)
        for key in sorted(place.required & place.value.keys())
        if not _supplied(place.declared.get(key, {}), schema)
    ]
    return written_out(replaced(document, rng.choice(found), None), rng) if found else None


def ambiguous_day(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Write a day so that day and month can be exchanged."""
    return placed(document, schema, rng, _either_way)


def _either_way(place: Place, rng: random.Random) -> Iterator[Json]:
    if place.schema.get("format") == "date" and isinstance(place.value, str):
        day, month = rng.sample(range(1, 13), 2)
        year = place.value[:4]
        yield rng.choice([f"{day:02}/{month:02}/{year}", f"{day}.{month}.{year[2:]}", f"{day:02}-{month:02}-{year}"])


def two_candidates(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a key twice in other styles, with two values of which each would do."""
    found = [
        (place, key, other)
        for place in places(document, schema)
        if isinstance(place.value, dict)
        for key in sorted(place.value.keys() & place.required & place.declared.keys())
        if not _supplied(place.declared[key], schema) and (other := other_value(place.value[key])) is not None
    ]
    rng.shuffle(found)
    for place, key, other in found:
        names = [
            name for name in dict.fromkeys(style(key) for style in _STYLES) if name != key and flat(name) == flat(key)
        ]
        rest = without(place.value, key)
        if len(names) < 2 or not valid_at(document, schema, place, {**rest, key: other}):
            continue
        one, two = rng.sample(names, 2)
        return written_out(replaced(document, place.path, {one: place.value[key], **rest, two: other}), rng)
    return None


def valid_at(document: Json, schema: Schema, place: Place, value: Json) -> bool:
    """Say whether the document would be valid with this value at the place."""
    return valid(replaced(document, place.path, value), schema)


def other_value(value: Json) -> Json | None:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str) and len(value) == len("2024-01-01") and value[4:5] == "-":
        return (date.fromisoformat(value) + timedelta(days=3)).isoformat()
    return f"{value}b" if isinstance(value, str) else None


def truncated(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Cut the text off somewhere."""
    del schema
    text = written_out(document, rng)
    return text[: rng.randrange(1, len(text))]


def truncated_at_the_end(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Cut off the last bracket, or a few of the last letters."""
    del schema
    text = written_out(document, rng).rstrip()
    return text[: -rng.choice([1, 1, 1, 2, 3])]


def truncated_in_prose(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Cut off a fenced answer."""
    text = truncated(document, schema, rng)
    return f"Here is the JSON:\n```json\n{text}{rng.choice(['', '', chr(10) + '```'])}"


def html(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give a page instead."""
    del document, schema
    return rng.choice(_PAGES)


def prose(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give prose instead."""
    del document, schema
    return rng.choice(_PROSE)


def empty(document: Json, schema: Schema, rng: random.Random) -> str | None:
    """Give nothing instead."""
    del document, schema
    return rng.choice(_EMPTY)


def placed(
    document: Json, schema: Schema, rng: random.Random, offers: Callable[[Place, random.Random], Iterator[Json]]
) -> str | None:
    """Put what is offered for some place there, where it makes the document invalid."""
    found = [(place, offer) for place in places(document, schema) for offer in offers(place, rng)]
    rng.shuffle(found)
    for place, offer in found:
        if not valid_at(document, schema, place, offer):
            return written_out(replaced(document, place.path, offer), rng)
    return None


def written_out(document: Json, rng: random.Random) -> str:
    """Write a document down."""
    return json.dumps(document, ensure_ascii=False, indent=rng.choice([None, 2]))


def under_damage(refusal: Refusal) -> Refusal:
    """Return the refusal with its text put into a fence, prose or an envelope too, or written as Python prints it."""

    def do(document: Json, schema: Schema, rng: random.Random) -> str | None:
        text = refusal(document, schema, rng)
        if text is None:
            return None
        value = json.loads(text)
        return rng.choice(
            [
                f"Here is the JSON:\n```json\n{text}\n```\nAnything else?",
                f"Sure! {text}",
                json.dumps(text),
                repr(value),
                json.dumps([value]) if isinstance(value, dict) else text,
                json.dumps({"status": "ok", "result": value}) if "result" not in schema.get("properties", {}) else text,
            ]
        )

    return do


REFUSALS: Final[dict[str, Refusal]] = {
    "required left out": missing,
    "out of range": out_of_range,
    "unknown enum word": unknown_word,
    "pattern or format": off_pattern,
    "unexplained type": wrong_type,
    "null for required": null_unasked,
    "ambiguous date": ambiguous_day,
    "two candidates for a key": two_candidates,
    "required left out, and more": under_damage(missing),
    "out of range, and more": under_damage(out_of_range),
    "unknown enum word, and more": under_damage(unknown_word),
    "pattern or format, and more": under_damage(off_pattern),
    "two candidates, and more": under_damage(two_candidates),
    "a key of another meaning": meaning_damage.of_another_meaning,
    "a number with its unit": meaning_damage.with_its_unit,
    "a list written as one text": meaning_damage.joined,
    "the same document twice": meaning_damage.twice,
    "a draft within thoughts": meaning_damage.draft,
    "a key of another meaning, and more": under_damage(meaning_damage.of_another_meaning),
    "truncated": truncated,
    "truncated at the end": truncated_at_the_end,
    "truncated in prose": truncated_in_prose,
    "HTML": html,
    "prose": prose,
    "empty": empty,
}
