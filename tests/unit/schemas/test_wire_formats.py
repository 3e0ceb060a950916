"""Bytes of other serialisers, named in the letter of an event."""

import gzip
import json
import pickle
import zlib
from base64 import b64encode

import pytest

from schemas.envelope import EnvelopeError, parse
from schemas.names import PoisonReason
from schemas.wire_formats import wire_format

EVENT = {"org_id": "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f", "workflow_name": "w", "failure_reason": "timeout"}
TEXT = json.dumps(EVENT).encode()
PROTOBUF = b"\x0a\x06orders\x12\x07timeout\x18\x96\x01"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"\x00\x00\x00\x00\x07\x0corders", "schema id 7"),
        (b"\x00\x00\x00\x01\x00" + PROTOBUF, "Avro or Protobuf of a schema registry"),
        (b"\x00\x00\x00\x00\x07" + TEXT, "JSON behind the five bytes"),
        (b"\x03\x00" + b"\x6f" * 16 + PROTOBUF, "Glue schema registry"),
        (b"Obj\x01\x04\x14avro.codec", "Avro container"),
        (b"\xc3\x01" + b"12345678orders", "Avro in its single-object"),
        (gzip.compress(TEXT), "gzip"),
        (zlib.compress(TEXT), "zlib"),
        (b"\x28\xb5\x2f\xfd\x20", "zstd"),
        (b"\x04\x22\x4d\x18", "LZ4"),
        (b"\x82SNAPPY\x00", "snappy"),
        (b"\x83\xa6org_id\xa1x", "MessagePack"),
        (b"\xde\x00\x03\xa6org_id\xa1x", "MessagePack"),
        (b"\xa3forg_id", "CBOR"),
        (b"\x12\x00\x00\x00\x02a\x00\x06\x00\x00\x00hello\x00\x00", "BSON"),
        (b"\xac\xed\x00\x05sr", "Java"),
        (pickle.dumps(EVENT), "pickled"),
        (b64encode(TEXT), "base64"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        (b"<event/>", "XML"),
        (PROTOBUF, "Protobuf"),
    ],
)
def test_a_format_is_known_by_its_first_bytes_and_named_in_the_letter(value: bytes, name: str) -> None:
    assert name in (wire_format(value) or "")
    with pytest.raises(EnvelopeError) as caught:
        parse(value, [])
    assert caught.value.kind is PoisonReason.NOT_JSON
    assert name in caught.value.message


@pytest.mark.parametrize(
    "value", [b"", b"hello", b"{", b'{"a": ', b"\n\n", b"timeout\n", b"1,2,3", b"\x00", b"key=value"]
)
def test_what_is_nothing_known_is_not_named(value: bytes) -> None:
    assert wire_format(value) is None
