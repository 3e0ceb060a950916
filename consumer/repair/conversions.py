"""Type conversions: what a value of the wrong type or form may stand for, one step each, with its cost. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from consumer.repair import date_forms, scalar_forms
from consumer.repair.envelope_members import WRAPPERS, is_set_aside, is_transport, may_be_dropped, reports_failure
from consumer.repair.fit import Step
from consumer.repair.key_names import near, plain, says_the_measure
from consumer.repair.leaf_rules import Leaf
from consumer.repair.readings import decoded, fenced_part
from consumer.repair.string_reader import ParseError
from consumer.repair.values import Json, RefusalCause
from schemas.names import Grade
from schemas.value import value

UNQUOTE: Final = 10
RESPELL: Final = 10
WORD: Final = 20
DATE: Final = 20
WRAP: Final = 20
DECODE: Final = 20
ENVELOPE: Final = 30
BESIDES: Final = 10
_MAX_BESIDE: Final = 12
_JOINTS: Final = re.compile(
    r"[,;|\n\t\u2022\u00b7\u3001\uff0c\uff1b\u061b\u060c]|\s[-*&/+\u2013]\s|^[-*\u2013]\s|\s(?:and|or|und|oder|et|ou|y|o|e)\s"
    r"|(?:^|\s)\(?\d{1,2}[.)]\s|\s>\s|[\u2192\u21d2]|[-=]>|\\[nrt]",
    re.IGNORECASE,
)
"""What stands between the items of a list that is written as one text."""
_WITHIN_WORDS: Final = re.compile(r"[^\W\d_]{2}[/&+\u2192\u21d2>][^\W\d_]{2}")
_ADDRESS: Final = re.compile(
    r"[a-z][a-z0-9+.\-]*:|[/.~\\]|(?:application|text|image|audio|video|font|multipart|message|model)/|[\w.\-]+\.\w+/",
    re.IGNORECASE,
)
"""Where a text is a URI, a path or a media type, a slash joins no items."""
_NOTHING: Final = frozenset({"none", "null", "nil", "n/a", "na", "-", "--", "undefined", "nan", "empty", "[]", "{}"})
_MAX_DEPTH: Final = 6
_MAX_PAIRS: Final = 1_000
_SURE_LENGTH: Final = 4


@value(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A candidate value that another one may stand for, with its cost and edit."""

    value: Json
    cost: float
    step: Step
    gives_up: tuple[str, ...] = ()
    """Names of the members that are lost."""


def _replace(value: Json, old: Json, cost: float, kind: str, reason: str) -> Conversion:
    return Conversion(value=value, cost=cost, step=Step(op="replace", value=value, old=old, kind=kind, reason=reason))


def of_text(text: str, leaf: Leaf) -> Iterator[Conversion]:
    """Yield what a string may stand for; raises ParseError where it holds truncated JSON."""
    wanted = leaf.types
    if leaf.members is not None:
        for member, far, how in scalar_forms.nearest(text, leaf.members):
            yield _replace(member, text, RESPELL * (far or 1), "listed_value", f"a listed value, {how}")
    inner = _decode(text, leaf)
    if inner is not None:
        yield inner
        if isinstance(inner.value, dict | list) or (isinstance(inner.value, str) and _is_json_text(inner.value)):
            return
    if "number" in wanted or "integer" in wanted:
        yield from _parse_numbers(text, leaf)
    if "boolean" in wanted and (truth := scalar_forms.truth(text)) is not None:
        cost = UNQUOTE if text.strip().lower() in {"true", "false"} else WORD
        yield _replace(truth, text, cost, "truth_value", "a truth value in words")
    if "null" in wanted and text.strip().lower() in {"null", "none"}:
        yield _replace(None, text, UNQUOTE, "unquoted", "a quoted null")
    if "string" in wanted:
        yield from _reformat(text, leaf)
    if "array" in wanted and "string" not in wanted and not _is_joined(text):
        yield _replace([text], text, WRAP, "put_in_list", "a single value where a list belongs")


def _parse_numbers(text: str, leaf: Leaf) -> Iterator[Conversion]:
    readings = list((scalar_forms.numbers if "number" in leaf.types else scalar_forms.integers)(text))
    if len(readings) > 1:  # whatever limit the schema sets: the value may be the one that violates it
        raise ParseError(RefusalCause.AMBIGUOUS, "a number that can be read in two ways")
    for number, how in readings:
        yield _replace(number, text, UNQUOTE, "unquoted", how)


