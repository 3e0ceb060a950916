"""Redaction of echoed credentials in answers, in all usual encodings: a server seldom echoes one verbatim."""

import asyncio
import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

_NAMED: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_LONGEST_SIGN: Final = 24
"""Bytes of the longest form of one character in `_one_sign`."""
_WINDOW: Final = 64 * 1024
"""Bytes that are searched at once: some ten milliseconds."""
_SHORTEST_TRACED: Final = 6
"""Shortest spelling that is searched for: a shorter one would match everywhere in a body by chance."""


class Echoes:
    """All encodings of one call's credentials, which are searched for in its answer."""

    __slots__ = ("_escaped", "_spelled")

    def __init__(self, values: Mapping[str, str]) -> None:
        found = {spelled: name for name, value in values.items() for spelled in _spellings(value)}
        # Longest first: a short spelling may be a part of a longer one.
        self._spelled = tuple(
            (spelled, f"secret://{name}".encode())
            for spelled, name in sorted(found.items(), key=lambda pair: len(pair[0]), reverse=True)
        )

        self._escaped = tuple(
            (_sign_by_sign(plain), f"secret://{name}".encode(), len(plain) * _LONGEST_SIGN)
            for name, value in values.items()
            for plain in {value, *_inside_basic(value)}
            if len(plain) >= _SHORTEST_TRACED
        )

    def __repr__(self) -> str:
        return f"Echoes({len(self._spelled)})"

    def taken_out(self, data: bytes, *, cut: bool = False) -> bytes:
        """Replace the values of credentials by their names; `cut`: the data may end in the middle of a value."""
        for spelled, name in self._spelled:
            data = data.replace(spelled, name)
        for pattern, name, _ in self._escaped:
            data = pattern.sub(name, data)
        return self._without_torn_end(data) if cut else data

    async def taken_out_of_body(self, data: bytes, *, cut: bool) -> bytes:
        """Do the same to a body of any size, and let the event loop turn in between."""
        if len(data) <= _WINDOW:
            return self.taken_out(data, cut=cut)
        for spelled, name in self._spelled:
            data = data.replace(spelled, name)
            await asyncio.sleep(0)
        for pattern, name, longest in self._escaped:
            data = await _replaced(data, pattern, name, longest)
        return self._without_torn_end(data) if cut else data

    def _without_torn_end(self, data: bytes) -> bytes:
        for spelled, _ in self._spelled:
            for length in range(min(len(spelled), len(data)) - 1, _SHORTEST_TRACED - 1, -1):
                if data.endswith(spelled[:length]):
                    return data[:-length]
        return data


async def _replaced(data: bytes, pattern: re.Pattern[bytes], name: bytes, longest: int) -> bytes:
    kept: list[bytes] = []
    done = 0
    for begin in range(0, len(data), _WINDOW):
        end = begin + _WINDOW
        # Beyond the window's end only what began within it.
        for found in pattern.finditer(data, max(begin, done), min(end + longest, len(data))):
            if found.start() >= end:
                break
            kept += (data[done : found.start()], name)
            done = found.end()
        await asyncio.sleep(0)
    return b"".join((*kept, data[done:])) if kept else data


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
        texts |= {plain.encode().hex(), plain.encode().hex().upper(), *in_base64(plain.encode())}
        texts |= {*in_base64(plain.encode("utf-16-be")), *in_base64(plain.encode("utf-16-le"))}
        texts |= {*_in_base32(plain.encode()), *_as_numbers(plain.encode())}
        yield from (text.encode() for text in texts if len(text) >= _SHORTEST_TRACED)
        if len(plain) >= _SHORTEST_TRACED:
            yield from (plain.encode(name) for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"))
            yield from (plain.encode(name, "replace") for name in ("cp037", "cp500"))


def in_base64(value: bytes) -> Iterator[str]:
    """Yield the parts of the value's base64 that are the same whatever precedes and follows it."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + value).decode()
        # Six bits a character: those that share bits with a neighbour are left out.
        inner = whole[-(-before * 8 // 6) : (before + len(value)) * 8 // 6]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _in_base32(value: bytes) -> Iterator[str]:
    """Yield the parts of the value's base32 that are the same whatever precedes and follows it."""
    for before in range(5):
        whole = base64.b32encode(bytes(before) + value).decode()
        inner = whole[-(-before * 8 // 5) : (before + len(value)) * 8 // 5]
        yield from (inner, inner.lower())


def _as_numbers(value: bytes) -> Iterator[str]:
    """Yield the value as a list of its bytes, as JSON writers show a buffer."""
    for between in (",", ", "):
        yield between.join(map(str, value))


def _sign_by_sign(plain: str) -> re.Pattern[bytes]:
    """Match the value however many of its characters are escaped: in JSON, in a URL, in HTML, in quoted-printable.

    In any case: some servers show a token in capitals. What follows a backslash, `%`, `&` or `=` decides at once, so
    that a body of any size is searched in one pass.
    """
    return re.compile(b"".join(map(_one_sign, plain)), re.IGNORECASE)


def _one_sign(char: str) -> bytes:
    code = ord(char)
    forms = [
        rf"\\{{0,4}}{re.escape(char)}",
        rf"\\{{1,4}}u00{code:02x}",
        rf"\\{{1,4}}x{code:02x}",
        rf"%(?:25){{0,3}}{code:02x}",
        rf"(?:&|\\{{1,4}}u0026)(?:amp;)?#(?:0{{0,5}}{code}|x0{{0,5}}{code:x});?",
        rf"={code:02x}",
        rf"\+{_utf7(code)}-?",
    ]
    if char in _NAMED:
        forms.append(rf"&(?:amp;)?{_NAMED[char]};?")
    return f"(?:{'|'.join(forms)})".encode()


def _utf7(code: int) -> str:
    return re.escape(base64.b64encode(bytes((0, code & 0xFF))).decode().rstrip("="))


def plain_forms(value: str) -> tuple[str, ...]:
    """Return a credential and the credentials within it: `user:password` of Basic authentication, and the password."""
    return tuple(dict.fromkeys((value, *_inside_basic(value))))


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
