"""Reads an event's JSON; a text in it that no database stores is mended, and how many characters is told.

Producers cut a text at so many bytes or UTF-16 units, in the middle of an emoji too, and C programs leave a NUL behind
it. What is left of such a character becomes U+FFFD: the failure is healed all the same. An event in another encoding
is none: beyond so many characters nothing is mended.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from schemas.errors import EnvelopeError
from schemas.json_text import load_json
from schemas.names import PoisonReason
from schemas.wire_formats import wire_format

MOST_MENDED: Final = 64
"""Characters of an event that are mended at most."""
_MARK: Final = "\ufffd"
_NUL_ESCAPE: Final = b"\\u0000"
_NO_PART_OF_UTF_8: Final = re.compile(rb"[\xc0\xc1\xf5-\xff]")
_BROKEN: Final = re.compile(r"(?P<begin>\")?\ufffd{1,3}(?P<end>(?=[\"\\]|\s?(?:\.\.|\u2026|[\[(])))?")
_ESCAPE: Final = re.compile(
    r"\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|(?P<bad>\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\u0000|\\u[0-9a-fA-F]{0,3}(?![0-9a-fA-F]))"
    r"|\\."
)


def load_event(value: bytes, *, mark: str = _MARK) -> tuple[Any, int]:
    """Parse a JSON text, and return with it how many characters had to be mended; EnvelopeError if it cannot be read.

    Numbers and depth are not judged here.
    """
    fault: EnvelopeError | None = None
    try:
        document = load_json(value)
        if _NUL_ESCAPE not in value:
            return document, 0
    except EnvelopeError as error:
        if error.kind not in (PoisonReason.BAD_TEXT, PoisonReason.NOT_JSON):
            raise
        fault = error
    text, mended = _mend(value, mark)
    if mended or (fault is not None and _OF_JAVA.search(value)):
        try:
            return load_json(text.encode()), mended
        except EnvelopeError:
            pass
    if fault is None:
        return document, 0
    raise _named(fault, value) from fault


def _mend(value: bytes, mark: str) -> tuple[str, int]:
    """Return the text with each piece of a character, and each NUL, as the mark; 0 where there is none, or too many."""
    value = _standard(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("utf-8", "replace")
        if _NO_PART_OF_UTF_8.search(value) or not all(map(_is_cut, _BROKEN.finditer(text))):
            return text, 0  # another encoding
        broken = max(1, text.count(_MARK) - value.count(_MARK.encode()))
        text = text.replace(_MARK, mark) if mark != _MARK else text
    else:
        broken = 0
    broken += text.count("\0")
    if broken > MOST_MENDED:
        return text, 0
    text = text.replace("\0", mark)

    def mend(found: re.Match[str]) -> str:
        nonlocal broken
        if found["bad"] is None:
            return found[0]
        broken += 1
        return mark

    return _ESCAPE.sub(mend, text), broken


def _standard(value: bytes) -> bytes:
    """Return a text in UTF-8 that Java or a database wrote in a form of its own: CESU-8, and NUL as two bytes."""
    return _OF_JAVA.sub(lambda found: _JAVA[len(found[0])](found[0]), value)


def _pair(raw: bytes) -> bytes:
    return raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()


_OF_JAVA: Final = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]|\xc0\x80")
_JAVA: Final[dict[int, Callable[[bytes], bytes]]] = {2: lambda _: b"\0", 6: _pair}


def _is_cut(found: re.Match[str]) -> bool:
    """Return whether a piece of a character stands at an end of its text, or where a text was shortened."""
    return found["begin"] is not None or found["end"] is not None


def _named(fault: EnvelopeError, value: bytes) -> EnvelopeError:
    name = wire_format(value)
    if name is None:
        return fault
    return EnvelopeError(PoisonReason.NOT_JSON, f"the value is {name}: send the event as plain UTF-8 JSON")
