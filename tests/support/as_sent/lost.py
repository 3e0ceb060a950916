"""What has no one answer: another meaning, a number that changed, what is lost, cut off or said twice."""

import copy
import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tests.support.as_sent.places import Path, holder, is_json, one_place, renamed, replaced
from tests.support.as_sent.schemas import Published

Json: TypeAlias = Any
Loss: TypeAlias = Callable[[random.Random, Json, Published], str | None]


_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T.*)?")
_BEYOND: Final[Mapping[str, float]] = {
    "batteryPercent": 140, "latitude": 912.5, "listen_port": 70000, "timeout_seconds": 10**6, "ratio": 1.5,
    "total_cents": -5, "duration_minutes": 1, "temperatureCelsius": 300.5, "replicas": -1, "seconds": 0,
}  # fmt: skip


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FREE: Final = frozenset(
    {"data", "parameters", "labels", "scripts", "dependencies", "features", "paths", "responses", "info"}
)


def _with(
    rng: random.Random, document: Json, fits: Callable[[Path, Json], bool], change: Callable[[Json], Json]
) -> str | None:
    found = one_place(
        rng, document, lambda path, value: bool(path) and not any(step in _FREE for step in path) and fits(path, value)
    )
    return None if found is None else json.dumps(replaced(document, found[0], change(found[1])))


def _another_meaning(rng: random.Random, document: Json, published: Published) -> str | None:
    keys = [key for key in published.others if isinstance(document, dict) and key in document]
    if not keys:
        return None
    key = rng.choice(keys)
    return json.dumps(renamed(document, (key,), rng.choice(published.others[key])))


def _number_with_a_unit(rng: random.Random, document: Json, _: Published) -> str | None:
    unit = rng.choice([" s", "ms", " kg", " min", "h", " GB", "k", "M", " pcs", "°", " km/h", " items"])
    return _with(rng, document, lambda _, value: _is_number(value), lambda value: f"{value}{unit}")


def _number_with_a_currency(rng: random.Random, document: Json, _: Published) -> str | None:
    spell = rng.choice(["${}", "€ {}", "{} EUR", "USD {}", "{} zł", "£{}", "{}¢"])
    return _with(rng, document, lambda _, value: _is_number(value), spell.format)


def _number_about(rng: random.Random, document: Json, _: Published) -> str | None:
    spell = rng.choice(
        ["~{}", "about {}", "{}?", "{}-{}", "<{}", ">= {}", "{}%", "{}+", "{} or so", "±{}", "{}/{}", "{}!"]
    )
    return _with(rng, document, lambda _, value: _is_number(value), lambda value: spell.format(value, value))


def _number_in_two_ways(rng: random.Random, document: Json, _: Published) -> str | None:
    return _with(
        rng,
        document,
        lambda _, value: _is_number(value),
        lambda _: rng.choice(["1.234.5", "2,50", "1 2", "0x1F", "12e"]),
    )


def _number_as_words(rng: random.Random, document: Json, _: Published) -> str | None:
    return _with(
        rng,
        document,
        lambda _, value: _is_number(value),
        lambda _: rng.choice(["two", "a few", "N/A", "", "unknown", "TBD", "-", "null"]),
    )


def _truth_unknown(rng: random.Random, document: Json, _: Published) -> str | None:
    return _with(
        rng,
        document,
        lambda _, value: isinstance(value, bool),
        lambda _: rng.choice(["maybe", "unknown", "", 2, -1, "partly", "not false", "?", "t/f"]),
    )


def _null_for_something(rng: random.Random, document: Json, _: Published) -> str | None:
    nullable = {"subject", "assignee", "lastError", "recurrence", "datacontenttype", "time", "note", "birthday",
                "description", "city", "engines", "namespace", "deprecated", "tags", "parameters", "node"}  # fmt: skip
    return _with(rng, document, lambda path, value: value is not None and path[-1] not in nullable, lambda _: None)


def _member_lost(rng: random.Random, document: Json, published: Published) -> str | None:
    required = published.schema.get("required", [])
    keys = [
        key
        for key in required
        if isinstance(document, dict) and key in document and "const" not in published.schema["properties"][key]
    ]
    if not keys:
        return None
    made = dict(document)
    del made[rng.choice(keys)]
    return json.dumps(made)


def _unknown_word(rng: random.Random, document: Json, _: Published) -> str | None:
    listed = {"status", "priority", "response", "action", "log_level", "protocol"}
    words = [
        "unpaid",
        "not paid",
        "undelivered",
        "un-cancelled",
        "refunded",
        "accepted?",
        "critical",
        "none",
        "accept/decline",
        "in",
    ]
    return _with(rng, document, lambda path, _: path[-1] in listed, lambda _: rng.choice(words))


def _beyond_the_limit(rng: random.Random, document: Json, _: Published) -> str | None:
    found = one_place(rng, document, lambda path, _: bool(path) and path[-1] in _BEYOND)
    if found is None:
        return None
    value = _BEYOND[str(found[0][-1])]
    return json.dumps(replaced(document, found[0], rng.choice([value, str(value)])))


def _day_in_two_ways(rng: random.Random, document: Json, _: Published) -> str | None:
    return _with(
        rng,
        document,
        lambda _, value: isinstance(value, str) and _DAY.fullmatch(value) is not None,
        lambda _: rng.choice(
            ["03/04/2024", "4.5.24", "next Monday", "1717243200", "2024-02-30", "05-06-07", "2024-13-01"]
        ),
    )


