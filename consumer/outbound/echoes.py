"""Redaction of echoed credentials in answers, in all usual encodings: a server seldom echoes one verbatim."""

import base64
import binascii
import html
import json
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

_SHORTEST_TRACED: Final = 6
"""Shortest spelling that is searched for: a shorter one would match everywhere in a body by chance."""


class Echoes:
    """All encodings of one call's credentials, which are searched for in its answer."""

    __slots__ = ("_spelled",)

    def __init__(self, values: Mapping[str, str]) -> None:
        found = {spelled: name for name, value in values.items() for spelled in _spellings(value)}
        # Longest first: a short spelling may be a part of a longer one.
        self._spelled = tuple(
            (spelled, f"secret://{name}".encode())
            for spelled, name in sorted(found.items(), key=lambda pair: len(pair[0]), reverse=True)
        )

    def __repr__(self) -> str:
        return f"Echoes({len(self._spelled)})"

    def taken_out(self, data: bytes, *, cut: bool = False) -> bytes:
        """Replace the values of credentials by their names; `cut`: the data may end in the middle of a value."""
        for spelled, name in self._spelled:
            data = data.replace(spelled, name)
        return self._without_torn_end(data) if cut else data

    def _without_torn_end(self, data: bytes) -> bytes:
        for spelled, _ in self._spelled:
            for length in range(min(len(spelled), len(data)) - 1, _SHORTEST_TRACED - 1, -1):
                if data.endswith(spelled[:length]):
                    return data[:-length]
        return data


def _spellings(value: str) -> Iterator[bytes]:
    for plain in {value, *_inside_basic(value)}:
        texts = {
            plain,
            quote(plain),
            quote(plain, safe=""),
            quote_plus(plain),
            html.escape(plain),
            _decimal_html(plain),
        }
        escaped = json.dumps(plain)[1:-1]
        texts |= {escaped, escaped.replace("/", "\\/"), json.dumps(escaped)[1:-1], *_hex_escaped(escaped)}
        texts |= {_lower_percent(text) for text in texts}
        texts |= {plain.encode().hex(), plain.encode().hex().upper(), *_in_base64(plain.encode())}
        yield from (text.encode() for text in texts if len(text) >= _SHORTEST_TRACED)


def _in_base64(value: bytes) -> Iterator[str]:
    """Yield the parts of the value's base64 that are the same whatever precedes and follows it."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + value).decode()
        # Six bits a character: those that share bits with a neighbour are left out.
        inner = whole[-(-before * 8 // 6) : (before + len(value)) * 8 // 6]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _inside_basic(value: str) -> Iterator[str]:
    """Yield `user:password`, and the password alone, where a value is a Basic authentication credential."""
    try:
        decoded = base64.b64decode(value.rpartition(" ")[2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    _, colon, password = decoded.partition(":")
    if colon:
        yield from (decoded, password)


def _lower_percent(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _hex_escaped(text: str) -> Iterator[str]:
    """Yield the variants of JSON escapes that HTML-safe JSON writers produce."""
    for unsafe in ("<>&", "<>&'=", "<>&'", "<>&'+`"):
        lower = "".join(f"\\u{ord(char):04x}" if char in unsafe else char for char in text)
        upper = "".join(f"\\u{ord(char):04X}" if char in unsafe else char for char in text)
        yield from (lower, upper, upper.replace('\\"', "\\u0022"))


def _decimal_html(text: str) -> str:
    return html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
