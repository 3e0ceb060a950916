"""Decoding primitives for a partition's bytes: variable-length numbers, sized fields, and decompression. Pure."""

from typing import Final

from aiokafka import codec

from consumer.errors import ConfigError

INSTALL_CODECS: Final = "pip install 'cramjam>=2.11'"

_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_UNPACK: Final = {
    _GZIP: codec.gzip_decode,
    _SNAPPY: codec.snappy_decode,
    _LZ4: codec.lz4_decode,
    _ZSTD: codec.zstd_decode,
}
_BITS: Final = 64


class DamagedError(Exception):
    """The bytes do not match their format; the text says why. It does not leave this package."""


def missing_codecs() -> tuple[str, ...]:
    """Return the codecs that the client cannot decompress here."""
    has = {"gzip": codec.has_gzip, "snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}
    return tuple(name for name, there in has.items() if not there())


def decompress(number: int, content: bytes) -> bytes:
    """Decompress by a codec's number in a batch's attributes."""
    if number == 0:
        return content
    undo = _UNPACK.get(number)
    if undo is None:
        raise DamagedError(f"it is packed with codec {number}, which this release does not know")
    try:
        return bytes(undo(content))
    except NotImplementedError as error:
        raise ConfigError(f"a producer packs with codec {number}, which is not installed: {INSTALL_CODECS}") from error
    except Exception as error:  # each codec has errors of its own
        raise DamagedError(f"what is packed cannot be unpacked ({type(error).__name__}: {error})") from error


class ByteReader:
    """A byte buffer with a read position."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def varint(self) -> int:
        """Read a number of variable length (a zigzag varint)."""
        found = shift = 0
        while True:
            if self.at >= len(self._content):
                raise DamagedError("it ends within a number")
            byte = self._content[self.at]
            self.at += 1
            found |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a number has no upper bit
                return (found >> 1) ^ -(found & 1)
            shift += 7
            if shift >= _BITS:
                raise DamagedError("a number is longer than 64 bits")

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        end = self.at + size
        if size < 0 or end > len(self._content):
            raise DamagedError(f"a length says {size} bytes and {len(self._content) - self.at} follow")
        taken = self._content[self.at : end]
        self.at = end
        return taken

    def sized(self) -> bytes | None:
        """Read a length-prefixed field; None where its length is negative."""
        size = self.varint()
        return None if size < 0 else self.take(size)

    def count(self) -> int:
        """Read the number of items that follow."""
        number = self.varint()
        if not 0 <= number <= len(self._content) - self.at:
            raise DamagedError(f"it says that it has {number} headers")
        return number

    def end(self) -> None:
        """Check that no bytes are left."""
        if self.at != len(self._content):
            raise DamagedError(f"{len(self._content) - self.at} bytes are left after its last field")
