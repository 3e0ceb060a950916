"""The dead letters: read without a group, so that reading changes nothing, and turned back into what they were."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.errors import TransientError
from consumer.kafka.connection import connection_options, translated
from consumer.kafka.publishing import Outgoing, require_topic
from consumer.model import Record
from consumer.settings import KafkaSettings
from schemas.dead_letter import PREFIX, DeadLetterHeaders, read_headers

_POLL_MS: Final = 500
_BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One record of the dead-letter topic; `marks` is None where it carries none of the healer's."""

    record: Record
    marks: DeadLetterHeaders | None

    @property
    def place(self) -> str:
        """Where it lies: `partition:offset`."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def own_headers(self) -> tuple[tuple[str, bytes], ...]:
        """The headers of the record that was refused."""
        return tuple((name, content) for name, content in self.record.headers if not name.startswith(PREFIX))


def original(letter: Letter, topics: Iterable[str]) -> Outgoing | str:
    """Give the record as it was before it was refused, or say why it cannot be sent again. Pure.

    `topics` are those to which a letter may go back: whoever may write dead letters could name any other one.
    """
    marks = letter.marks
    if marks is None:
        return f"it lacks the headers {PREFIX}*: the healer did not write it"
    if marks.shw_dlq_truncated:
        size = f"{len(letter.record.value or b'')} of {marks.shw_dlq_bytes} bytes"
        return f"it is cut ({size}, SHA-256 of the whole {marks.shw_dlq_sha256}): publish the event again at its source"
    if marks.shw_dlq_topic not in topics:
        return f"it came from topic {marks.shw_dlq_topic}, which this configuration does not read"
    return Outgoing(
        topic=marks.shw_dlq_topic,
        key=letter.record.key,
        value=letter.record.value or b"",
        headers=letter.own_headers,
    )


class DeadLetters:
    """An open reader of the whole topic."""

    def __init__(self, consumer: Any, patience: float) -> None:  # noqa: ANN401 - the client has no types
        self._consumer = consumer
        self._patience = patience

    async def every(self) -> AsyncIterator[Letter]:
        """Give every letter that is there now, in order within a partition; none that comes meanwhile.

        Raises
        ------
        TransientError
            The broker stopped answering.

        """
        begins, ends = await self._bounds()
        with translated("reading dead letters"):
            await self._consumer.seek_to_beginning(*ends)
        left = [tp for tp, end in ends.items() if begins[tp] < end]
        met: set[Any] = set()
        waited = 0.0
        while left:
            found = await self._poll(left)
            waited = 0.0 if found else waited + _POLL_MS / 1000
            if waited > self._patience:
                raise TransientError(f"reading dead letters: no answer for {waited:.0f} s")
            # Asked for its end, the embedded broker counts the last batch as one record; a fetch tells the truth.
            ends |= {tp: max(ends[tp], self._consumer.highwater(tp) or 0) for tp in found if tp not in met}
            met.update(found)
            for one in chain.from_iterable(found.values()):
                if one.offset < ends[TopicPartition(one.topic, one.partition)]:
                    yield _letter(one)
            left = [tp for tp in left if await self._consumer.position(tp) < ends[tp]]

    async def at(self, partition: int, offset: int) -> Letter | None:
        """Give the letter at a place, or None when nothing lies there (any more)."""
        begins, _ = await self._bounds()
        tp = next((tp for tp in begins if tp.partition == partition), None)
        if tp is None or offset < begins[tp]:
            return None
        self._consumer.seek(tp, offset)
        waited = 0.0
        while waited <= self._patience:
            found = await self._poll([tp], at_most=1)
            if found:
                one = found[tp][0]
                return _letter(one) if one.offset == offset else None
            end = self._consumer.highwater(tp)
            if end is not None and end <= offset:
                return None
            if await self._consumer.position(tp) > offset:
                return None  # compacted away, or a transaction's marker
            waited += _POLL_MS / 1000
        raise TransientError(f"reading the dead letter {partition}:{offset}: no answer for {waited:.0f} s")

    async def _bounds(self) -> tuple[dict[Any, int], dict[Any, int]]:
        partitions = list(self._consumer.assignment())
        with translated("reading dead letters"):
            begins = await self._consumer.beginning_offsets(partitions)
            return begins, await self._consumer.end_offsets(partitions)

    async def _poll(self, partitions: list[Any], at_most: int = _BATCH) -> dict[Any, list[Any]]:
        with translated("reading dead letters"):
            found: dict[Any, list[Any]] = await self._consumer.getmany(
                *partitions, timeout_ms=_POLL_MS, max_records=at_most
            )
        return {tp: many for tp, many in found.items() if many}


@asynccontextmanager
async def open_dead_letters(settings: KafkaSettings) -> AsyncIterator[DeadLetters]:
    """Open the dead-letter topic.

    Raises
    ------
    ConfigError
        There is no such topic, or an ACL forbids reading it.
    TransientError
        The broker did not answer.

    """
    await require_topic(settings, settings.dlq_topic)
    consumer = AIOKafkaConsumer(
        settings.dlq_topic,
        **connection_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        with translated(f"Kafka at {settings.bootstrap} does not answer"):
            await consumer.start()
        yield DeadLetters(consumer, settings.request_timeout.total_seconds())
    finally:
        await consumer.stop()


def _letter(one: Any) -> Letter:  # noqa: ANN401 - the client has no types
    record = Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        timestamp_ms=one.timestamp,
        key=one.key,
        value=one.value,
        headers=tuple((name, content or b"") for name, content in one.headers),
    )
    return Letter(record=record, marks=read_headers(record.headers))
