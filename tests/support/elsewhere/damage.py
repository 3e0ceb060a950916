"""What becomes of a document on its way: ways that can be undone, and ways that cannot."""

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.support.elsewhere.schemas import SCHEMAS, Json

_FREE: Final[tuple[str, ...]] = ("labels", "tier", "team", "would_recommend", "comment")
"""Members under which anything may stand, and optional ones of an open schema: a slip there leaves it valid."""
Place = tuple[Any, Any]
"""A container, and the key or index in it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A text as it arrives, with the document that it was."""

    kind: str
    schema: dict[str, Json]
    text: str
    original: dict[str, Json]


def _places(node: Json) -> Iterator[Place]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, one in list(pairs):
        yield node, key
        yield from _places(one)


def _of(document: Json, wanted: Callable[[Json], bool]) -> list[Place]:
    return [(node, key) for node, key in _places(document) if wanted(node[key])]


def _change(document: Json, rng: random.Random, wanted: Callable[[Json], bool], made: Callable[[Json], Json]) -> Json:
    changed = copy.deepcopy(document)
    found = _of(changed, wanted)
    if not found:
        return None
    node, key = rng.choice(found)
    node[key] = made(node[key])
    return changed


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_long(value: Json) -> bool:
    return _is_number(value) and value > 1000 and value != int(value)


def _is_day(value: Json) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None


def _is_moment(value: Json) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", value) is not None


def _dump(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False)


def _renamed(document: Json, rng: random.Random, name: Callable[[str], str]) -> Json:
    changed = copy.deepcopy(document)
    keys = [(node, key) for node, key in _places(changed) if isinstance(key, str) and len(key) > 5 and name(key) != key]
    keys = [(node, key) for node, key in keys if key not in _FREE]
    if not keys:
        return None
    node, key = rng.choice(keys)
    node[name(key)] = node.pop(key)
    return changed


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(one.title() for one in rest)


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).replace("_", "-").lower()


def _swapped(name: str) -> str:
    return name[:2] + name[3] + name[2] + name[4:] if name[2] != name[3] and "_" not in name[2:4] else name


def _doubled(name: str) -> str:
    return name[:3] + name[2] + name[3:]


def _lost_bracket(text: str, rng: random.Random) -> str | None:
    found = [one.start() for one in re.finditer(r"[\]}](?=\s*[}\]]\s*,)", text)]
    if not found:
        return None
    at = rng.choice(found)
    return text[:at] + text[at + 1 :]


_IN_DOCUMENT: Final[dict[str, Callable[[Json, random.Random], Json]]] = {
    "a number as text": lambda d, r: _change(d, r, _is_number, str),
    "a number padded": lambda d, r: _change(d, r, _is_number, lambda v: f" {v} "),
    "a number grouped": lambda d, r: _change(d, r, _is_long, lambda v: f"{v:,}"),
    "yes and no": lambda d, r: _change(d, r, lambda v: isinstance(v, bool), lambda v: "yes" if v else "no"),
    "truth as text": lambda d, r: _change(d, r, lambda v: isinstance(v, bool), str),
    "a day with slashes": lambda d, r: _change(d, r, _is_day, lambda v: v.replace("-", "/")),
    "a day the other way round": lambda d, r: _change(d, r, _is_day, lambda v: "/".join(reversed(v.split("-")))),
    "a moment with a space": lambda d, r: _change(d, r, _is_moment, lambda v: v.replace("T", " ")),
    "an object as text": lambda d, r: _change(d, r, lambda v: isinstance(v, dict), _dump),
    "a list as text": lambda d, r: _change(d, r, lambda v: isinstance(v, list), _dump),
    "a value in a list": lambda d, r: _change(d, r, lambda v: isinstance(v, bool) or _is_day(v), lambda v: [v]),
    "camel case": lambda d, r: _renamed(d, r, _camel),
    "kebab case": lambda d, r: _renamed(d, r, _kebab),
    "upper case": lambda d, r: _renamed(d, r, str.upper),
    "swapped letters": lambda d, r: _renamed(d, r, _swapped),
    "a doubled letter": lambda d, r: _renamed(d, r, _doubled),
    "an envelope": lambda d, _: {"data": d},
    "an envelope with a status": lambda d, _: {"status": "ok", "result": d},
    "a list of one": lambda d, _: [d],
}

_IN_TEXT: Final[dict[str, Callable[[str, random.Random], str | None]]] = {
    "a fence": lambda t, _: f"```json\n{t}\n```",
    "prose and a fence": lambda t, _: f"Sure, here you go:\n\n```json\n{t}\n```\nLet me know!",
    "thoughts": lambda t, _: f"<think>maybe {{}}?</think>\n{t}",
    "trailing commas": lambda t, _: re.sub(r"([}\]])", r",\1", t.replace("[]", "[ ]")) if "[]" not in t else None,
    "comments": lambda t, _: "// from the depot\n" + t.replace("{", "{ /* one */ ", 1),
    "single quotes": lambda t, _: None if "'" in t else t.replace('"', "'"),
    "typographic quotes": lambda t, _: re.sub(r'"([^"]*)"', "\u201c\\1\u201d", t),
    "keys without quotes": lambda t, _: re.sub(r'"(\w+)":', r"\1:", t),
    "no commas between lines": lambda t, _: json.dumps(json.loads(t), indent=2, ensure_ascii=False).replace(
        ",\n", "\n"
    ),
    "a list of Python": lambda t, _: repr(json.loads(t)),
    "escaped once more": lambda t, _: json.dumps(t),
    "inside of a string": lambda t, _: json.dumps(t)[1:-1],
    "a call around it": lambda t, _: f"callback({t});",
    "an assignment": lambda t, _: f"const result = {t};",
    "a bracket lost within": _lost_bracket,
    "line breaks as escapes": lambda t, _: json.dumps(json.loads(t), indent=1, ensure_ascii=False).replace("\n", "\\n"),
    "a byte order mark": lambda t, _: "\ufeff" + t,
    "doubled quotes": lambda t, _: '"' + t.replace('"', '""') + '"',
}

