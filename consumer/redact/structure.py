"""Redacts JSON values: by field names, in strings and keys, and in JSON nested within strings. Pure.

Only strings, numbers and keys are replaced: the structure stays. A value without a secret is returned as the same
object; otherwise copies are made along the changed paths.
"""

import json
import re
from functools import lru_cache
from typing import Final

from pydantic_core import from_json

from consumer.model import Json
from consumer.redact.entropy import looks_like_a_credential
from consumer.redact.names import Kind, kind_of
from consumer.redact.pointers import Places, Walk
from consumer.redact.suspect import is_suspect
from consumer.redact.text import REDACTED, SCHEMES, is_hinted_secret, is_no_credential, redact_line
from schemas.names import SENT_PARTS

_REFERENCE: Final = re.compile(rf"(?:{SCHEMES} {{1,3}})?secret://[\w.-]{{1,128}}", re.ASCII | re.IGNORECASE)
_HARMLESS: Final = re.compile(r"[*•]{3,64}|include|omit|same-origin")
"""Harmless values under a secret's name: masked already, or a mode in which a browser sends credentials."""
_FEW: Final = 1000
_NAMES_OF_SCHEMAS: Final = frozenset(
    ("properties", "patternProperties", "$defs", "definitions", "schemas", "dependentSchemas")
)
_QUOTES_OF_SCHEMAS: Final = frozenset(("default", "example", "examples", "const", "enum", "x-example"))
_SCHEMA_WORDS: Final = _QUOTES_OF_SCHEMAS | frozenset(
    [
        "$ref",
        "type",
        "format",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "title",
        "description",
        "nullable",
        "readOnly",
        "writeOnly",
        "deprecated",
        "properties",
        "patternProperties",
        "additionalProperties",
        "required",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "$id",
        "$comment",
        "$anchor",
        "$schema",
        "$defs",
        "definitions",
        "minProperties",
        "maxProperties",
        "propertyNames",
        "contentEncoding",
        "contentMediaType",
        "discriminator",
        "xml",
        "externalDocs",
        "dependentRequired",
        "order",
    ]
)
_HEADER_NAME: Final = re.compile(
    r"(?:accept|access|authorization|cache|connection|content|cookie|host|if|origin|referer|set|user|vary|via|x)"
    r"(?:-[a-z]+){0,4}",
    re.IGNORECASE,
)
_PASSES: Final = 4
_LONGEST_CACHED: Final = 64


def redact_json(value: Json) -> tuple[Json, tuple[str, ...]]:
    """Return the value without its secrets, and the JSON Pointers of what was redacted.

    The same object is returned when nothing was redacted, otherwise a copy along the changed paths only. A reference
    `secret://NAME` is not a secret. Where very much was redacted the pointers lead to the outermost members, or to the
    value itself (an empty pointer). Recursive: the caller limits the depth of the value.
    """
    walk = Walk()
    clean = _redact(value, walk, Kind.NEUTRAL)
    return clean, walk.all()


