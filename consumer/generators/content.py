"""Takes an asset out of an answer: its base64 text, its address, or the answer's body itself."""

import asyncio
import binascii
import re
from collections.abc import Sequence
from typing import Any, Final

from consumer.model import Json
from schemas.json_value import value_at

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.-]+)*;base64,", re.IGNORECASE)
_PIECE: Final = 1 << 20
"""Characters that are decoded at once: a multiple of four, and about a millisecond."""


async def decoded(text: str) -> tuple[bytes, str | None] | None:
    """Decode base64, plain or as a data URL; returns also the media type that it names; None where it is neither.

    Strictly: what a lenient decoder passes over would be a hole in the asset.
    """
    named = _DATA_URL.match(text)
    begin = named.end() if named else 0
    content = bytearray()
    for at in range(begin, len(text), _PIECE):
        piece = text[at : at + _PIECE]
        try:
            part = binascii.a2b_base64(piece, strict_mode=True)
        except (binascii.Error, ValueError):
            return None
        if at + _PIECE < len(text) and len(part) != _PIECE // 4 * 3:
            return None  # padding in the middle
        content += part
        await asyncio.sleep(0)
    return (bytes(content), named[1] if named else None) if content else None


def text_at(document: Json, places: Sequence[str]) -> str | None:
    """Return the first text that stands at one of some places."""
    for place in places:
        found: Any = value_at(document, place, None)
        if isinstance(found, str) and found:
            return found
    return None


def count_at(document: Json, place: str) -> int | None:
    """Return the whole number that stands at a place, or None."""
    found: Any = value_at(document, place, None)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def media_type_of(header: str | None) -> str | None:
    """Return the media type of a Content-Type, without its parameters."""
    plain = (header or "").partition(";")[0].strip().lower()
    return plain or None