_OTHERS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "event": (("starts_at", "ends_before"), ("reminder_minutes", "reminder_hours"), ("attendees", "absentees")),
    "invoice": (("total_gross", "total_net"), ("unit_price", "unit_cost"), ("paid", "unpaid"), ("issued_on", "due_on")),
    "workload": (("memoryMiB", "memoryGiB"), ("replicas", "retries"), ("hostNetwork", "guestNetwork")),
    "survey": (("submitted_on", "admitted_on"), ("rating", "ranking"), ("answers", "questions")),
    "readings": (("celsius", "fahrenheit"), ("celsius", "kelvin"), ("humidity_percent", "humidity_ratio")),
    "route": (
        ("distance_km", "distance_mi"),
        ("lat", "alt"),
        ("departs_on", "arrives_on"),
        ("wait_minutes", "wait_seconds"),
    ),
}
"""Names that mean something else, near those that the schema has."""


def _quoted(document: Json, rng: random.Random) -> str | None:
    changed = _change(document, rng, lambda v: isinstance(v, str) and " " in v, lambda v: v.replace(" ", " @q@x@q@, "))
    return None if changed is None else _dump(changed).replace("@q@", '"')


def _other_name(name: str, document: Json, rng: random.Random) -> Json:
    before, after = rng.choice(_OTHERS[name])
    changed = copy.deepcopy(document)
    for node, key in [*_places(changed)]:
        if key == before:
            node[after] = node.pop(key)
            return changed
    return None


_REQUIRED: Final[tuple[str, ...]] = ("title", "issued_on", "spec", "answers", "celsius", "stops")
_LISTED: Final[tuple[str, ...]] = (
    *("accepted", "declined", "tentative", "EUR", "USD", "AUD", "JPY", "Always", "OnFailure", "Never"),
    *("van", "truck", "good", "suspect"),
)
_LOST: Final[dict[str, Callable[[Json, random.Random], str | None]]] = {
    "cut off": lambda d, r: _dump(d)[: r.randint(20, len(_dump(d)) - 2)],
    "a value of another list": lambda d, r: _text(_change(d, r, lambda v: v in _LISTED, lambda _: "turquoise")),
    "a number out of range": lambda d, r: _text(_change(d, r, _is_bounded, lambda _: -(10**7))),
    "a unit in a number": lambda d, r: _text(_change(d, r, _is_number, lambda v: f"{v} kg")),
    "a joined list": lambda d, r: _text(_change(d, r, lambda v: isinstance(v, list) and len(v) > 1, lambda _: "a, b")),
    "a required member lost": lambda d, _: _dump({k: v for k, v in d.items() if k not in _REQUIRED}),
    "quotes within quotes": _quoted,
    "an error": lambda *_: _dump({"error": "quota", "data": None}),
    "nothing": lambda *_: "I could not find any.",
    "a draft": lambda d, _: "<think>" + _dump(d) + " hmm",
    "left out": lambda d, _: _dump(d)[:-1] + ", ...}",
}


def _is_bounded(value: Json) -> bool:
    return _is_number(value) and value != 0


def _text(document: Json) -> str | None:
    return None if document is None else _dump(document)


def damaged(seed: int, count: int) -> list[Sent]:
    """Give texts that can be restored, of each kind on each schema in turn."""
    rng = random.Random(seed)
    kinds = [*((name, True) for name in _IN_DOCUMENT), *((name, False) for name in _IN_TEXT)]
    found: list[Sent] = []
    while len(found) < count:
        for name, in_document in kinds:
            trade = rng.choice([*SCHEMAS])
            schema, make = SCHEMAS[trade]
            document = make(rng)
            text = _text(_IN_DOCUMENT[name](document, rng)) if in_document else _IN_TEXT[name](_dump(document), rng)
            if text is not None:
                found.append(Sent(f"{trade}: {name}", schema, text, document))
    return found[:count]


def lost(seed: int, count: int) -> list[Sent]:
    """Give texts that nobody can restore without a guess."""
    rng = random.Random(seed)
    found: list[Sent] = []
    while len(found) < count:
        for name in ("another name", "two documents", *_LOST):
            trade = rng.choice([*SCHEMAS])
            schema, make = SCHEMAS[trade]
            document = make(rng)
            match name:
                case "another name":
                    text = _text(_other_name(trade, document, rng))
                case "two documents":
                    text = f"{_dump(document)}\n{_dump(make(rng))}"
                case _:
                    text = _LOST[name](document, rng)
            if text is not None:
                found.append(Sent(f"{trade}: {name}", schema, text, document))
    return found[:count]


def whole(seed: int, count: int) -> list[Sent]:
    """Give valid documents, written in every way that JSON allows; an open schema's with members of their own."""
    rng = random.Random(seed)
    found: list[Sent] = []
    for n in range(count):
        trade = [*SCHEMAS][n % len(SCHEMAS)]
        schema, make = SCHEMAS[trade]
        document = make(rng)
        if trade == "survey":
            document |= {"languages": ["en"], "would_recomend": "maybe", "error": "none"}
        text = json.dumps(document, ensure_ascii=n % 2 == 0, indent=rng.choice([None, 1, "\t"]), sort_keys=n % 3 == 0)
        found.append(Sent(f"{trade}: as it is", schema, text, document))
    return found
