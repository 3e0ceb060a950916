"""Bounded decoding of Content-Encoding (gzip, deflate): protects against decompression bombs."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

ACCEPTED: Final = "gzip, deflate"
"""Value of the request's Accept-Encoding."""
_PIECE: Final = 64 * 1024
_MOST_LAYERS: Final = 2
_MOST_MEMBERS: Final = 1_000
"""Most gzip members of one body: a body may be many members in a row, and without a limit empty ones would cost CPU for
nothing."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"
_MAGIC: Final = 2
_ZLIB_METHOD: Final = 8
_ZLIB_CHECK: Final = 31


class Undecodable(Exception):
    """The body is not what its Content-Encoding says, not whole, or in an encoding that was not asked for."""


class Oversized(Exception):
    """The body, as received or as decoded, is larger than the caller allows."""


class _Engine(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def eof(self) -> bool: ...


class _Layer(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def end(self) -> None: ...


class Decoder:
    """Decodes the content encodings of one body, the last one first.

    Every layer has its own limit: a body that is huge only between two layers is as much work as one that ends huge.
    """

    def __init__(self, encodings: Sequence[str], most: int) -> None:
        named = [name for text in encodings for part in text.split(",") if (name := part.strip().lower())]
        self._layers: list[_Layer] = [_make_layer(name, most) for name in reversed(named) if name != "identity"]
        if len(self._layers) > _MOST_LAYERS:
            self._layers = [_UnknownEncoding(f"{len(self._layers)} encodings over each other")]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode a part of the body, and yield the result in small pieces.

        Raises
        ------
        Undecodable
        Oversized

        """
        pieces: Iterable[bytes] = (data,)
        for layer in self._layers:
            pieces = _feed_pieces(layer, pieces)
        yield from pieces

    def end(self) -> None:
        """Mark the end of the body; raises Undecodable when an encoding is incomplete."""
        for layer in self._layers:
            layer.end()


def _feed_pieces(layer: _Layer, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from layer.feed(piece)


def _make_layer(name: str, most: int) -> _Layer:
    match name:
        case "gzip" | "x-gzip":
            return _InflateLayer(most, _GZIP)
        case "deflate":
            return _InflateLayer(most, None)
        case _:
            return _UnknownEncoding("an encoding that was not asked for")


class _UnknownEncoding:
    """Layer of an unsupported encoding; fails only on data: an answer to HEAD names the encoding that GET has."""

    def __init__(self, why: str) -> None:
        self._why = why

    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            raise Undecodable(self._why)
        yield from ()

    def end(self) -> None:
        pass


class _InflateLayer:
    """One layer of gzip, or (`wbits` None) of deflate in either of its two forms: zlib format or raw stream."""

    def __init__(self, most: int, wbits: int | None) -> None:
        self._left = most + _PIECE
        self._wbits = wbits
        self._head = b""
        self._engine: _Engine | None = None
        self._members = 0
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        # In small parts: zlib copies its unused input on each call.
        for at in range(0, len(data), _PIECE):
            yield from self._inflate(data[at : at + _PIECE])

    def end(self) -> None:
        if self._engine is not None or self._head:
            raise Undecodable("it ends in the middle")

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while not self._over:
            if self._engine is None:
                data = self._begin_member(data)
            if self._engine is None:
                return
            out = _decompress(self._engine, data)
            yield from (out,) if out else ()
            self._left -= len(out)
            if self._left < 0:
                raise Oversized
            if self._engine.eof:
                data, self._engine, self._over = self._engine.unused_data, None, self._wbits is None
                continue
            data = self._engine.unconsumed_tail
            # A piece of the full size may be followed by more output, although all input is consumed.
            if not data and len(out) < _PIECE:
                return

    def _begin_member(self, data: bytes) -> bytes:
        data, self._head = self._head + data, b""
        if len(data) < _MAGIC and self._members == 0:
            self._head = data
            return b""
        wbits = _deflate_form(data) if self._wbits is None else self._wbits
        # A complete gzip member is followed by another one, or by padding, which is no part of the body.
        self._over = self._members > 0 and not data.startswith(_GZIP_MAGIC[: len(data)])
        if data and not self._over:
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise Undecodable("too many files in one body")
            self._engine = zlib.decompressobj(wbits)
        return data


def _decompress(engine: _Engine, data: bytes) -> bytes:
    try:
        return engine.decompress(data, _PIECE)
    except zlib.error as error:
        raise Undecodable("it is not what it says") from error


def _deflate_form(data: bytes) -> int:
    """Return the window bits of zlib's format, which the standard means, or of the raw stream some servers send."""
    wrapped = data[0] & 0x0F == _ZLIB_METHOD and int.from_bytes(data[:_MAGIC]) % _ZLIB_CHECK == 0
    return zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS
