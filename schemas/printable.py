"""Text made safe for a terminal: nothing in it moves the cursor, changes colours, or turns the direction of reading."""

import re
from typing import Final

_ASCII_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*")


def escape_line(text: str) -> str:
    r"""Return a line with every sign that is not printable as an escape of Python's: `\x1b`, `\u202e`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def escape_json(text: bytes) -> bytes:
    """Return a line of JSON with every sign that is not printable as JSON's own escape: the same value is read."""
    if _ASCII_PRINTABLE.fullmatch(text):
        return text
    line = text.decode(errors="replace")
    if line.isprintable():
        return text
    return "".join(one if one.isprintable() else _json_escape(one) for one in line).encode()


def _json_escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
