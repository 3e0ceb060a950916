"""Damage to values: numbers, booleans, words of an enum, lists, parts written as text, nulls."""

import json
import random
from datetime import date, datetime
from typing import Final

from tests.support.damaged.damage import Change, Damage, Inside, put
from tests.support.damaged.schema_positions import Json, Place, valid, without

_GROUPS_FROM: Final = 1000


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(place: Place) -> bool:
    # Where a fraction may stand, 1,234 can be 1.234 as well.
    return isinstance(place.value, int) and _is_number(place.value) and place.schema.get("type") != "number"


def quoted_number(place: Place, rng: random.Random) -> Change | None:
    """Quote a number."""
    del rng
    return put(json.dumps(place.value)) if _is_number(place.value) else None


def quoted_boolean(place: Place, rng: random.Random) -> Change | None:
    """Quote a boolean, in any case."""
    if not isinstance(place.value, bool):
        return None
    word = json.dumps(place.value)
    return put(rng.choice([word, word, word.capitalize(), word.upper()]))


def worded_boolean(place: Place, rng: random.Random) -> Change | None:
    """Say yes, no, on or off for a boolean."""
    if not isinstance(place.value, bool):
        return None
    word = rng.choice(["yes", "on"] if place.value else ["no", "off"])
    return put(rng.choice([word, word.capitalize(), word.upper()]))


def padded_number(place: Place, rng: random.Random) -> Change | None:
    """Quote a number with white space around it."""
    text = json.dumps(place.value)
    return put(rng.choice([f" {text}", f"{text} ", f"  {text} ", f"{text}\n"])) if _is_number(place.value) else None


def grouped_integer(place: Place, rng: random.Random) -> Change | None:
    """Group an integer's digits with commas."""
    del rng
    return put(f"{place.value:,}") if _is_whole(place) and abs(place.value) >= _GROUPS_FROM else None


def chosen_word(place: Place) -> str | None:
    """Return the value where it is one of an enum's texts and no other differs from it by case alone."""
    words = [word for word in place.schema.get("enum", ()) if isinstance(word, str)]
    if place.value not in words or not isinstance(place.value, str):
        return None
    return place.value if [word.lower() for word in words].count(place.value.lower()) == 1 else None


def padded_word(place: Place, rng: random.Random) -> Change | None:
    """Put white space around a word of an enum."""
    word = chosen_word(place)
    return put(rng.choice([f" {word}", f"{word} ", f"  {word}  ", f"{word}\n", f"\t{word}"])) if word else None


def cased_word(place: Place, rng: random.Random) -> Change | None:
    """Write a word of an enum in another case."""
    word = chosen_word(place)
    if word is None:
        return None
    others = [other for other in (word.upper(), word.lower(), word.capitalize(), word.title()) if other != word]
    return put(rng.choice(others)) if others else None


def scalar_for_list(place: Place, rng: random.Random) -> Change | None:
    """Leave out the brackets of a list of one."""
    del rng
    value = place.value
    if not isinstance(value, list) or len(value) != 1 or isinstance(value[0], list) or value[0] is None:
        return None
    if isinstance(value[0], str) and any(mark in value[0] for mark in ",;|\n"):
        return None  # might be several, written into one
    return Change(become=lambda now: now[0])


def list_for_scalar(place: Place, rng: random.Random) -> Change | None:
    """Put brackets around what is no list."""
    del rng
    return None if isinstance(place.value, list) or place.value is None else Change(become=lambda now: [now])


def encoded_part(place: Place, rng: random.Random) -> Change | None:
    """Write an object or a list as text."""
    del rng
    if not place.path or not isinstance(place.value, dict | list) or not place.value:
        return None
    return Change(become=lambda now: json.dumps(now, ensure_ascii=False))


def null_for_default(place: Place, rng: random.Random) -> Change | None:
    """Put null where the default stood."""
    del rng
    schema = place.schema
    there = "default" in schema and schema["default"] == place.value and not valid(None, schema)
    return put(None) if there else None


def absent_default(place: Place, rng: random.Random) -> Change | None:
    """Leave out a required key that has its default."""
    return _absent(place, rng, "default")


def absent_const(place: Place, rng: random.Random) -> Change | None:
    """Leave out a required key that can have one value only."""
    return _absent(place, rng, "const")


def _absent(place: Place, rng: random.Random, word: str) -> Change | None:
    if not isinstance(place.value, dict):
        return None
    keys = [
        key
        for key, schema in place.declared.items()
        if key in place.required and word in schema and place.value.get(key) == schema[word]
    ]
    if not keys:
        return None
    gone = rng.choice(keys)
    return Change(become=lambda now: without(now, gone), about=gone, removes=True)


def as_day(place: Place) -> date | None:
    """Return the day where the schema wants one and it is there."""
    if place.schema.get("format") != "date" or not isinstance(place.value, str):
        return None
    return date.fromisoformat(place.value)


def as_time(place: Place) -> datetime | None:
    """Return the time where the schema wants one and it is there."""
    if place.schema.get("format") != "date-time" or not isinstance(place.value, str):
        return None
    return datetime.fromisoformat(place.value)


def slashed_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day with slashes, the year first."""
    del rng
    day = as_day(place)
    return put(f"{day:%Y/%m/%d}") if day else None


def basic_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day in eight digits."""
    del rng
    day = as_day(place)
    return put(f"{day:%Y%m%d}") if day else None


def midnight_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day as its midnight."""
    day = as_day(place)
    if day is None:
        return None
    return put(f"{day}{rng.choice(['T00:00:00Z', 'T00:00:00', ' 00:00:00', 'T00:00:00+00:00', 'T00:00:00.000Z'])}")


def slashed_time(place: Place, rng: random.Random) -> Change | None:
    """Write a time's day with slashes."""
    del rng
    return put(str(place.value).replace("-", "/", 2)) if as_time(place) else None


def basic_time(place: Place, rng: random.Random) -> Change | None:
    """Write a time without separators."""
    del rng
    at = as_time(place)
    if at is None:
        return None
    zone = "Z" if str(place.value).endswith("Z") else f"{at:%z}"
    return put(f"{at:%Y%m%dT%H%M%S}{zone}")


def spaced_time(place: Place, rng: random.Random) -> Change | None:
    """Write a space between day and time."""
    del rng
    return put(str(place.value).replace("T", " ")) if as_time(place) else None


VALUES: Final[tuple[Damage, ...]] = (
    Inside("quoted number", quoted_number),
    Inside("quoted numbers, all", quoted_number, everywhere=True),
    Inside("quoted boolean", quoted_boolean),
    Inside("yes/no/on/off", worded_boolean),
    Inside("padded number", padded_number),
    Inside("grouped integer", grouped_integer),
    Inside("padded enum", padded_word),
    Inside("wrong-case enum", cased_word),
    Inside("scalar for list of one", scalar_for_list),
    Inside("list of one for scalar", list_for_scalar),
    Inside("double-encoded part", encoded_part),
    Inside("null for default", null_for_default),
    Inside("default left out", absent_default),
    Inside("const left out", absent_const),
    Inside("date with slashes", slashed_day),
    Inside("basic date", basic_day),
    Inside("midnight for date", midnight_day),
    Inside("dates with slashes, all", slashed_day, everywhere=True),
    Inside("time with slashes", slashed_time),
    Inside("basic time", basic_time),
    Inside("time with a space", spaced_time),
)
