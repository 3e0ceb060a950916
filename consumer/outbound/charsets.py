"""Charsets in which an answer's text is read: those of the web, each decoded in time linear in its length.

Python knows many more, of which some are slow (`punycode`), some are no charsets (`unicode_escape`, `hex`), and one
raises by design (`undefined`). Whoever answers names the charset, so it is an allow-list.
"""

import codecs
import re
from typing import Final

_ALLOWED: Final = frozenset(
    (
        "utf-8",
        "utf-8-sig",
        "ascii",
        *(f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
        *(f"cp{page}" for page in (866, 874, 932, 949, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258)),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"),
        *("shift_jis", "euc_jp", "iso2022_jp", "euc_kr", "gb2312", "gbk", "gb18030", "big5", "big5hkscs"),
    )
)
"""Names as Python's codec registry has them. No UTF-16: its texts are taken for bytes."""


_DECLARED: Final = re.compile(r"charset=\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_MOST_NULS: Final = 0.4
"""Part of a text: in UTF-16 it is about a half."""


def charset_of(content_type: str) -> str | None:
    """Return the charset that a Content-Type declares, or None."""
    found = _DECLARED.search(content_type)
    return found[1] if found else None


def encode_text(text: str, charset: str | None) -> bytes:
    """Encode a text so that `decode_text` gives it back, as far as its charset can."""
    name = charset if charset is not None and _is_allowed(charset) else "utf-8"
    return text.encode(name, "replace")


def decode_text(body: bytes, charset: str | None, *, truncated: bool) -> str | None:
    """Decode a body by its declared charset, else as UTF-8; None where it is no text in either.

    A text that is NUL characters for nearly a half is none: it is binary, or UTF-16.
    """
    errors = "ignore" if truncated else "strict"
    for name in (charset, "utf-8"):
        if name is None or not _is_allowed(name):
            continue
        try:
            text = body.decode(name, errors)
        except UnicodeDecodeError:
            continue
        return text if text.count("\0") <= _MOST_NULS * len(text) else None
    return None


def _is_allowed(name: str) -> bool:
    try:
        return codecs.lookup(name).name in _ALLOWED
    except (LookupError, ValueError):
        return False
