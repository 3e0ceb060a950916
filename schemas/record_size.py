"""The size of a record on the wire: what a broker counts against `max.message.bytes`, at most. Pure."""

from collections.abc import Sequence
from typing import Final

FRAME: Final = 61 + 30
"""The head of a batch, and in it one record's own length, attributes, times, offsets and the lengths of its parts."""


def record_size(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> int:
    """Give the bytes of a record that is sent in a batch of its own, uncompressed; at most 30 too many."""
    return FRAME + len(key or b"") + len(value or b"") + sum(header_size(name, content) for name, content in headers)


def header_size(name: str, content: bytes) -> int:
    """Give the bytes of one header: name, value and their lengths."""
    named, held = len(name.encode("utf-8", "surrogatepass")), len(content)
    return named + held + _varint(named) + _varint(held)


def _varint(length: int) -> int:
    """Give the bytes of a length, which is written in groups of seven bits, the sign among them."""
    return ((length * 2 | 1).bit_length() + 6) // 7
