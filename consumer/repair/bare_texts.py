"""Texts and keys without quotes, or with one of two: where each begins and ends, and which are none. Pure."""

import re
from typing import Final

from consumer.repair.key_names import distance

KEY: Final = re.compile(r"[^\W\d][\w$\-]*(?:[ .][\w$\-]+)*|\$[\w$\-]*|(?:0|[1-9]\d{0,14})(?=\s*:)")
"""A key without quotes, or with the last one only."""
_TEXT: Final = re.compile(
    r"[^\W\d_](?:[\w.@/+\-%&*!?=~]|:(?=[^\s,}\]]))*(?:[ \t]+(?:[\w.@/+\-%&*!?=~]|:(?=[^\s,}\]]))+)*", re.UNICODE
)
STAMP: Final = re.compile(r"\d\w*(?:[.:/\-]\w+){2,8}(?:\+\d\d:?\d\d)?", re.ASCII)
"""A date, a time, a version, an address, an id: digits with marks between them, which no number has."""
NO_NUMBER: Final = re.compile(r"(?!0[xXoObB])\d+(?:/\d+(?![\w./])|[A-Za-z]{2,}\w*)", re.ASCII)
"""A fraction, or a word that begins with digits; a single letter behind them is another language's number."""
_END: Final = re.compile(r"[ \t]*(?:[,}\]\n\r]|//|/\*)")
_ENDS_QUOTED: Final = re.compile(r"\"\s*[,}\]]")
_CONSTANTS: Final = ("true", "false", "null")
_CALLS: Final = frozenset({
    "ISODate", "ObjectId", "NumberLong", "NumberInt", "NumberDecimal", "Decimal", "UUID", "Date", "Timestamp",
})  # fmt: skip
_CALL: Final = re.compile(r"(?:new\s+)?(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)\(")
_NO_TEXTS: Final = frozenset({
    "nil", "none", "null", "nan", "na", "n/a", "undefined", "void", "inf", "infinity", "true", "false", "etc", "etc.",
    "snip", "omitted", "truncated", "and so on", "and more", "new", "object object",
})  # fmt: skip
"""What stands for something else than the word itself, or for something that was left out."""


def text_at(text: str, at: int) -> tuple[str, int, bool] | None:
    """Return the text without quotes at a position, where it ends, and whether its last quote is there; or None."""
    found = _TEXT.match(text, at) or STAMP.match(text, at) or NO_NUMBER.match(text, at)
    if found is None or found[0].lower() in _NO_TEXTS:
        return None
    if any(distance(found[0].lower(), constant, 1) <= 1 for constant in _CONSTANTS):  # it may be a slip for one
        return None
    if _ENDS_QUOTED.match(text, found.end()):
        return found[0], found.end() + 1, True
    return (found[0], found.end(), False) if _END.match(text, found.end()) else None


def call_at(text: str, at: int) -> int | None:
    """Return where the argument of a known constructor begins, such as `ISODate("...")`; None where there is none."""
    found = _CALL.match(text, at)
    return found.end() if found is not None and found[1] in _CALLS else None
