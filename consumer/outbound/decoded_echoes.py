"""Redaction of echoed credentials that show only once an answer is decoded, or put together from its parts.

`echoes.py` searches the bytes as they came. Here the answer is decoded as the healer will decode it (JSON, charset),
and searched again: each text for itself and unfolded (escapes, base64 and UTF-7 within one another), and all texts of
the document together, since a server may spread a credential over members, keys and items. Every search is one pass.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from consumer.model import Json, JsonObject
from consumer.outbound.charsets import charset_of, decode_text, encode_text
from consumer.outbound.echoes import in_base64
from consumer.outbound.unfolding import base64_runs, decoded_runs, lower_text, printable, tight_text, unescape
from schemas.errors import EnvelopeError
from schemas.json_text import load_json, to_json

_SHORTEST: Final = 6
_SHORTEST_PART: Final = 4
_MOST_PARTS: Final = 8
"""A credential in more parts than this is found only where they follow each other."""
_DEPTH: Final = 3
"""How many foldings within one another are undone."""
_WINDOW: Final = 64 * 1024
"""Characters that are searched at once: some ten milliseconds."""
_OVERLAP: Final = 8 * 1024
_MOST: Final = 4 * _WINDOW
"""Characters of one text that are searched once more, to say which of many it was."""
_SHORTEST_SPREAD: Final = 8
_STRING: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"\s*(:?)', re.DOTALL)
_AT_ONCE: Final = 4096
"""Texts of a document that are gathered before the event loop has a turn."""
_ENCODINGS: Final = ("ascii", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp037", "cp500")
_Place: TypeAlias = tuple[JsonObject | list[Json], str | int, bool]
"""A container, the key or index in it, and whether the text is the key itself."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    value: str
    lowered: str
    encoded: tuple[bytes, ...]
    escaped: str
    """As it stands in a JSON text, in lower case."""
    tight: str
    """Without what `_BETWEEN` takes for separators, in lower case."""


