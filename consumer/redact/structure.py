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
from consumer.redact.suspect import is_suspect
from consumer.redact.text import REDACTED, SCHEMES, redact_line

_REFERENCE: Final = re.compile(rf"(?:{SCHEMES} {{1,3}})?secret://[\w.-]{{1,128}}", re.ASCII | re.IGNORECASE)
_HARMLESS: Final = re.compile(r"[*•]{3,64}|include|omit|same-origin")
"""Harmless values under a secret's name: masked already, or a mode in which a browser sends credentials."""
_HEADER_NAME: Final = re.compile(
    r"(?:accept|access|authorization|cache|connection|content|cookie|host|if|origin|referer|set|user|vary|via|x)"
    r"(?:-[a-z]+){0,4}",
    re.IGNORECASE,
)
_PASSES: Final = 4
_LONGEST_CACHED: Final = 64
MAX_PATHS: Final = 1000
"""Most pointers to redacted values that are listed one by one: an honest event has a handful."""
MAX_PATH_CHARACTERS: Final = 64 * 1024
"""Most characters of these together: with long names above many values they are many times as large as the value."""


class _Pointers:
    """Collects JSON Pointers to what was redacted; where they are too many, only to the outermost members.

    The way to the value at hand is a stack of tokens, so that a pointer is written once, and not anew at each level.
    """

    __slots__ = ("_depth", "_left", "_listed", "way")

    def __init__(self) -> None:
        self.way: list[str] = []
        self._depth: int | None = None
        """Most tokens of a pointer: None as long as there are few, then 1, then 0."""
        self._listed: dict[str, None] = {}
        self._left = MAX_PATH_CHARACTERS

    def add(self) -> None:
        """Add the value at hand."""
        pointer = "".join(["/" + token.replace("~", "~0").replace("/", "~1") for token in self.way[: self._depth]])
        if pointer in self._listed:
            return
        self._listed[pointer] = None
        self._left -= len(pointer)
        while len(self._listed) > MAX_PATHS or self._left < 0:
            self._shorten()

    def all(self) -> tuple[str, ...]:
        """Return the pointers, each once, in the order in which they were found."""
        return tuple(self._listed)

    def _shorten(self) -> None:
        self._depth = 1 if self._depth is None else 0
        self._listed = dict.fromkeys("/".join(pointer.split("/", 2)[: self._depth + 1]) for pointer in self._listed)
        self._left = MAX_PATH_CHARACTERS - sum(map(len, self._listed))


def redact_json(value: Json) -> tuple[Json, tuple[str, ...]]:
    """Return the value without its secrets, and the JSON Pointers of what was redacted.

    The same object is returned when nothing was redacted, otherwise a copy along the changed paths only. A reference
    `secret://NAME` is not a secret. Where very much was redacted the pointers lead to the outermost members, or to the
    value itself (an empty pointer). Recursive: the caller limits the depth of the value.
    """
    found = _Pointers()
    clean = _redact(value, found, Kind.NEUTRAL)
    return clean, found.all()


def redact_text(text: str) -> str:
    """Return the text without the secrets found by their shape, by the name before them or by randomness."""
    return _redact_string(text, Kind.NEUTRAL)


def _redact(value: Json, found: _Pointers, kind: Kind) -> Json:
    """Redact one value; `kind` is the classification of the name above it."""
    if isinstance(value, str):
        clean = _redact_string(value, kind)
        if clean is value or clean == value:
            return value
        found.add()
        return clean
    if isinstance(value, dict):
        return _redact_object(value, found, kind)
    if isinstance(value, list):
        return _redact_list(value, found, kind)
    if kind is Kind.SECRET and isinstance(value, int | float) and not isinstance(value, bool):
        found.add()
        return REDACTED
    return value


def _redact_string(text: str, kind: Kind) -> str:
    if kind is Kind.SECRET:
        stays = not text or text == REDACTED or _REFERENCE.fullmatch(text) or _HARMLESS.fullmatch(text)
        return text if stays else REDACTED
    if kind is Kind.DOUBTFUL and looks_like_a_credential(text):
        return REDACTED
    if text[:1] not in ("{", "[") or not is_suspect(text):
        return redact_line(text, entropy=kind is not Kind.OPEN)
    for _ in range(_PASSES):
        before = text
        text = redact_line(_redact_nested_json(text), entropy=kind is not Kind.OPEN)
        if text == before:
            return text
    return REDACTED


def _redact_nested_json(text: str) -> str:
    """Redact a text that is JSON itself, at every level of nesting; it is serialised anew only where it changed."""
    try:
        inner: Json = from_json(text)
        clean, paths = redact_json(inner)
    except (ValueError, RecursionError):
        return text
    if not paths:
        return text
    spaced = '": ' in text
    return json.dumps(clean, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":"))


def _redact_object(value: dict[str, Json], found: _Pointers, kind: Kind) -> Json:
    changed: dict[str, Json] | None = None
    renamed: dict[str, str] = {}
    # {"name": "Authorization", "value": "..."}: a header, a cookie or a variable as many tools write them
    label = value.get("name", value.get("key"))
    paired = isinstance(label, str) and any(kind_of(form) is Kind.SECRET for form in _forms(label))
    way = found.way
    for name, old in value.items():
        shown, own = _classify_key(name)
        if paired and name in ("value", "values"):
            own = Kind.SECRET
        way.append(shown)
        new = _redact(old, found, Kind.SECRET if kind is Kind.SECRET else own)
        if shown != name:
            renamed[name] = shown
            found.add()
        way.pop()
        if new is not old:
            changed = dict(value) if changed is None else changed
            changed[name] = new
    if renamed:
        return _rename_keys(value if changed is None else changed, renamed)
    return value if changed is None else changed


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


def _redact_list(value: list[Json], found: _Pointers, kind: Kind) -> Json:
    changed: list[Json] | None = None
    inherited = Kind.NEUTRAL if kind is Kind.DOUBTFUL else kind
    way = found.way
    for index, old in enumerate(value):
        way.append(str(index))
        new = _redact(old, found, Kind.SECRET if _is_named_by_previous(value, index) else inherited)
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
