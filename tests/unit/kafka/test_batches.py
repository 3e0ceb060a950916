"""Raw batches to records: whatever lies there, all that can be read is read, and each other thing is told of once."""

import struct
from collections.abc import Sequence
from zlib import crc32

import pytest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import ConfigError
from consumer.kafka.batches import Fetched, Walked, walk
from consumer.kafka.unpacking import ByteReader, DamagedError, decompress
from consumer.model import Partition, Record
from schemas.names import PoisonReason
from tests.support.faults.raw_records import (
    CODECS,
    CONTROL,
    CRC_AT,
    RECORDS_AT,
    TRANSACTIONAL,
    Raw,
    batch,
    damaged,
    unreadable,
    varint,
)

HERE = Partition("workflow.failures", 3)
MANY = 10_000


def raws(*values: bytes) -> list[Raw]:
    return [Raw(value=value, key=b"k" + value, headers=((b"h", value), (b"none", None))) for value in values]


def walked(
    content: bytes, position: int = 0, *, at_most: int = MANY, end: int = 100, aborted: Sequence[tuple[int, int]] = ()
) -> Walked:
    fetched = Fetched(content=content, aborted=aborted, end=end, high_watermark=end)
    return walk(HERE, position, fetched, at_most=at_most)


def seen(found: Walked) -> list[tuple[int, bytes | None]]:
    return [(one.offset, one.value if one.fault is None else None) for one in found.records]


def by_client(content: bytes) -> list[tuple[int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]]:
    records, found = MemoryRecords(content), []
    while records.has_next():
        one = records.next_batch()
        assert one is not None
        assert one.validate_crc()
        for record in one:
            headers = tuple((name, value or b"") for name, value in record.headers)
            found.append((record.offset, record.key, record.value, headers))
    return found


@pytest.mark.parametrize("packed", CODECS)
def test_a_batch_that_is_whole_is_read_as_the_client_reads_it(packed: str) -> None:
    content = batch(raws(b"a", b"b"), base=4, packed=packed) + batch(raws(b"c"), base=6, packed=packed)
    found = walked(content)
    assert [(one.offset, one.key, one.value, one.headers) for one in found.records] == by_client(content)
    assert (found.position, found.corrupt) == (7, None)


@pytest.mark.parametrize("packed", CODECS)
def test_one_record_that_cannot_be_read_costs_no_other_one(packed: str) -> None:
    bad = unreadable(b"bad")
    found = walked(batch([*raws(b"a"), bad, *raws(b"c")], packed=packed))
    assert seen(found) == [(0, b"a"), (1, None), (2, b"c")]
    fault = found.records[1]
    assert fault.value == bad.body(1), "its bytes as they lie there"
    assert fault.fault is not None
    assert fault.fault.reason is PoisonReason.UNREADABLE_RECORD
    assert "not UTF-8" in fault.fault.message
    assert found.position == 3


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Raw(value=b"x", tail=b"zz"), "2 bytes are left"),
        (Raw(value=b"x", delta=9), "its offset 9 is not between 1 and 2"),
        (Raw(value=b"x", delta=0), "its offset 0 is not between 1 and 2"),
    ],
    ids=["tail", "beyond", "again"],
)
def test_what_contradicts_its_format_is_a_fault(bad: Raw, why: str) -> None:
    found = walked(batch([*raws(b"a"), bad, *raws(b"c")]))
    assert seen(found) == [(0, b"a"), (1, None), (2, b"c")]
    assert found.records[1].fault is not None
    assert why in found.records[1].fault.message


@pytest.mark.parametrize("length", [varint(500), varint(-3), b"\xff" * 11], ids=["beyond", "negative", "endless"])
def test_where_lengths_end_the_rest_of_the_batch_is_one_fault_and_the_next_batch_is_read(length: bytes) -> None:
    first = raws(b"a")[0].framed(0)
    content = batch(raws(b"a", b"b", b"c"), packed_records=first + length + b"rest") + batch(raws(b"d"), base=3)
    found = walked(content)
    assert seen(found) == [(0, b"a"), (1, None), (3, b"d")]
    assert found.records[1].value == length + b"rest"
    assert found.position == 4