class DecodedEchoes:
    """The credentials of one call, as they are searched for in what its answer says."""

    __slots__ = ("_runs", "_wanted")

    def __init__(self, plain: Mapping[str, Sequence[str]]) -> None:
        self._wanted = tuple(
            _Wanted(
                f"secret://{name}",
                value,
                lower_text(value),
                (
                    *(value.encode(encoding).lower() for encoding in _ENCODINGS if _can(value, encoding)),
                    # Within another base64 it may begin anywhere.
                    *(spelled.encode().lower() for spelled in in_base64(value.encode()) if len(spelled) >= _SHORTEST),
                ),
                lower_text(to_json(value).decode()[1:-1]),
                lower_text(tight_text(value)),
            )
            for name, values in plain.items()
            for value in values
            if len(value) >= _SHORTEST
        )
        # A shorter run of base64 cannot hold any of them, whatever stands before and after it.
        shortest = min((len(one.value) * 4 // 3 for one in self._wanted), default=0)
        self._runs = base64_runs(max(8, shortest))

    def __repr__(self) -> str:
        return f"DecodedEchoes({len(self._wanted)})"

    async def taken_out(self, body: bytes, content_type: str, *, truncated: bool) -> bytes:
        """Replace what a body says of the credentials once it is decoded; the body itself where it says nothing."""
        if not self._wanted or not body:
            return body
        if body.lstrip()[:1] in (b"{", b"[") or "json" in content_type.lower():
            try:
                return await self._out_of_json(body)
            except EnvelopeError:
                pass
        charset = charset_of(content_type)
        text = decode_text(body, charset, truncated=truncated)
        if text is None:
            return body
        clean = await self._out_of_text(text)
        return body if clean is text else encode_text(clean, charset)

    def taken_out_of_texts(self, texts: Sequence[str]) -> list[str]:
        """Replace what short texts, such as the values of headers, say of the credentials, each and all together."""
        if not self._wanted:
            return list(texts)
        found = {n: name for n, text in enumerate(texts) if (name := self._unfolded_name(text)) is not None}
        found |= self._spread_over(texts, range(len(texts))) | self._in_parts(texts)
        return [found.get(number, text) for number, text in enumerate(texts)]

    async def _out_of_json(self, body: bytes) -> bytes:
        document: list[Json] = [load_json(body)]
        text = (to_json(document[0]) if b"\\" in body else body).decode("utf-8", "replace")
        if not await self._suspects(text):
            return body
        places = list(_places(document))
        texts = [_text_at(place) for place in places]
        found = await self._folded(texts)
        for chosen in (
            [n for n, place in enumerate(places) if not place[2]],
            list(range(len(places))),
            [n for n, place in enumerate(places) if place[2]],
        ):
            found |= self._spread_over([texts[n] for n in chosen], chosen)
        found |= self._in_parts(texts)
        if not found:
            return body
        _replace(places, found)
        return to_json(document[0])

    async def _suspects(self, text: str) -> bool:
        """Return whether a document is worth the walk that says where it holds a credential; the usual one is not."""
        if await self._named_in(text) is not None:
            return True
        keys: list[str] = []
        values: list[str] = []
        both: list[str] = []
        for number, found in enumerate(_STRING.finditer(text)):
            one, colon = found.groups()
            both.append(one)
            (keys if colon else values).append(one)
            if not number % _AT_ONCE:
                await asyncio.sleep(0)
        for texts in (values, both, keys):
            await asyncio.sleep(0)
            whole = lower_text("".join(texts))
            if any(one.escaped in whole for one in self._wanted if len(one.value) >= _SHORTEST_SPREAD):
                return True
        return bool(self._in_parts([*set(both)]))

    async def _out_of_text(self, text: str) -> str:
        for wanted in self._wanted:
            text = _without(text, wanted)
        if (name := await self._named_in(text)) is not None:
            return name
        for begin in range(0, len(text), _WINDOW - _OVERLAP):
            together = lower_text(tight_text(text[begin : begin + _WINDOW]))
            for wanted in self._wanted:
                if len(wanted.tight) >= _SHORTEST_SPREAD and wanted.tight in together:
                    return wanted.name
            await asyncio.sleep(0)
        return text

    async def _folded(self, texts: Sequence[str]) -> dict[int, str]:
        """Return which texts hold a credential in themselves, folded or not; many short ones are searched at once."""
        found: dict[int, str] = {}
        for numbers in _gathered(texts):
            whole = "\n".join(texts[number] for number in numbers)
            if (name := await self._named_in(whole)) is None:
                continue
            hit = {number: own for number in numbers if (own := self._unfolded_name(texts[number][:_MOST])) is not None}
            found |= hit or dict.fromkeys(numbers, name)
        return found

    async def _named_in(self, text: str) -> str | None:
        for begin in range(0, len(text), _WINDOW - _OVERLAP):
            name = self._unfolded_name(text[begin : begin + _WINDOW], torn=begin > 0)
            await asyncio.sleep(0)
            if name is not None:
                return name
        return None

    def _unfolded_name(self, text: str, *, torn: bool = False) -> str | None:
        level = [text]
        for depth in range(_DEPTH + 1):
            for one in level:
                lowered = lower_text(one)
                for wanted in self._wanted:
                    if wanted.lowered in lowered:
                        return wanted.name
            below: list[str] = []
            for one in level if depth < _DEPTH else ():
                if (plain := unescape(one)) != one:
                    below.append(plain)
                runs = [raw for run in self._runs.finditer(one) for raw in decoded_runs(run, torn=torn and not depth)]
                if (name := self._encoded_in(runs)) is not None:
                    return name
                below += printable(runs)
            level = below
        return None

    def _encoded_in(self, runs: Sequence[bytes]) -> str | None:
        whole = b"\n".join(runs).lower()
        for wanted in self._wanted:
            if any(encoded in whole for encoded in wanted.encoded):
                return wanted.name
        return None

    def _spread_over(self, texts: Sequence[str], numbers: Sequence[int]) -> dict[int, str]:
        """Return which of the texts hold a credential together, one directly after the other."""
        found: dict[int, str] = {}
        whole = lower_text("".join(texts))
        for wanted in self._wanted:
            at = whole.find(wanted.lowered) if len(wanted.value) >= _SHORTEST_SPREAD else -1
            begin = 0
            for number, text in zip(numbers, texts, strict=True):
                end = begin + len(text)
                while 0 <= at <= begin - len(wanted.value):
                    at = whole.find(wanted.lowered, at + len(wanted.value))
                if at < 0:
                    break
                if begin < end and at < end:
                    found[number] = wanted.name
                begin = end
        return found

    def _in_parts(self, texts: Sequence[str]) -> dict[int, str]:
        """Return which of the texts are parts that make up a credential, in whatever order they stand."""
        found: dict[int, str] = {}
        for wanted in self._wanted:
            if len(wanted.value) < _SHORTEST_SPREAD:
                continue
            shortest = max(_SHORTEST_PART, len(wanted.value) // _MOST_PARTS)
            parts = {
                number: lower_text(text)
                for number, text in enumerate(texts)
                if shortest <= len(text) <= len(wanted.value) and lower_text(text) in wanted.lowered
            }
            covered = [False] * len(wanted.lowered)
            for part in set(parts.values()):
                at = wanted.lowered.find(part)
                covered[at : at + len(part)] = [True] * len(part)
            if all(covered):
                found |= dict.fromkeys(parts, wanted.name)
        return found


def _gathered(texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield the numbers of texts that fill a window together."""
    numbers: list[int] = []
    size = 0
    for number, text in enumerate(texts):
        numbers.append(number)
        size += len(text) + 1
        if size >= _WINDOW:
            yield numbers
            numbers, size = [], 0
    if numbers:
        yield numbers


def _places(document: list[Json]) -> Iterator[_Place]:
    """Yield the place of each key, text and number, in the order in which they stand."""
    left: list[Iterator[_Place]] = [_below(document)]
    while left:
        place = next(left[-1], None)
        if place is None:
            left.pop()
            continue
        container, at, is_key = place
        value = at if is_key else container[at]  # type: ignore[index]  # a key of an object, an index of a list
        if isinstance(value, dict | list):
            left.append(_below(value))
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield place


def _below(container: JsonObject | list[Json]) -> Iterator[_Place]:
    if isinstance(container, list):
        for index in range(len(container)):
            yield container, index, False
    else:
        for key in list(container):
            yield container, key, True
            yield container, key, False


def _text_at(place: _Place) -> str:
    container, at, is_key = place
    value = at if is_key else container[at]  # type: ignore[index]  # as above
    return value if isinstance(value, str) else str(value)


def _replace(places: Sequence[_Place], found: Mapping[int, str]) -> None:
    # Values first: a key that is replaced takes its value along.
    for number, name in found.items():
        container, at, is_key = places[number]
        if not is_key:
            container[at] = name  # type: ignore[index]  # as above
    for number, name in found.items():
        container, at, is_key = places[number]
        if is_key and isinstance(container, dict) and isinstance(at, str) and at in container:
            fitting = name if name not in container else f"{name} {number}"
            container[fitting] = container.pop(at)


def _without(text: str, wanted: _Wanted) -> str:
    lowered = lower_text(text)
    if len(lowered) != len(text) or wanted.lowered not in lowered:
        return text
    parts: list[str] = []
    at = 0
    while (found := lowered.find(wanted.lowered, at)) >= 0:
        parts += (text[at:found], wanted.name)
        at = found + len(wanted.value)
    return "".join((*parts, text[at:]))


def _can(value: str, encoding: str) -> bool:
    try:
        value.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