def redact_context(context: dict[str, Json], spared: Places = ()) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Redact a failure's context: `SENT_PARTS` only where a credential is likely, all else where it is in doubt.

    `spared` are places in it that are declared to hold no secret: they stay as they are.
    """
    walk = Walk(spared)
    rest = {name: value for name, value in context.items() if name not in SENT_PARTS}
    clean = _redact(rest, walk, Kind.NEUTRAL)
    if len(rest) == len(context):
        return (clean if isinstance(clean, dict) and clean is not rest else context), walk.all()
    changed = dict(clean) if isinstance(clean, dict) and clean is not rest else None
    walk.sent = True
    for name in SENT_PARTS:
        if name in context:
            walk.way.append(name)
            new = _redact(context[name], walk, Kind.NEUTRAL)
            walk.way.pop()
            if new is not context[name]:
                changed = dict(rest) if changed is None else changed
                changed[name] = new
    if changed is None:
        return context, walk.all()
    # In the order of the context; a name that was redacted itself comes last.
    ordered = {name: changed.get(name, context[name]) for name in context if name in changed or name in SENT_PARTS}
    return ordered | {name: item for name, item in changed.items() if name not in ordered}, walk.all()


def redact_text(text: str) -> str:
    """Return the text without the secrets found by their shape, by the name before them or by randomness."""
    return _redact_string(text, Kind.NEUTRAL, sent=False)


def _redact(value: Json, walk: Walk, kind: Kind) -> Json:
    """Redact one value; `kind` is the classification of the name above it."""
    if walk.spared and walk.is_spared():
        return value
    if isinstance(value, dict):
        return _redact_object(value, walk, kind)
    if isinstance(value, list):
        return _redact_list(value, walk, kind)
    clean: Json = value
    if isinstance(value, str):
        clean = _redact_string(value, kind, sent=walk.sent, name=walk.way[-1] if walk.way else "")
    elif isinstance(value, int | float) and not isinstance(value, bool) and _is_secret_number(value, walk, kind):
        clean = REDACTED
    if clean is value or clean == value:
        return value
    walk.add()
    return clean


def _is_secret_number(value: float, walk: Walk, kind: Kind) -> bool:
    name = walk.way[-1].lower() if walk.way else ""
    if kind is Kind.HINT:
        return "pin" in name and is_hinted_secret(name, str(value), sent=walk.sent)
    # `cookies: 3` and `credentials: 2` are counts.
    return kind is Kind.SECRET and not (name.endswith("s") and isinstance(value, int) and value < _FEW)


def _redact_string(text: str, kind: Kind, *, sent: bool, name: str = "") -> str:
    if kind is Kind.SECRET:
        return text if _stays(text, name, sent=sent) else REDACTED
    if kind is Kind.DOUBTFUL and looks_like_a_credential(text):
        return REDACTED
    if kind is Kind.HINT and " " not in text and is_hinted_secret(_last_word(name), text, sent=sent):
        return REDACTED
    entropy = kind is not Kind.OPEN
    if text[:1] not in ("{", "[") or not is_suspect(text, entropy=entropy and not sent):
        return redact_line(text, entropy=entropy, sent=sent)
    return _redact_nested(text, entropy=entropy, sent=sent)


def _stays(text: str, name: str, *, sent: bool) -> bool:
    """Return whether a text under a secret's name is none: nothing, a reference, a mask, a count, a type."""
    few = text.isdigit() and len(text) < len(str(_FEW)) and name.lower().endswith("s")
    known = not text or text == REDACTED or few or (sent and is_no_credential(text))
    return known or _REFERENCE.fullmatch(text) is not None or _HARMLESS.fullmatch(text) is not None


def _redact_nested(text: str, *, entropy: bool, sent: bool) -> str:
    for _ in range(_PASSES):
        before = text
        text = redact_line(_redact_nested_json(text, sent=sent), entropy=entropy, sent=sent)
        if text == before:
            return text
    return REDACTED


def _last_word(name: str) -> str:
    return re.split(r"[_.-]|(?<=[a-z0-9])(?=[A-Z])", name)[-1]


def _redact_nested_json(text: str, *, sent: bool) -> str:
    """Redact a text that is JSON itself, at every level of nesting; it is serialised anew only where it changed."""
    try:
        inner: Json = from_json(text)
        walk = Walk()
        walk.sent = sent
        clean, paths = _redact(inner, walk, Kind.NEUTRAL), walk.all()
    except (ValueError, RecursionError):
        return text
    if not paths:
        return text
    spaced = '": ' in text
    return json.dumps(clean, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":"))


def _redact_object(value: dict[str, Json], walk: Walk, kind: Kind) -> Json:
    changed: dict[str, Json] | None = None
    renamed: dict[str, str] = {}
    # {"name": "Authorization", "value": "..."}: a header, a cookie or a variable as many tools write them
    label = value.get("name", value.get("key"))
    paired = isinstance(label, str) and any(kind_of(form) is Kind.SECRET for form in _forms(label))
    of_schemas = len(walk.way) > 0 and walk.way[-1] in _NAMES_OF_SCHEMAS
    way = walk.way
    for name, old in value.items():
        shown, own = _classify_key(name)
        if paired and name in ("value", "values"):
            own = Kind.SECRET
        if own is Kind.SECRET and of_schemas and is_schema(old):
            own = Kind.NEUTRAL
            new = _in_schema(old, walk, shown)
        else:
            way.append(shown)
            new = _redact(old, walk, Kind.SECRET if kind is Kind.SECRET else own)
            way.pop()
        if shown != name:
            renamed[name] = shown
            way.append(shown)
            walk.add()
            way.pop()
        if new is not old:
            changed = dict(value) if changed is None else changed
            changed[name] = new
    if renamed:
        return _rename_keys(value if changed is None else changed, renamed)
    return value if changed is None else changed