def test_a_batch_that_cannot_be_unpacked_is_one_fault() -> None:
    content = batch(raws(b"a", b"b"), packed="zstd", packed_records=b"no zstd") + batch(raws(b"c"), base=2)
    found = walked(content)
    assert seen(found) == [(0, None), (2, b"c")]
    fault = found.records[0].fault
    assert fault is not None
    assert (fault.reason, "to offset 1" in fault.message) == (PoisonReason.CORRUPT_BATCH, True)


def test_a_codec_of_the_future_is_one_fault_and_says_so() -> None:
    found = walked(batch(raws(b"a"), attributes=6))
    assert found.records[0].fault is not None
    assert "codec 6" in found.records[0].fault.message


def test_a_codec_that_is_not_installed_is_no_fault_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiokafka.codec.cramjam", None)
    with pytest.raises(ConfigError, match="pip install 'cramjam"):
        decompress(CODECS["zstd"], b"")


def test_what_is_asked_for_in_small_parts_comes_whole_and_each_fault_once() -> None:
    content = (
        batch([*raws(b"a"), unreadable(), *raws(b"c")])
        + batch(raws(b"d", b"e"), base=3, packed="gzip", packed_records=b"no gzip")
        + batch(raws(b"f"), base=5)
    )
    position, found = 0, list[tuple[int, bytes | None]]()
    for _ in range(10):
        part = walked(content, position, at_most=1)
        found += seen(part)
        position = part.position
    assert found == [(0, b"a"), (1, None), (2, b"c"), (3, None), (5, b"f")]
    assert position == 6


@pytest.mark.parametrize("at_most", [1, 3, MANY])
def test_a_position_within_a_batch_gives_no_record_twice(at_most: int) -> None:
    assert seen(walked(batch(raws(b"a", b"b", b"c"), base=7), 9, at_most=at_most)) == [(9, b"c")]


def test_a_wrong_checksum_ends_the_walk_before_it_and_knows_what_follows() -> None:
    bad = damaged(batch(raws(b"c", b"d"), base=2))
    content = batch(raws(b"a", b"b")) + bad + batch(raws(b"e"), base=9)
    found = walked(content)
    assert seen(found) == [(0, b"a"), (1, b"b")]
    assert found.position == 2
    again = walked(content[-len(bad) - len(batch(raws(b"e"))) :], 2)
    assert again.records == ()
    assert again.corrupt is not None
    assert again.corrupt.next_offset == 9
    assert again.corrupt.record.value == bad
    assert again.corrupt.record.fault is not None
    assert again.corrupt.record.fault.reason is PoisonReason.CORRUPT_BATCH


def test_of_a_damaged_batch_with_nothing_after_it_its_own_end_counts_where_it_can_be() -> None:
    bad = damaged(batch(raws(b"c", b"d"), base=2))
    found = walked(bad, 2).corrupt
    assert found is not None
    assert found.next_offset == 4
    wild = bad[:23] + struct.pack(">i", 2_000_000_000) + bad[27:]
    found = walked(wild, 2, end=30).corrupt
    assert found is not None
    assert found.next_offset == 30, "else where the partition ends"


@pytest.mark.parametrize("length", [-5, 3, 1_000_000])
def test_a_length_that_cannot_be_is_told_of_as_damage(length: int) -> None:
    whole = batch(raws(b"a", b"b"), base=2)
    found = walked(whole[:8] + struct.pack(">i", length) + whole[12:], 2)
    assert found.records == ()
    assert found.corrupt is not None
    assert found.corrupt.next_offset == 4


def test_a_last_batch_that_is_cut_short_waits_for_the_next_fetch() -> None:
    found = walked(batch(raws(b"a")) + batch(raws(b"b"), base=1)[:-3])
    assert (seen(found), found.position, found.corrupt) == ([(0, b"a")], 1, None)


def _marker(base: int, producer: int, kind: int) -> bytes:
    marker = Raw(key=struct.pack(">hh", 0, kind), value=struct.pack(">hi", 0, 0))
    return batch([marker], base=base, producer=producer, attributes=TRANSACTIONAL | CONTROL)


def test_what_a_transaction_took_back_is_passed_over_and_what_it_committed_is_read() -> None:
    def of(producer: int, base: int, value: bytes) -> bytes:
        return batch(raws(value), base=base, producer=producer, attributes=TRANSACTIONAL)

    content = (
        of(1, 0, b"taken back")
        + of(2, 1, b"kept")
        + batch(raws(b"plain"), base=2)
        + _marker(3, 1, 0)
        + _marker(4, 2, 1)
        + of(1, 5, b"kept too")
        + _marker(6, 1, 1)
    )
    found = walked(content, aborted=[(1, 0)])
    assert seen(found) == [(1, b"kept"), (2, b"plain"), (5, b"kept too")]
    assert found.position == 7, "behind the marker: it leaves no lag"


