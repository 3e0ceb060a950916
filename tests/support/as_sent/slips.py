"""Slips within a document: a value of a neighbouring type, a key in another case, a place that is wrapped."""

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tests.support.as_sent.places import Path, one_place, renamed, replaced

Json: TypeAlias = Any
Slip: TypeAlias = Callable[[random.Random, Json], Json | None]

_FREE: Final = frozenset({"data", "parameters", "labels", "scripts", "dependencies", "features", "paths", "responses"})
"""Below these any key, or any value, may stand."""
_WORDS: Final = frozenset({
    "pending", "paid", "in_transit", "delivered", "accepted", "declined", "tentative", "low", "normal", "urgent",
    "http_request", "transform", "home", "work", "mobile", "debug", "info", "warning", "error", "query", "path",
})  # fmt: skip
_LISTED: Final = frozenset({"status", "priority", "response", "action", "kind", "log_level", "in"})
"""Keys whose value is one of a list."""


def _is_text(value: Json, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_long_key(path: Path, _: Json) -> bool:
    return bool(path) and isinstance(path[-1], str) and len(path[-1]) > 6 and not _is_free(path)


def _is_free(path: Path) -> bool:
    return any(step in _FREE for step in path[:-1])


def _at(rng: random.Random, document: Json, fits: Callable[[Path, Json], bool], change: Callable[[Json], Json]) -> Json:
    found = one_place(rng, document, lambda path, value: bool(path) and not _is_free(path) and fits(path, value))
    return None if found is None else replaced(document, found[0], change(found[1]))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _quoted_number(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_number(value), str)


def _padded_number(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_number(value), lambda value: f" {value} ")


def _signed_number(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_number(value) and value > 0, lambda value: f"+{value}")


def _whole_as_decimal(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: isinstance(value, int) and not isinstance(value, bool),
               lambda value: f"{value}.0")  # fmt: skip


def _quoted_truth(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: isinstance(value, bool), lambda value: _spelt(rng, str(value)))


def _spelt(rng: random.Random, word: str) -> str:
    return rng.choice([word, word.lower(), word.upper()])


def _truth_in_words(rng: random.Random, document: Json) -> Json:
    words = rng.choice([("yes", "no"), ("Yes", "No"), ("Y", "N"), ("1", "0")])
    return _at(rng, document, lambda _, value: isinstance(value, bool), lambda value: words[not value])


def _truth_as_number(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: isinstance(value, bool), int)


def _another_case_of_a_word(rng: random.Random, document: Json) -> Json:
    spell = rng.choice([str.upper, str.title, lambda word: word.replace("_", " "), lambda word: word.replace("_", "-"),
                        lambda word: f" {word}"])  # fmt: skip
    changed = _at(
        rng, document, lambda path, value: isinstance(value, str) and value in _WORDS and path[-1] in _LISTED, spell
    )
    return None if changed == document else changed


def _moment_with_a_space(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_moment(value), lambda value: value.replace("T", " "))


def _moment_without_colon(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_moment(value), lambda value: value.replace("Z", "+0000"))


def _is_moment(value: Json) -> bool:
    return _is_text(value, r"\d{4}-\d\d-\d\dT[\d:]{8}Z")


def _day_with_slashes(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_day(value), lambda value: value.replace("-", "/"))


def _day_with_a_month_in_words(rng: random.Random, document: Json) -> Json:
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    def spelt(value: str) -> str:
        year, month, day = value.split("-")
        return f"{int(day)} {months[int(month) - 1]} {year}"

    return _at(rng, document, lambda _, value: _is_day(value), spelt)


def _is_day(value: Json) -> bool:
    return _is_text(value, r"\d{4}-\d\d-\d\d")


def _uuid_in_braces(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda path, _: path[-1] == "uid", lambda value: value.replace("-", ""))


def _object_as_text(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: isinstance(value, dict) and len(value) > 0, json.dumps)


def _list_as_text(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: isinstance(value, list) and len(value) > 1, json.dumps)


def _object_in_a_list(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: isinstance(value, dict) and len(value) > 0, lambda value: [value])


def _list_in_a_list(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: isinstance(value, list) and len(value) > 0, lambda value: [value])


def _is_one_object(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)


def _single_for_a_list(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_one_object(value), lambda value: value[0])


def _number_for_text(rng: random.Random, document: Json) -> Json:
    return _at(rng, document, lambda _, value: _is_text(value, r"[1-9]\d{0,8}"), int)


def _recased(rng: random.Random, document: Json) -> Json:
    style = rng.choice([_camel, _snake, _kebab, _pascal, _spaced, _shouted])

    def again(value: Json, free: bool) -> Json:
        if isinstance(value, dict):
            return {key if free else style(key): again(one, free or key in _FREE) for key, one in value.items()}
        return [again(one, free) for one in value] if isinstance(value, list) else value

    changed = again(document, False)
    return None if changed == document else changed


def _one_key_recased(rng: random.Random, document: Json) -> Json:
    found = one_place(rng, document, lambda path, _: bool(path) and isinstance(path[-1], str) and not _is_free(path))
    if found is None:
        return None
    name = str(found[0][-1])
    key = rng.choice([name.upper(), _pascal(name), _snake(name), _kebab(name), f" {name}", f"{name} "])
    return None if key == found[0][-1] else renamed(document, found[0], key)


def _letters_swapped(rng: random.Random, document: Json) -> Json:
    found = one_place(rng, document, _is_long_key)
    if found is None:
        return None
    key = str(found[0][-1])
    at = rng.randint(1, len(key) - 3)
    if key[at] == key[at + 1] or not key[at : at + 2].isalpha() or not key[at : at + 2].islower():
        return None
    return renamed(document, found[0], key[:at] + key[at + 1] + key[at] + key[at + 2 :])


def _letter_doubled(rng: random.Random, document: Json) -> Json:
    found = one_place(rng, document, _is_long_key)
    if found is None:
        return None
    key = str(found[0][-1])
    at = rng.randint(1, len(key) - 3)
    return renamed(document, found[0], key[: at + 1] + key[at:]) if key[at].isalpha() and key[at].islower() else None


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def _camel(name: str) -> str:
    first, *rest = _words(name)
    return first + "".join(word.capitalize() for word in rest)


def _snake(name: str) -> str:
    return "_".join(_words(name))


def _kebab(name: str) -> str:
    return "-".join(_words(name))


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in _words(name))


