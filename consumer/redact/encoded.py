"""Finds secrets behind an encoding: percent signs in a query, base64 of `password=...`, HTML's entities. Pure."""

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable, Iterator
from html import unescape
from itertools import product
from typing import Final
from urllib.parse import quote, unquote_plus

Redact = Callable[[str], str]
_ENCODED_WORD: Final = re.compile(r"[^\s\"'=&?;#,|<>()\[\]{}\\]+")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,4096}+={0,2}")
_ENTITY: Final = re.compile(r"&(?:lt|gt|amp|quot|#34|#x22|apos|#39|#x27);", re.IGNORECASE)
_MOST: Final = 200
_TOLD: Final = (
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "credential",
    "bearer ",
    "private",
)


def _base64_triggers() -> tuple[str, ...]:
    """Return what base64 makes of a word, at each of three alignments, without what its neighbours share."""
    found: dict[str, None] = {}
    for word, shift in product(_TOLD, range(3)):
        for form in (word, word.title(), word.upper()):
            coded = b64encode(b"\0" * shift + form.encode()).decode().rstrip("=")
            first = (0, 2, 3)[shift]
            inner = coded[first : len(coded) - (1 if (shift + len(form)) % 3 else 0)]
            found[inner[:10]] = None
    return tuple(re.escape(one) for one in found)


TRIGGERS: Final = (*_base64_triggers(), "&(?:quot|#34|#x22|apos|#39|#x27);")
"""What announces base64 of a word that names a secret, and quotes as HTML writes them."""
_IN_BASE64: Final = re.compile("|".join(_base64_triggers()))
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_MIN: Final = 6


def redact_percent(text: str, redact: Redact) -> str:
    """Redact what percent-encoded words of a text say; only those that hold a secret are written anew."""
    if not _PERCENT.search(text):
        return text
    parts: list[str] = []
    at = 0
    for number, found in enumerate(_ENCODED_WORD.finditer(text)):
        word = found[0]
        if number > _MOST * 10:
            break
        if "%" not in word or len(word) < _MIN or not _PERCENT.search(word):
            continue
        said = unquote_plus(word, errors="replace")
        clean = redact(said)
        if clean == said or "\ufffd" in said:
            continue
        parts += (text[at : found.start()], quote(clean, safe="[]").replace("%20", "+" if "+" in word else "%20"))
        at = found.end()
    return "".join((*parts, text[at:])) if parts else text


def redact_entities(text: str, redact: Redact) -> str:
    """Redact a text whose quotes are HTML's entities."""
    if not _ENTITY.search(text):
        return text
    said = unescape(text)
    clean = redact(said)
    return text if clean == said else clean


def secrets_in_base64(text: str, redact: Redact) -> Iterator[tuple[int, int]]:
    """Yield where base64 stands whose content tells a secret."""
    if not _IN_BASE64.search(text):
        return
    for number, found in enumerate(_BASE64.finditer(text)):
        if number > _MOST * 10:
            break
        if not _IN_BASE64.search(found[0]):
            continue
        said = decoded(found[0])
        if said is not None and redact(said) != said:
            yield found.span()


def decoded(token: str) -> str | None:
    """Return the plain text that base64 stands for, or None where it stands for none."""
    core = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = b64decode(core + "=" * (-len(core) % 4), validate=True)
    except Error:
        return None
    plain = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in raw)  # noqa: PLR2004 - ASCII
    return raw.decode() if plain else None