def test_a_batch_whose_records_were_compacted_away_moves_the_position() -> None:
    assert walked(batch([], base=3, last_delta=4)).position == 8


@given(st.binary(max_size=400), st.integers(min_value=1, max_value=5))
def test_whatever_lies_under_a_right_checksum_is_walked_to_its_end(content: bytes, count: int) -> None:
    whole = batch(raws(*[b"x"] * count), packed_records=content)
    after = batch(raws(b"after"), base=count)
    found = walked(whole + after, end=count + 1)
    assert seen(found)[-1] == (count, b"after")
    offsets = [one.offset for one in found.records]
    assert offsets == sorted(set(offsets))
    assert found.position == count + 1


@given(st.data())
def test_no_flipped_byte_is_read_as_something_else(data: st.DataObject) -> None:
    whole = batch(raws(b"a", b"b"), base=5)
    at = data.draw(st.integers(min_value=CRC_AT, max_value=len(whole) - 1))
    bit = data.draw(st.integers(min_value=0, max_value=7))
    flipped = whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
    found = walked(flipped, 5)
    assert found.records == ()
    assert found.corrupt is not None
    assert 5 < found.corrupt.next_offset <= 100


def _old(magic: int, values: Sequence[bytes], packed: int = 0) -> bytes:
    builder = LegacyRecordBatchBuilder(magic=magic, compression_type=packed, batch_size=MANY)
    for number, value in enumerate(values):
        builder.append(number, 1_000 + number, b"key", value)
    return bytes(builder.build())


@pytest.mark.parametrize("packed", [0, CODECS["gzip"], CODECS["snappy"]], ids=["none", "gzip", "snappy"])
@pytest.mark.parametrize("magic", [0, 1])
def test_the_formats_before_batches_are_read_as_the_client_reads_them(magic: int, packed: int) -> None:
    content = _old(magic, [b"a", b"b", b"c"], packed)
    if packed:
        content = struct.pack(">q", 2) + content[8:]  # as the broker does: the offset of the last one within
    found = walked(content)
    assert [(one.offset, one.key, one.value, one.headers) for one in found.records] == by_client(content)
    assert found.position == 3
    assert {one.timestamp_ms for one in found.records} == ({-1} if magic == 0 else {1_000, 1_001, 1_002})


def _message(offset: int, fields: bytes, *, attributes: int = 0) -> bytes:
    summed = bytes([1, attributes]) + struct.pack(">q", 0) + fields
    return struct.pack(">qiI", offset, len(summed) + 4, crc32(summed)) + summed


def test_an_old_message_that_cannot_be_read_is_a_fault_and_one_of_a_wrong_checksum_is_damage() -> None:
    good = _old(1, [b"a"])
    bad = _message(1, struct.pack(">i", 900) + b"short")
    found = walked(good + bad + _message(2, struct.pack(">ii", -1, 1) + b"c"))
    assert seen(found) == [(0, b"a"), (1, None), (2, b"c")]
    unpackable = _message(0, struct.pack(">ii", -1, 4) + b"none", attributes=CODECS["gzip"])
    assert seen(walked(unpackable)) == [(0, None)]
    assert walked(damaged(good)).corrupt is not None


def test_a_format_that_is_not_known_is_damage() -> None:
    whole = batch(raws(b"a"))
    found = walked(whole[:16] + b"\x07" + whole[17:])
    assert found.corrupt is not None


def test_numbers_are_read_as_they_are_written() -> None:
    for number in (0, 1, -1, 63, -64, 64, 300, -300, 2**31, -(2**31), 2**62, -(2**62)):
        assert ByteReader(varint(number)).varint() == number
    with pytest.raises(DamagedError):
        ByteReader(b"\x80").varint()


def test_the_layout_of_the_tests_batches_is_the_formats() -> None:
    whole = batch(raws(b"a"))
    (crc,) = struct.unpack_from(">I", whole, CRC_AT)
    assert crc == calc_crc32c(whole[CRC_AT + 4 :])
    assert len(batch([])) == RECORDS_AT
    assert isinstance(walked(whole).records[0], Record)
