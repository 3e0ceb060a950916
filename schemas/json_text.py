"""JSON in and out, without loss, and only what PostgreSQL's text and jsonb can hold.

pydantic-core's parser reads a 640-byte event in 2.1 us (orjson 1.5, the standard library 4.7) and, unlike orjson,
keeps integers beyond 64 bits. Of a key that stands twice in an object the last one wins. Numbers with a fraction or
an exponent are IEEE 754 doubles. Writing is orjson's, which takes 0.6 us for a result where pydantic-core takes 8.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic_core import SchemaValidator, core_schema, from_json
from pydantic_core import to_json as _to_json

from schemas.errors import EnvelopeError
from schemas.names import PoisonReason

MAX_DEPTH = 100
"""Objects and arrays within one another, the outermost counted."""
MAX_INTEGER_DIGITS = 1000

_INTEGER_LIMIT = 10**MAX_INTEGER_DIGITS
_SHOWN_KEY = 64
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LOOK_CLOSER: Final = SchemaValidator(
    core_schema.str_schema(
        # An escape, which NUL and surrogates need; too many digits; an exponent that may be too large; what is no
        # number. Inside of a string the last three only cost the closer look.
        pattern=r"\\u|[0-9]{100}|(?:^|[:,\[\s])-?[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]{3}|NaN|Infinity"
    )
)
# With these orjson writes what pydantic-core would.
_ALIKE: Final = orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS
_KIND_OF_PARSER_MESSAGE = (
    ("recursion limit", PoisonReason.TOO_DEEP),
    ("number out of range", PoisonReason.BAD_NUMBER),
    ("surrogate", PoisonReason.BAD_TEXT),
    ("end of hex escape", PoisonReason.BAD_TEXT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFault:
    """The first thing in a value that the database would refuse."""

    kind: PoisonReason
    path: str
    """Dotted, array positions in brackets, keys as they are: `context.error.headers[2]`; empty for the value itself."""
    message: str


def parse_json(text: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Parse UTF-8 JSON (a byte order mark is skipped); EnvelopeError if it is not JSON or not storable."""
    value = load_json(text)
    if not is_plainly_storable(text):
        refuse_unstorable(value)
    return value


def load_json(text: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Parse as `parse_json` does, but leave it to the caller to refuse what cannot be stored."""
    try:
        return from_json(text.removeprefix(_BYTE_ORDER_MARK), cache_strings="keys")
    except ValueError as error:
        raise _refused(str(error)) from error


def refuse_unstorable(value: object, *, max_depth: int = MAX_DEPTH) -> None:
    """Raise EnvelopeError, with the place, for the first thing that `check_storable` finds."""
    fault = check_storable(value, max_depth=max_depth)
    if fault is not None:
        raise EnvelopeError(fault.kind, f"{fault.path or 'the document'}: {fault.message}")


def to_json(value: object) -> bytes:
    """Write compact UTF-8 JSON; integers of any size stay exact. ValueError on half a surrogate pair."""
    try:
        # Copied, because the library leaves its whole buffer behind the text: 8 kB for 1.5 kB, as long as it is kept.
        return bytes(memoryview(orjson.dumps(value, default=_written, option=_ALIKE)))
    except TypeError:  # an integer beyond 64 bits, half a surrogate pair, or a type that it does not know
        return _to_json(value, inf_nan_mode="null")


def _written(value: object) -> str:
    if isinstance(value, UUID):  # of another make than the standard library's, such as a driver's
        return str(value)
    raise TypeError


def is_plainly_storable(text: bytes, *, max_depth: int = MAX_DEPTH) -> bool:
    """Tell of a JSON text that nothing in it needs a closer look; quick, may say no without need.

    No document is nested deeper than it has brackets.
    """
    return text.count(b"{") + text.count(b"[") <= max_depth and not _LOOK_CLOSER.isinstance_python(text)


def check_storable(value: object, *, max_depth: int = MAX_DEPTH) -> StorageFault | None:
    """Say what in a parsed JSON value PostgreSQL or the stated limits refuse; None if all can be stored."""
    found = _first_fault(value, max_depth)
    if found is None:
        return None
    kind, message, steps = found
    return StorageFault(kind=kind, path="".join(reversed(steps)).removeprefix("."), message=message)


_Found = tuple[PoisonReason, str, list[str]]


def _first_fault(value: object, depth_left: int) -> _Found | None:
    if isinstance(value, dict):
        return _in_object(value, depth_left) if depth_left > 0 else _too_deep()
    if isinstance(value, list):
        return _in_array(value, depth_left) if depth_left > 0 else _too_deep()
    return _leaf_fault(value)


def _in_object(value: dict[str, object], depth_left: int) -> _Found | None:
    for key, item in value.items():
        if "\0" in key or not (key.isascii() or _encodes(key)):
            return _bad_text("a key", f".{_shown(key)}")
        # No call for a plain string: walking is a quarter of what decoding a small event costs.
        if isinstance(item, str) and item.isascii() and "\0" not in item:
            continue
        found = _first_fault(item, depth_left - 1)
        if found is not None:
            found[2].append(f".{_shown(key)}")
            return found
    return None


def _in_array(value: list[object], depth_left: int) -> _Found | None:
    for index, item in enumerate(value):
        found = _first_fault(item, depth_left - 1)
        if found is not None:
            found[2].append(f"[{index}]")
            return found
    return None


def _leaf_fault(value: object) -> _Found | None:
    if isinstance(value, str):
        sound = "\0" not in value and (value.isascii() or _encodes(value))
        return None if sound else _bad_text("the text")
    if isinstance(value, float) and not isfinite(value):
        return PoisonReason.BAD_NUMBER, "NaN, an infinity or a number beyond a double: send a finite number", []
    if isinstance(value, int) and not -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
        return PoisonReason.BAD_NUMBER, f"an integer of more than {MAX_INTEGER_DIGITS} digits: send it as a string", []
    return None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(key: str) -> str:
    # A path goes into a dead letter's header and a log line, so a hostile key is made harmless and short.
    return key[:_SHOWN_KEY].encode("unicode_escape").decode()


def _bad_text(what: str, *steps: str) -> _Found:
    return PoisonReason.BAD_TEXT, f"{what} holds NUL or half a surrogate pair, which no database stores", list(steps)


def _too_deep() -> _Found:
    return PoisonReason.TOO_DEEP, "nested deeper than the limit: send what lies below as a JSON string", []


def _refused(parser_message: str) -> EnvelopeError:
    kind = next((kind for token, kind in _KIND_OF_PARSER_MESSAGE if token in parser_message), PoisonReason.NOT_JSON)
    return EnvelopeError(kind, f"cannot be read as JSON: {parser_message}; send UTF-8 JSON")
