"""Secrets in JSON: what the name of a field gives away, what stands in its texts and names, and JSON within it. Pure.

Only strings, numbers and names of members are replaced: the shape stays. A value without a secret is given back as the
same object; else copies are made along the changed paths.
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
_MASKED: Final = re.compile(r"[*•]{3,64}|include|omit|same-origin")
"""Under the name of a secret: masked by somebody before, or how a browser is told to send credentials."""
_HEADER_NAME: Final = re.compile(
    r"(?:accept|access|authorization|cache|connection|content|cookie|host|if|origin|referer|set|user|vary|via|x)"
    r"(?:-[a-z]+){0,4}",
    re.IGNORECASE,
)
_PASSES: Final = 4
_LONGEST_CACHED: Final = 64


def redact_json(value: Json) -> tuple[Json, tuple[str, ...]]:
    """Give the value without its secrets, and the JSON Pointers of what was taken out.

    The same object when nothing was; else a copy along the changed paths only. A reference `secret://NAME` is not a
    secret. Recursive: the depth of the value is the caller's to limit.
    """
    found: list[str] = []
    clean = _clean(value, found, Kind.NEUTRAL)
    return clean, tuple(found)


def redact_text(text: str) -> str:
    """Give the text without the secrets that are known by their shape, by the name before them or by randomness."""
    return _clean_text(text, Kind.NEUTRAL)


def _clean(value: Json, found: list[str], kind: Kind) -> Json:
    """Clean one value; `kind` is what the name over it says."""
    if isinstance(value, str):
        clean = _clean_text(value, kind)
        if clean is value or clean == value:
            return value
        found.append("")
        return clean
    if isinstance(value, dict):
        return _clean_object(value, found, kind)
    if isinstance(value, list):
        return _clean_list(value, found, kind)
    if kind is Kind.SECRET and isinstance(value, int | float) and not isinstance(value, bool):
        found.append("")
        return REDACTED
    return value


def _clean_text(text: str, kind: Kind) -> str:
    if kind is Kind.SECRET:
        stays = not text or text == REDACTED or _REFERENCE.fullmatch(text) or _MASKED.fullmatch(text)
        return text if stays else REDACTED
    if kind is Kind.DOUBTFUL and looks_like_a_credential(text):
        return REDACTED
    if text[:1] not in ("{", "[") or not is_suspect(text):
        return redact_line(text, entropy=kind is not Kind.OPEN)
    for _ in range(_PASSES):
        before = text
        text = redact_line(_clean_inner(text), entropy=kind is not Kind.OPEN)
        if text == before:
            return text
    return REDACTED


def _clean_inner(text: str) -> str:
    """Clean a text that is JSON itself, as deep as one is within another; written anew only where it changed."""
    try:
        inner: Json = from_json(text)
        clean, paths = redact_json(inner)
    except (ValueError, RecursionError):
        return text
    if not paths:
        return text
    spaced = '": ' in text
    return json.dumps(clean, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":"))


def _clean_object(value: dict[str, Json], found: list[str], kind: Kind) -> Json:
    changed: dict[str, Json] | None = None
    renamed: dict[str, str] = {}
    # {"name": "Authorization", "value": "..."}: a header, a cookie or a variable as many tools write them
    label = value.get("name", value.get("key"))
    paired = isinstance(label, str) and any(kind_of(form) is Kind.SECRET for form in _forms(label))
    for name, old in value.items():
        first = len(found)
        shown, own = _name(name)
        if paired and name in ("value", "values"):
            own = Kind.SECRET
        new = _clean(old, found, Kind.SECRET if kind is Kind.SECRET else own)
        if shown != name:
            renamed[name] = shown
            found.append("")
        if new is not old:
            changed = dict(value) if changed is None else changed
            changed[name] = new
        if len(found) > first:
            _under(shown.replace("~", "~0").replace("/", "~1"), found, first)
    if renamed:
        return _renamed(value if changed is None else changed, renamed)
    return value if changed is None else changed


def _renamed(value: dict[str, Json], renamed: dict[str, str]) -> dict[str, Json]:
    """Give an object whose names that were secrets are replaced; the number of members stays."""
    taken = {name for name in value if name not in renamed}
    result: dict[str, Json] = {}
    for name, item in value.items():
        shown = fitting = renamed.get(name, name)
        if name in renamed:
            number = 2
            while fitting in taken:
                fitting = f"{shown} {number}"
                number += 1
            taken.add(fitting)
        result[fitting] = item
    return result


def _name(name: str) -> tuple[str, Kind]:
    # Long keys are somebody's data: they shall not fill the cache's memory.
    return _cached_name(name) if len(name) <= _LONGEST_CACHED else _read_name(name)


def _read_name(name: str) -> tuple[str, Kind]:
    """Give a member's name without a secret, and what it says of its value; the stricter where the two differ."""
    shown = redact_line(name)
    if shown == name:
        return name, kind_of(name)
    return shown, max(kind_of(name), kind_of(shown))


_cached_name = lru_cache(maxsize=4096)(_read_name)


def _clean_list(value: list[Json], found: list[str], kind: Kind) -> Json:
    changed: list[Json] | None = None
    inherited = Kind.NEUTRAL if kind is Kind.DOUBTFUL else kind
    for index, old in enumerate(value):
        first = len(found)
        new = _clean(old, found, Kind.SECRET if _follows_its_name(value, index) else inherited)
        if new is not old:
            changed = list(value) if changed is None else changed
            changed[index] = new
            _under(str(index), found, first)
    return value if changed is None else changed


def _follows_its_name(value: list[Json], index: int) -> bool:
    """Tell of `["Authorization", "..."]`, of such pairs in a flat list, and of `["--password", "..."]`."""
    if index == 0:
        return False
    name, item = value[index - 1], value[index]
    if not isinstance(name, str) or not isinstance(item, str):
        return False
    pairs = len(value) % 2 == 0 and index % 2 == 1
    return any(_names_it(form, item, pairs=pairs) for form in _forms(name))


def _names_it(name: str, item: str, *, pairs: bool) -> bool:
    if kind_of(name) is not Kind.SECRET:
        return False
    if name[:2] == "--":
        return item[:1] != "-"
    return pairs and " " not in name and "=" not in name and _HEADER_NAME.fullmatch(item) is None


def _forms(name: str) -> tuple[str, ...]:
    """Give a text that may be a name as it came, and as it is shown: what holds a secret can be a name without it."""
    return (name, redact_line(name)) if is_suspect(name) else (name,)


def _under(token: str, found: list[str], first: int) -> None:
    found[first:] = [f"/{token}{path}" for path in found[first:]]