def _reformat(text: str, leaf: Leaf) -> Iterator[Conversion]:
    bare = text.strip()
    if bare != text and (leaf.formats or leaf.patterns):
        yield _replace(bare, text, RESPELL, "trimmed", "white space around it")
    for name in leaf.formats:
        match name:
            case "date":
                forms: Iterator[str] = date_forms.dates(text)
            case "date-time":
                forms = date_forms.date_times(text)
            case "uuid" if (dashed := scalar_forms.uuid_of(text)) is not None:
                forms = iter((dashed,))
            case _:
                continue
        for form in forms:
            if form not in {text, bare}:
                yield _replace(form, text, DATE, "reformatted", f"a {name} in another form")


def _decode(text: str, leaf: Leaf) -> Conversion | None:
    if not leaf.types.isdisjoint({"object", "array"}) and (part := fenced_part(text)) is not None:
        return _replace(decoded(part), text, DECODE, "decoded", "JSON in a fence within a string")
    start = text.lstrip()[:1]
    if start == '"' or (start in {"{", "["} and not leaf.types.isdisjoint({"object", "array"})):
        try:
            value = decoded(text.strip())
        except ParseError as unread:
            if start != '"' and unread.cause in {RefusalCause.TRUNCATED, RefusalCause.TOO_DEEP, RefusalCause.AMBIGUOUS}:
                raise
            return None
        return _replace(value, text, DECODE, "decoded", "JSON within a string")
    return None


def _is_joined(text: str) -> bool:
    """Return whether the text may be a list in one string, or is empty: neither is one item."""
    words, bare = text.split(), text.strip()
    if not words or bare.lower() in _NOTHING or _JOINTS.search(bare):
        return True
    if _WITHIN_WORDS.search(bare) and not _ADDRESS.match(bare):
        return True
    return len(words) > 1 and all(any(not letter.isalpha() for letter in word) for word in words)


def of_number(value: int | float, leaf: Leaf) -> Iterator[Conversion]:  # noqa: PYI041 - an integer is one of its own
    """Yield what a number may stand for."""
    wanted = leaf.types
    if leaf.members is not None:
        for member, far, how in scalar_forms.nearest(value, leaf.members):
            yield _replace(member, value, RESPELL * far, "listed_value", f"a listed value, {how}")
    if "boolean" in wanted and value in {0, 1} and not isinstance(value, float):
        yield _replace(bool(value), value, WORD, "truth_value", "a truth value as 0 or 1")
    if "string" in wanted and leaf.members is None and isinstance(value, int):
        yield _replace(str(value), value, WORD, "quoted", "a string without its quotes")
    yield from of_any(value, leaf)


def of_any(value: Json, leaf: Leaf) -> Iterator[Conversion]:
    """Yield the list that a single value may stand for."""
    if "array" in leaf.types and value is not None and not leaf.may_be(value):
        yield _replace([value], value, WRAP, "put_in_list", "a single value where a list belongs")


def of_list(items: list[Json], leaf: Leaf, *, nested: bool) -> Iterator[Conversion]:
    """Yield what a list of one item may stand for; `nested` means that no list is wanted within the list."""
    is_inner = nested and len(items) == 1 and (isinstance(items[0], list) or _is_answer_part(items[0]))
    may = len(items) == 1 and ("array" not in leaf.types or is_inner)
    if may and items[0] is not None:
        step = Step(
            op="move", value=items[0], old=[], origin=("0",), kind="taken_out_of_list", reason="a list around one value"
        )
        yield Conversion(value=items[0], cost=WRAP, step=step)
    if len(items) > 1 and _is_answer_part(items[-1]) and all(map(_is_thought, items[:-1])):
        step = Step(
            op="move",
            value=items[-1],
            old=items[:-1],
            origin=(str(len(items) - 1),),
            grade=Grade.LOSSY,
            kind="unwrapped",
            reason="the answer behind the thoughts of a model",
        )
        yield Conversion(value=items[-1], cost=WRAP, step=step)


def put_in_object(items: list[Json], name: str) -> Conversion:
    """Return the object with the one list that a bare list may stand for."""
    return _replace(
        {name: items}, items, ENVELOPE, "put_in_object", "a bare list where an object with one list belongs"
    )


