"""Topic history: reads a topic from a time on, without a consumer group, so that reading changes nothing."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.errors import TransientError
from consumer.kafka import aiokafka_internals
from consumer.kafka.bypass import Bypass
from consumer.kafka.connection import connection_options, translated
from consumer.kafka.manual_producer import require_topic
from consumer.kafka.polls import Polls
from consumer.model import Partition, Record
from consumer.settings import IntakeSettings, KafkaSettings

POLL_MS: Final = 500


async def beginnings(consumer: Any, what: str) -> dict[Any, int]:  # noqa: ANN401 - the client has no types
    """Return the beginning offset of each partition of an open consumer; TransientError without the broker's answer."""
    with translated(what):
        begins: dict[Any, int] = await consumer.beginning_offsets(list(consumer.assignment()))
    return begins


async def read_to_end(
    consumer: Any,  # noqa: ANN401 - the client has no types
    begins: Mapping[Any, int],
    *,
    at_most: int,
    patience: float,
    what: str,
) -> AsyncIterator[list[Record]]:
    """Yield the records from these offsets to the present end offsets, in order within a partition, a few at a time.

    Bytes that cannot be read as a record are yielded too, with their fault.

    Raises
    ------
    TransientError
        The broker stopped answering.

    """
    with translated(what):
        ends = await consumer.end_offsets(list(begins))
    polls = polls_from(consumer, begins)
    left = [tp for tp, end in ends.items() if begins[tp] < end]
    met: set[Any] = set()
    waited = 0.0
    while left:
        with translated(what):
            polled = await polls.poll(of=left, wait=POLL_MS / 1000, max_records=at_most)
        in_doubt = any((lane := polls.lane(tp)) is not None and lane.in_doubt for tp in left)
        waited = 0.0 if polled.positions or in_doubt else waited + POLL_MS / 1000
        if waited > patience:
            raise TransientError(f"{what}: no answer for {waited:.0f} s")
        for tp in left:
            # In its end offsets the embedded broker counts the last batch as one record; a fetch gives the right end.
            if tp not in met and polled.records.get(Partition(*tp)):
                met.add(tp)
                ends[tp] = max(ends[tp], aiokafka_internals.stable_end_of(consumer, tp) or 0)
        yield [
            one
            for many in polled.records.values()
            for one in many
            if one.offset < ends[TopicPartition(one.topic, one.partition)]
        ]
        left = [tp for tp in left if (polls.position(tp) or begins[tp]) < ends[tp]]


def polls_from(consumer: Any, begins: Mapping[Any, int]) -> Polls:  # noqa: ANN401 - the client has no types
    """Seek an open consumer to these offsets, and return the polls from there."""
    for tp, begin in begins.items():
        consumer.seek(tp, begin)
    return Polls(consumer, Bypass(), begins)


@asynccontextmanager
async def open_topic(settings: KafkaSettings, topic: str, **bounds: int) -> AsyncIterator[Any]:
    """Open a whole topic, without a consumer group; `bounds` are the client's own limits for a fetch.

    Raises
    ------
    ConfigError
        There is no such topic, or an ACL forbids reading it.
    TransientError
        The broker did not answer.

    """
    await require_topic(settings, topic)
    consumer = AIOKafkaConsumer(
        topic,
        **connection_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        **bounds,
    )
    try:
        with translated(f"Kafka at {settings.bootstrap} does not answer"):
            await aiokafka_internals.start(consumer)
        yield consumer
    finally:
        await aiokafka_internals.stop(consumer)


class TopicHistory:
    """Open reader of the failures topic's history."""

    def __init__(self, consumer: Any, intake: IntakeSettings, patience: float) -> None:  # noqa: ANN401 - no types
        self._consumer = consumer
        self._max_rows = intake.max_rows
        self._patience = patience

    async def between(self, since: datetime, until: datetime | None) -> AsyncIterator[list[Record]]:
        """Yield the records from `since` on, but before `until`, by their producers' timestamps.

        Reads to the topic's present end: timestamps need not be in order. A record that an old client sent without one
        is yielded.

        Raises
        ------
        TransientError
            The broker stopped answering.

        """
        what = "reading the failures again"
        first, last = _ms(since), _ms(until) if until is not None else None
        partitions = list(self._consumer.assignment())
        with translated(what):
            begins = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
            # None: no record that late. The embedded broker answers 0 to every query, so each time is checked below.
            found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, max(0, first)))
        starts = {tp: max(begins[tp], one.offset) if (one := found.get(tp)) else ends[tp] for tp in partitions}
        read = read_to_end(self._consumer, starts, at_most=self._max_rows, patience=self._patience, what=what)
        async for many in read:
            yield [
                one
                for one in many
                if one.timestamp_ms < 0 or (one.timestamp_ms >= first and (last is None or one.timestamp_ms < last))
            ]


@asynccontextmanager
async def open_history(settings: KafkaSettings, intake: IntakeSettings) -> AsyncIterator[TopicHistory]:
    """Open the failures topic; raises as `open_topic` does."""
    bounds = dict.fromkeys(("fetch_max_bytes", "max_partition_fetch_bytes"), intake.max_bytes)
    async with open_topic(settings, settings.failures_topic, **bounds) as consumer:
        yield TopicHistory(consumer, intake, settings.request_timeout.total_seconds())


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
