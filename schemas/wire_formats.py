"""Names the format of bytes that are no JSON, for the letter of an event that was serialised by something else."""

import re
from typing import Final

_SIGNS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"Obj\x01", "an Avro container file"),
    (b"\xc3\x01", "Avro in its single-object encoding"),
    (b"\x03\x00", "Avro or Protobuf behind the header of a Glue schema registry"),
    (b"\x03\x05", "Avro or Protobuf behind the header of a Glue schema registry"),
    (b"\x1f\x8b", "compressed by gzip (Kafka compresses by itself: compression.type)"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd (Kafka compresses by itself: compression.type)"),
    (b"\x04\x22\x4d\x18", "compressed by LZ4 (Kafka compresses by itself: compression.type)"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed by snappy (Kafka compresses by itself: compression.type)"),
    (b"\x82SNAPPY\x00", "compressed by snappy (Kafka compresses by itself: compression.type)"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\xac\xed\x00\x05", "a serialised Java object"),
    (b"\xd9\xd9\xf7", "CBOR"),
    (b":)\n", "Smile"),
    (b"\xe0\x01\x00\xea", "Amazon Ion"),
    (b"PAR1", "Parquet"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"<", "XML or HTML"),
)
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_REGISTRY_HEAD: Final = 5
_BASE64_JSON: Final = re.compile(rb"(?:eyJ|eyAi|ewo)[A-Za-z0-9+/_-]{40}")
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05]")
_PARSED_FIELDS: Final = 1000


def wire_format(value: bytes) -> str | None:
    """Return what bytes that are no JSON seem to be, or None."""
    if len(value) > _REGISTRY_HEAD and value[0] == 0:
        return _registry_format(value)
    named = next((name for sign, name in _SIGNS if value.startswith(sign)), None)
    return named or _loose_format(value) or _packed_format(value)


def _loose_format(value: bytes) -> str | None:
    if value.startswith(_ZLIB):
        return "compressed by zlib"
    if _BASE64_JSON.match(value):
        return "JSON in base64"
    if _PICKLE.match(value):
        return "a pickled Python object"
    is_bson = len(value) > _REGISTRY_HEAD and int.from_bytes(value[:4], "little") == len(value) and value[-1] == 0
    return "BSON" if is_bson else None


def _registry_format(value: bytes) -> str:
    schema = int.from_bytes(value[1:_REGISTRY_HEAD], "big")
    payload = value[_REGISTRY_HEAD:]
    if payload.lstrip()[:1] in (b"{", b"["):
        what = "JSON behind the five bytes of a schema registry"
    else:
        what = "Avro or Protobuf of a schema registry"
    return f"{what} (magic byte 0, schema id {schema})"


def _packed_format(value: bytes) -> str | None:
    first = value[0] if value else 0
    if 0x80 <= first <= 0x9F or first in (0xDC, 0xDD, 0xDE, 0xDF):  # noqa: PLR2004 - maps and arrays
        return "MessagePack"
    if 0xA0 <= first <= 0xBF:  # noqa: PLR2004 - maps
        return "CBOR"
    return "Protobuf" if _is_protobuf(value) else None


def _is_protobuf(value: bytes) -> bool:
    """Return whether all of the bytes are fields of a Protobuf message; texts in ASCII seldom are."""
    at, fields = 0, 0
    while at < len(value) and fields < _PARSED_FIELDS:
        tag, at = _varint(value, at)
        if tag <= 0 or tag >> 3 == 0:
            return False
        match tag & 7:
            case 0:
                number, at = _varint(value, at)
                if number < 0:
                    return False
            case 1:
                at += 8
            case 2:
                size, at = _varint(value, at)
                if size < 0:
                    return False
                at += size
            case 5:
                at += 4
            case _:
                return False
        fields += 1
    return fields > 0 and (at == len(value) or fields == _PARSED_FIELDS)


def _varint(value: bytes, at: int) -> tuple[int, int]:
    """Read a varint; -1 where there is none."""
    number = 0
    for n in range(10):
        if at + n >= len(value):
            return -1, at
        byte = value[at + n]
        number |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return number, at + n + 1
    return -1, at