def of_object(members: dict[str, Json], leaf: Leaf, names: frozenset[str]) -> Iterator[Conversion]:
    """Yield what an envelope may hold; `names` are the canonical names of the members expected in it."""
    if "array" in leaf.types and members and list(members) == [str(place) for place in range(len(members))]:
        yield _replace(list(members.values()), dict(members), ENVELOPE, "listed", "a list as an object of numbers")
    if len(members) > _MAX_BESIDE or reports_failure(members):
        return
    for key, inner in members.items():
        if not _may_hold(key, inner, leaf, names) or is_set_aside(key):
            continue
        others = {name: value for name, value in members.items() if name != key}
        if any(says_the_measure(name, value) for name, value in others.items()):
            continue
        if not _is_structure(inner) and not all(is_transport(name, value) for name, value in others.items()):
            continue
        inside = names_inside(inner)
        apart = {name: value for name, value in others.items() if plain(name) not in inside}
        if not may_be_dropped(apart, known=plain(key) in WRAPPERS or _is_wholly(inner, names)):
            continue
        step = Step(
            op="move",
            value=inner,
            old=dict(others),
            origin=(key,),
            grade=Grade.LOSSY if others else Grade.LOSSLESS,
            kind="unwrapped",
            reason="an envelope around it" + (", with what is said beside it" if others else ""),
        )
        yield Conversion(value=inner, cost=ENVELOPE + BESIDES * bool(others), step=step, gives_up=tuple(others))


def speaks_of(value: Json, names: frozenset[str], deep: int = _MAX_DEPTH) -> bool:
    """Return whether a value contains at least one of the expected members, through further envelopes."""
    match value:
        case dict():
            if any(plain(key) in names for key in value) or _is_near(value, names):
                return True
            return deep > 0 and any(speaks_of(inner, names, deep - 1) for inner in list(value.values())[:_MAX_BESIDE])
        case list():
            return deep > 0 and len(value) > 0 and speaks_of(value[0], names, deep - 1)
        case str():
            return _is_json_text(value) and (not names or deep == 0 or _text_speaks_of(value, names, deep))
        case _:
            return False


def names_inside(inner: Json) -> frozenset[str]:
    """Return the canonical names of an object's members, also where the object is written as a text."""
    if isinstance(inner, str) and _is_json_text(inner):
        try:
            inner = decoded(fenced_part(inner) or inner.strip())
        except ParseError:
            return frozenset()
    return frozenset(map(plain, inner)) if isinstance(inner, dict) else frozenset()


def _is_thought(item: Json) -> bool:
    return isinstance(item, dict) and item.get("type") in {"thinking", "redacted_thinking", "reasoning", "thought"}


def _is_answer_part(item: Json) -> bool:
    """Return whether an item is the one part of a model's answer: a block of text, or a choice with its message."""
    if not isinstance(item, dict):
        return False
    message = item.get("message")
    text = (
        item.get("text")
        if item.get("type") == "text"
        else message.get("content")
        if isinstance(message, dict)
        else None
    )
    return isinstance(text, str) and _is_json_text(text)


def _is_near(members: dict[str, Json], names: frozenset[str]) -> bool:
    if len(members) * len(names) > _MAX_PAIRS:
        return False
    return any(len(name) >= _SURE_LENGTH and near(key, name) is not None for key in members for name in names)


def _text_speaks_of(text: str, names: frozenset[str], deep: int) -> bool:
    try:
        return speaks_of(decoded(fenced_part(text) or text.strip()), names, deep - 1)
    except ParseError:
        return True  # undecidable: it may


def _is_json_text(text: str) -> bool:
    return text.lstrip()[:1] in {"{", "[", '"'} or fenced_part(text) is not None


def _may_hold(key: str, inner: Json, leaf: Leaf, names: frozenset[str]) -> bool:
    known = plain(key) in WRAPPERS
    if not known and not key.isascii():  # what its name says is not known
        return False
    match inner:
        case None:
            return False
        case dict() | list() if "object" in leaf.types or "array" in leaf.types:
            # A map has members of any name: only a known wrapper name identifies an envelope around one.
            return speaks_of(inner, names) if names else known or isinstance(inner, list)
        case _:
            return known


def _is_wholly(inner: Json, names: frozenset[str]) -> bool:
    return isinstance(inner, dict) and len(inner) > 1 and all(plain(key) in names for key in inner)


def _is_structure(inner: Json) -> bool:
    return isinstance(inner, dict | list) or (isinstance(inner, str) and _is_json_text(inner))
