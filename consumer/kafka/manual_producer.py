"""Producer for records sent by hand: acks from every in-sync replica, and the partition and offset of each record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import OutOfOrderSequenceNumber

from consumer.errors import ConfigError, TransientError
from consumer.kafka import aiokafka_internals
from consumer.kafka.connection import UNANSWERED, connection_options, translated
from consumer.kafka.topics import existing_topics
from consumer.settings import KafkaSettings

MAX_RECORD: Final = 32 * 1024 * 1024
"""Client-side size limit in bytes; below it the broker's own limit decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to be sent."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Topic, partition and offset of a stored record."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAcknowledged:
    """Why a record is not known to be stored; where the answer was lost it may be stored all the same."""

    reason: str


class ManualProducer:
    """Producer, replaced after a refused record: that used up a sequence number, and all after it would be refused."""

    def __init__(self, settings: KafkaSettings, producer: Any) -> None:  # noqa: ANN401 - the client has no types
        self._settings = settings
        self._producer = producer

    async def send(self, records: Sequence[Outgoing]) -> list[Acknowledged | NotAcknowledged]:
        """Send records and return the outcome of each, in their order; bounded by the client's request timeout."""
        outcomes = await self._send_all(records)
        passed_over = [at for at, outcome in enumerate(outcomes) if isinstance(outcome, OutOfOrderSequenceNumber)]
        if passed_over:
            again = await self._send_all([records[at] for at in passed_over])
            for at, outcome in zip(passed_over, again, strict=True):
                outcomes[at] = outcome
        return [_acknowledgement_of(outcome) for outcome in outcomes]

    async def close(self) -> None:
        """Close the connection."""
        await aiokafka_internals.stop(self._producer)

    async def _send_all(self, records: Sequence[Outgoing]) -> list[Any]:
        sent = [await self._enqueue(record) for record in records]
        await self._producer.flush()
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        if any(isinstance(outcome, BaseException) for outcome in outcomes):
            await self.close()
            self._producer = await _start_producer(self._settings)
        return outcomes

    async def _enqueue(self, record: Outgoing) -> "asyncio.Future[Any]":
        try:
            future: asyncio.Future[Any] = await self._producer.send(
                record.topic, value=record.value, key=record.key, headers=list(record.headers)
            )
        except UNANSWERED as error:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(error)
        return future


def _acknowledgement_of(outcome: Any) -> Acknowledged | NotAcknowledged:  # noqa: ANN401 - the client has no types
    if isinstance(outcome, UNANSWERED):
        return NotAcknowledged(reason=str(outcome) or type(outcome).__name__)
    if isinstance(outcome, BaseException):
        raise outcome
    return Acknowledged(topic=outcome.topic, partition=outcome.partition, offset=outcome.offset)


async def require_topic(settings: KafkaSettings, topic: str) -> None:
    """Check that a topic exists before it is used: a broker may create one at the first look-up.

    Raises
    ------
    ConfigError
        It does not exist.
    TransientError
        The broker did not answer.

    """
    try:
        there = await existing_topics(settings)
    except ConfigError as error:
        raise TransientError(str(error)) from error
    if topic not in there:
        raise ConfigError(f"Kafka at {settings.bootstrap} has no topic {topic}: create it with `shw topics`.")


@asynccontextmanager
async def open_sender(settings: KafkaSettings) -> AsyncIterator[ManualProducer]:
    """Open a producer with acks=all.

    Raises
    ------
    TransientError
        The broker did not answer.

    """
    sender = ManualProducer(settings, await _start_producer(settings))
    try:
        yield sender
    finally:
        await sender.close()


async def _start_producer(settings: KafkaSettings) -> Any:  # noqa: ANN401 - the client has no types
    producer = AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=settings.idempotence,
        max_request_size=MAX_RECORD,
    )
    try:
        with translated(f"Kafka at {settings.bootstrap} does not answer a producer"):
            await aiokafka_internals.start(producer)
    except BaseException:
        await aiokafka_internals.stop(producer)
        raise
    return producer