def _cut_off(rng: random.Random, document: Json, _: Published) -> str:
    text = json.dumps(document, indent=rng.choice([None, 2]))
    return text[: rng.randint(len(text) // 3, len(text) - 1)]


def _cut_off_in_a_fence(rng: random.Random, document: Json, published: Published) -> str:
    return f"Here it is:\n```json\n{_cut_off(rng, document, published).rstrip()}\n```"


def _cut_off_encoded(rng: random.Random, document: Json, _: Published) -> str:
    text = json.dumps(json.dumps(document))
    return text[: rng.randint(len(text) // 3, len(text) - 2)]


def _cut_at_the_head(rng: random.Random, document: Json, _: Published) -> str:
    text = json.dumps(document)
    return text[rng.randint(1, len(text) // 2) :]


def _cut_in_the_middle(rng: random.Random, document: Json, _: Published) -> str | None:
    text = json.dumps(document)
    at = rng.randint(len(text) // 4, len(text) // 2)
    cut = f"{text[:at]} ... {text[at + len(text) // 8 :]}"
    return None if is_json(cut) else cut


def _quotes_within_quotes(_: random.Random, document: Json, __: Published) -> str | None:
    text = json.dumps(document)
    return text.replace('\\"', '"') if '\\"' in text else None


def _key_twice(rng: random.Random, document: Json, _: Published) -> str | None:
    if not isinstance(document, dict):
        return None
    found = one_place(rng, document, lambda path, value: len(path) == 1 and _is_number(value))
    if found is None:
        return None
    return f"{{{json.dumps(found[0][0])}: {found[1] + 1}, {json.dumps(document)[1:]}"


def _two_documents(rng: random.Random, document: Json, published: Published) -> str | None:
    other = published.make(rng)
    return f"{json.dumps(document)}\n{json.dumps(other)}" if other != document else None


def _a_draft_and_an_answer(rng: random.Random, document: Json, published: Published) -> str | None:
    other = published.make(rng)
    return None if other == document else f"First try: {json.dumps(other)}\nBetter: {json.dumps(document)}"


def _thoughts_alone(_: random.Random, document: Json, __: Published) -> str:
    return f"<think>It could be {json.dumps(document)}, but I am not"


def _an_error(rng: random.Random, document: Json, __: Published) -> str | None:
    answer = rng.choice([
        '{"error": {"code": 429, "message": "rate limited"}}', "<html><body>502 Bad Gateway</body></html>",
        "I'm sorry, but I can't help with that.", "null", "[]", "{}", '""', "Internal Server Error", "undefined",
        '{"status": "error", "data": null}',
    ])  # fmt: skip
    return None if answer == "[]" and isinstance(document, list) else answer


def _failed_envelope(rng: random.Random, document: Json, _: Published) -> str:
    return json.dumps(
        {
            **rng.choice([{"success": False}, {"status": "error"}, {"error": "stale copy"}, {"ok": False}]),
            "data": document,
        }
    )


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(one, str) for one in value)


def _items_joined(rng: random.Random, document: Json, _: Published) -> str | None:
    joint = rng.choice([", ", ";", " | ", " and ", "\n"])
    return _with(rng, document, lambda _, value: _is_texts(value), joint.join)


def _place_of_another(rng: random.Random, document: Json, _: Published) -> str | None:
    """A member that holds an object gets another member's text."""
    return _with(
        rng,
        document,
        lambda path, value: isinstance(value, dict) and len(value) > 1 and isinstance(path[-1], str),
        lambda _: rng.choice(["see above", "[object Object]", 7, True]),
    )


def _two_spellings(rng: random.Random, document: Json, _: Published) -> str | None:
    """The same member in two spellings, with two values: one of them may be right."""
    found = one_place(
        rng,
        document,
        lambda path, value: bool(path) and type(value) is int and not any(step in _FREE for step in path),
    )
    if found is None:
        return None
    made = copy.deepcopy(document)
    members = holder(made, found[0])
    key = str(found[0][-1])
    value = members.pop(key)
    members[key.upper()] = value
    members[key.title()] = value + 1
    return json.dumps(made)


LOSSES: Final[Mapping[str, Loss]] = {
    "another meaning": _another_meaning,
    "a number with a unit": _number_with_a_unit,
    "a number with a currency": _number_with_a_currency,
    "a number that is about": _number_about,
    "a number in two ways": _number_in_two_ways,
    "a number as words": _number_as_words,
    "a truth unknown": _truth_unknown,
    "null for something": _null_for_something,
    "a member lost": _member_lost,
    "an unknown word": _unknown_word,
    "beyond the limit": _beyond_the_limit,
    "a day in two ways": _day_in_two_ways,
    "cut off": _cut_off,
    "cut off in a fence": _cut_off_in_a_fence,
    "cut off, encoded": _cut_off_encoded,
    "cut at the head": _cut_at_the_head,
    "cut in the middle": _cut_in_the_middle,
    "quotes within quotes": _quotes_within_quotes,
    "a key twice": _key_twice,
    "two documents": _two_documents,
    "a draft and an answer": _a_draft_and_an_answer,
    "thoughts alone": _thoughts_alone,
    "an error": _an_error,
    "a failed envelope": _failed_envelope,
    "items joined": _items_joined,
    "something else in its place": _place_of_another,
    "two spellings": _two_spellings,
}
"""Each gives a text of which nothing but a refusal is right; None where it does not apply."""