def _spaced(name: str) -> str:
    return " ".join(word.capitalize() for word in _words(name))


def _shouted(name: str) -> str:
    return "_".join(_words(name)).upper()


SLIPS: Final[Mapping[str, Slip]] = {
    "a number in quotes": _quoted_number,
    "a number in quotes and spaces": _padded_number,
    "a number with its plus": _signed_number,
    "a whole number as a decimal": _whole_as_decimal,
    "a truth in quotes": _quoted_truth,
    "a truth in words": _truth_in_words,
    "a truth as a number": _truth_as_number,
    "another case of a word": _another_case_of_a_word,
    "a moment with a space": _moment_with_a_space,
    "a moment without a colon": _moment_without_colon,
    "a day with slashes": _day_with_slashes,
    "a day in words": _day_with_a_month_in_words,
    "an id without dashes": _uuid_in_braces,
    "an object as text": _object_as_text,
    "a list as text": _list_as_text,
    "an object in a list": _object_in_a_list,
    "a list in a list": _list_in_a_list,
    "one for a list": _single_for_a_list,
    "a number for a text": _number_for_text,
    "all keys in another case": _recased,
    "a key in another case": _one_key_recased,
    "letters of a key swapped": _letters_swapped,
    "a letter of a key doubled": _letter_doubled,
}
"""Each gives a document that stands for the one it was made of; None where it does not apply."""
