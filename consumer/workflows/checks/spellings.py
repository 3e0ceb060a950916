"""Spellings: what a text may be written as, decoded and folded, so that a copy of it is found however it is dressed."""

import base64
import binascii
import codecs
import html
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote_plus

from consumer.model.marks import without_surplus_marks

LONGEST: Final = 20_000
MOST_SPELLINGS: Final = 400
_DEPTH: Final = 4
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/=_%\\&#;.:-]{8,4000}")
_UNICODE: Final = re.compile(r"(?:\\u\{?|\\x|U\+|%u|&#x|0x)([0-9a-fA-F]{2,6})\}?;?")
_HEX: Final = re.compile(r"^(?:0x)?((?:[0-9a-fA-F]{2}[\s:,-]?){3,})$")
_CODES: Final = re.compile(r"^\D{0,3}\d{2,3}(?:\D{1,3}\d{2,3}){3,}\D{0,3}$")
_LEET: Final = str.maketrans("013457$@!|", "oieastsail")
_LOOK_ALIKE: Final = str.maketrans("абвгдезийклмнопрстухыіјѕԁɡοαεικνρτυχ", "a6brde3uuklmhonpctyxbijsdgoaeiknptux")
_MEANS: Final = re.compile(r"[^a-z0-9]")


def folded_forms(text: str) -> set[str]:
    """Return the foldings of a text: as it is, with digits read as letters, and both from the end."""
    plain = unicodedata.normalize("NFKD", without_surplus_marks(text[:LONGEST])).casefold().translate(_LOOK_ALIKE)
    forms = {_MEANS.sub("", plain), _MEANS.sub("", plain.translate(_LEET))}
    forms |= {form[::-1] for form in forms}
    return {form for form in forms if form}


def turned_forms(form: str) -> Iterator[str]:
    """Yield a folded text with its letters moved along the alphabet, by each number of places."""
    for by in range(1, 26):
        yield form.translate({97 + at: 97 + (at + by) % 26 for at in range(26)})


def spellings(text: str) -> set[str]:
    """Return a text and what it decodes to, layer by layer, tokens within it included."""
    found = {text[:LONGEST]}
    fresh = set(found)
    for _ in range(_DEPTH):
        fresh = {each for one in fresh for each in _decoded(one)} - found
        for each in sorted(fresh):
            if len(found) >= MOST_SPELLINGS:
                return found
            found.add(each)
    return found


def _decoded(text: str) -> Iterator[str]:
    for part in {text, *_TOKEN.findall(text)}:
        for decode in _DECODERS if part != text else (*_DECODERS, *_TURNS):
            try:
                decoded = decode(part)
            except (ValueError, binascii.Error, UnicodeError):
                continue
            if decoded and decoded != part and _is_text(decoded):
                yield decoded[:LONGEST]


def _is_text(text: str) -> bool:
    return sum(each.isprintable() or each.isspace() for each in text) >= 0.9 * len(text)


def _base64(text: str) -> str:
    plain = re.sub(r"\s", "", text).replace("-", "+").replace("_", "/").rstrip("=")
    if len(plain) < 4 or len(plain) % 4 == 1:  # noqa: PLR2004
        return ""
    return _inflated(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)).decode()


def _inflated(content: bytes) -> bytes:
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        stream = zlib.decompressobj(window)
        try:
            inflated = stream.decompress(content, LONGEST)
        except zlib.error:
            continue
        # Any bytes may look like the beginning of a stream: only one that goes on to its end, or beyond the bound, is.
        if inflated and (stream.eof or stream.unconsumed_tail):
            return inflated
    return content


def _base32(text: str) -> str:
    plain = re.sub(r"[\s=]", "", text).upper()
    return base64.b32decode(plain + "=" * (-len(plain) % 8)).decode() if len(plain) >= 8 else ""  # noqa: PLR2004


def _base85(text: str) -> str:
    return base64.b85decode(text).decode() if len(text) >= 10 else ""  # noqa: PLR2004


def _hex(text: str) -> str:
    found = _HEX.match(text.strip())
    return _inflated(bytes.fromhex(re.sub(r"[\s:,-]", "", found[1]))).decode() if found else ""


def _codes(text: str) -> str:
    """Read numbers in a row as the codes of letters."""
    if not _CODES.match(text.strip()):
        return ""
    return "".join(chr(int(each)) for each in re.findall(r"\d+", text))


_DECODERS: Final[tuple[Callable[[str], str], ...]] = (
    unquote_plus,
    html.unescape,
    lambda text: _UNICODE.sub(lambda found: chr(int(found[1], 16)), text),
    _base64,
    _base32,
    _base85,
    _hex,
    _codes,
)
_TURNS: Final[tuple[Callable[[str], str], ...]] = (lambda text: codecs.decode(text, "rot13"), lambda text: text[::-1])
"""Of a whole text alone: of each of its words they would say the same."""