def _in_schema(schema: Json, walk: Walk, name: str) -> Json:
    """Redact the schema of a property that is named as a secret: its keywords stay, the values it quotes do not."""
    if not isinstance(schema, dict):
        return schema
    changed = dict(schema)
    walk.way.append(name)
    for word, old in schema.items():
        walk.way.append(word)
        changed[word] = _redact(old, walk, Kind.SECRET if word in _QUOTES_OF_SCHEMAS else Kind.NEUTRAL)
        walk.way.pop()
    walk.way.pop()
    return schema if all(changed[word] is old for word, old in schema.items()) else changed


def is_schema(value: Json) -> bool:
    """Return whether a value is the JSON Schema of a property, and nothing else."""
    return isinstance(value, bool) or (
        isinstance(value, dict)
        and bool(value)
        and value.keys() <= _SCHEMA_WORDS
        and not value.keys() <= _QUOTES_OF_SCHEMAS
    )


def _rename_keys(value: dict[str, Json], renamed: dict[str, str]) -> dict[str, Json]:
    """Return the object with secret keys replaced, numbered where they would collide: the number of members stays."""
    taken = {name for name in value if name not in renamed}
    numbers: dict[str, int] = {}
    result: dict[str, Json] = {}
    for name, item in value.items():
        shown = fitting = renamed.get(name, name)
        if name in renamed:
            # Counted on from the last one: counting from 2 for each of many equal names would take quadratic time.
            number = numbers.get(shown, 2)
            while fitting in taken:
                fitting = f"{shown} {number}"
                number += 1
            numbers[shown] = number
            taken.add(fitting)
        result[fitting] = item
    return result


def _classify_key(name: str) -> tuple[str, Kind]:
    # Long keys are user data: they must not fill the cache's memory.
    return _cached_key(name) if len(name) <= _LONGEST_CACHED else _read_key(name)


def _read_key(name: str) -> tuple[str, Kind]:
    """Return a key without its secrets, and its classification; the stricter one where the two forms differ."""
    shown = redact_line(name)
    if shown == name:
        return name, kind_of(name)
    return shown, max(kind_of(name), kind_of(shown))


_cached_key = lru_cache(maxsize=4096)(_read_key)


def _redact_list(value: list[Json], walk: Walk, kind: Kind) -> Json:
    changed: list[Json] | None = None
    inherited = Kind.NEUTRAL if kind in (Kind.DOUBTFUL, Kind.HINT) else kind
    way = walk.way
    for index, old in enumerate(value):
        way.append(str(index))
        new = _redact(old, walk, Kind.SECRET if _is_named_by_previous(value, index) else inherited)
        way.pop()
        if new is not old:
            changed = list(value) if changed is None else changed
            changed[index] = new
    return value if changed is None else changed


def _is_named_by_previous(value: list[Json], index: int) -> bool:
    """Return whether the item before is its name: `["Authorization", "..."]`, flat pairs, `["--password", "..."]`."""
    if index == 0:
        return False
    name, item = value[index - 1], value[index]
    if not isinstance(name, str) or not isinstance(item, str):
        return False
    pairs = len(value) % 2 == 0 and index % 2 == 1
    return any(_is_secret_name_for(form, item, pairs=pairs) for form in _forms(name))


def _is_secret_name_for(name: str, item: str, *, pairs: bool) -> bool:
    if kind_of(name) is not Kind.SECRET:
        return False
    if name[:2] == "--":
        return item[:1] != "-"
    return pairs and " " not in name and "=" not in name and _HEADER_NAME.fullmatch(item) is None


def _forms(name: str) -> tuple[str, ...]:
    """Return a text that may be a name as it came, and redacted: a text that holds a secret can be a name without."""
    return (name, redact_line(name)) if is_suspect(name) else (name,)
