"""Single records of any topic: read at their place, found by a header, and sent to a partition. Without a group."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumer.errors import TransientError
from consumer.kafka import aiokafka_internals
from consumer.kafka.connection import connection_options, translated
from consumer.kafka.manual_producer import MAX_RECORD, Outgoing
from consumer.model import Partition, Record
from consumer.settings import KafkaSettings

MOST_SEARCHED: Final = 200_000
"""Records of a partition that are searched for one."""
_POLL_MS: Final = 1000
_POLLED: Final = 1000


class TopicRecords:
    """Reads and sends single records over the service's own connection; each call is bounded by its caller."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def at(self, place: Partition, offset: int) -> Record | None:
        """Return the record at an offset; None where none is there any more, or yet. TransientError as `find`."""
        async with self._opened(place) as (consumer, begin, end):
            if not begin <= offset < end:
                return None
            async for record in _records(consumer, place, offset, end):
                return record if record.offset == offset else None
        return None

    async def find(self, place: Partition, after: int, header: tuple[str, bytes]) -> Record | None:
        """Return the first record behind an offset that carries a header.

        Raises
        ------
        TransientError
            The broker did not answer, or there are more records than are searched.

        """
        async with self._opened(place) as (consumer, begin, end):
            start = max(begin, after + 1)
            if end - start > MOST_SEARCHED:
                raise TransientError(
                    f"{end - start} records of {place.topic}/{place.partition} would have to be searched, and at most "
                    f"{MOST_SEARCHED} are"
                )
            async for record in _records(consumer, place, start, end):
                if header in record.headers:
                    return record
        return None

    async def send(self, place: Partition, record: Outgoing) -> int:
        """Send a record to a partition, and return its offset; TransientError where it is not known to be there."""
        what = f"sending to {place.topic}"
        producer = AIOKafkaProducer(
            **connection_options(self._settings),
            acks="all",
            enable_idempotence=self._settings.idempotence,
            max_request_size=MAX_RECORD,
        )
        try:
            with translated(what):
                await aiokafka_internals.start(producer)
                sent = await producer.send_and_wait(
                    place.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=place.partition,
                )
        finally:
            await aiokafka_internals.stop(producer)
        return int(sent.offset)

    @asynccontextmanager
    async def _opened(self, place: Partition) -> AsyncIterator[tuple[Any, int, int]]:
        """Open a reader of one partition, with its first offset and its end."""
        tp = TopicPartition(*place)
        consumer = AIOKafkaConsumer(
            **connection_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        try:
            with translated(f"reading {place.topic}"):
                await aiokafka_internals.start(consumer)
                consumer.assign([tp])
                begin = (await consumer.beginning_offsets([tp]))[tp]
                end = (await consumer.end_offsets([tp]))[tp]
            yield consumer, begin, end
        finally:
            await aiokafka_internals.stop(consumer)


async def _records(consumer: Any, place: Partition, start: int, end: int) -> AsyncIterator[Record]:  # noqa: ANN401 - the client has no types
    """Yield the records from one offset to another; the caller's timeout ends a broker's silence."""
    tp = TopicPartition(*place)
    consumer.seek(tp, start)
    while (position := await consumer.position(tp)) < end:
        with translated(f"reading {place.topic}"):
            polled = await consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=_POLLED)
        for one in polled.get(tp, ()):
            yield Record(
                topic=place.topic,
                partition=place.partition,
                offset=one.offset,
                timestamp_ms=one.timestamp,
                key=one.key,
                value=one.value,
                headers=tuple(one.headers),
            )
        if not polled and await consumer.position(tp) == position and position + 1 >= end:
            return  # what is left are marks of transactions
