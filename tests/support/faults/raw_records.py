"""Record batches made by hand and sent as they are: what no client would write, and a broker takes."""

import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import codec
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import LeaderNotAvailableError, for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

CODECS: Final[Mapping[str, int]] = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_PACKED: Final = {
    0: bytes,
    1: codec.gzip_encode,
    2: codec.snappy_encode,
    3: codec.lz4_encode,
    4: codec.zstd_encode,
}
CRC_AT: Final = 17
"""Where the checksum of a batch stands."""
RECORDS_AT: Final = 61
TRANSACTIONAL: Final = 0x10
CONTROL: Final = 0x20
NOW: Final = int(time.time() * 1000)
"""Of today: the broker deletes what is older than its retention."""


def varint(number: int) -> bytes:
    """Encode a number as records hold them."""
    rest = (number << 1) ^ (number >> 63)
    found = bytearray()
    while rest > 0x7F:
        found.append(0x80 | (rest & 0x7F))
        rest >>= 7
    found.append(rest)
    return bytes(found)


def _sized(content: bytes | None) -> bytes:
    return varint(-1) if content is None else varint(len(content)) + content


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """One record; its headers' names are bytes."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    delta: int | None = None
    """Its place in the batch, where that is not its number."""
    tail: bytes = b""
    """What no field accounts for."""

    def body(self, number: int) -> bytes:
        """Give its bytes without their length."""
        place = varint(number if self.delta is None else self.delta)
        headers = varint(len(self.headers)) + b"".join(_sized(name) + _sized(value) for name, value in self.headers)
        return b"\0" + varint(0) + place + _sized(self.key) + _sized(self.value) + headers + self.tail

    def framed(self, number: int) -> bytes:
        body = self.body(number)
        return varint(len(body)) + body


UNREADABLE_NAME: Final = b"tenant-\xff\xfe"


def unreadable(value: bytes = b"{}") -> Raw:
    """Give a record whose header's name is not UTF-8: brokers take it, and the client cannot read it."""
    return Raw(value=value, headers=((b"good", b"1"), (UNREADABLE_NAME, b"2")))


def batch(
    records: Sequence[Raw],
    *,
    base: int = 0,
    packed: str = "none",
    attributes: int = 0,
    producer: int = -1,
    packed_records: bytes | None = None,
    last_delta: int | None = None,
) -> bytes:
    """Make one batch of message format 2, with a right checksum."""
    code = CODECS[packed]
    body = b"".join(record.framed(number) for number, record in enumerate(records))
    content = _PACKED[code](body) if packed_records is None else packed_records
    last = len(records) - 1 if last_delta is None else last_delta
    fields = struct.pack(
        ">hiqqqhii", code | attributes, last, NOW, NOW, producer, -1 if producer < 0 else 0, -1, len(records)
    )
    summed = fields + content
    return struct.pack(">qiibI", base, len(summed) + 9, -1, 2, calc_crc32c(summed)) + summed


def damaged(whole: bytes) -> bytes:
    """Flip a bit of the records, as a disk or a network card would: the checksum is wrong."""
    return whole[:-1] + bytes([whole[-1] ^ 1])


async def send_raw(bootstrap: str, topic: str, partition: int, content: bytes) -> int:
    """Produce a batch as it is; gives its first offset. Raises what the client or the broker says."""
    client: Any = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        node = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if node in (None, -1):
            raise LeaderNotAvailableError
        answer = await client.send(node, ProduceRequest(None, -1, 10_000, [(topic, [(partition, content)])]))
    finally:
        await client.close()
    (_, ((_, code, offset, *_),)), *_ = answer.topics
    if code:
        raise for_code(code)
    return int(offset)
