"""Records sent by hand: acknowledged by every in-sync replica, each with the place where it then lies."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from consumer.errors import ConfigError, TransientError
from consumer.kafka.connection import UNANSWERED, connection_options, translated
from consumer.kafka.topics import existing_topics
from consumer.settings import KafkaSettings

MAX_RECORD: Final = 32 * 1024 * 1024
"""Bytes that the client lets through; below it the broker's own limit decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to be sent."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a record lies now."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStored:
    """Why a record is not known to be stored; where the answer was lost it may be there all the same."""

    reason: str


class Sender:
    """An open producer."""

    def __init__(self, producer: Any) -> None:  # noqa: ANN401 - the client has no types
        self._producer = producer

    async def send(self, records: Sequence[Outgoing]) -> list[Stored | NotStored]:
        """Send records and give what became of each, in their order; bounded by the client's request timeout."""
        sent = [await self._enqueue(record) for record in records]
        await self._producer.flush()
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        return [_stored(outcome) for outcome in outcomes]

    async def _enqueue(self, record: Outgoing) -> "asyncio.Future[Any]":
        try:
            future: asyncio.Future[Any] = await self._producer.send(
                record.topic, value=record.value, key=record.key, headers=list(record.headers)
            )
        except UNANSWERED as error:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(error)
        return future


def _stored(outcome: Any) -> Stored | NotStored:  # noqa: ANN401 - the client has no types
    if isinstance(outcome, UNANSWERED):
        return NotStored(reason=str(outcome) or type(outcome).__name__)
    if isinstance(outcome, BaseException):
        raise outcome
    return Stored(topic=outcome.topic, partition=outcome.partition, offset=outcome.offset)


async def require_topic(settings: KafkaSettings, topic: str) -> None:
    """See that a topic is there before it is touched: a broker may create one at the first look.

    Raises
    ------
    ConfigError
        It is not there.
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
async def open_sender(settings: KafkaSettings) -> AsyncIterator[Sender]:
    """Open a producer with acks=all.

    Raises
    ------
    TransientError
        The broker did not answer.

    """
    producer = AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=settings.idempotence,
        max_request_size=MAX_RECORD,
    )
    try:
        with translated(f"Kafka at {settings.bootstrap} does not answer a producer"):
            await producer.start()
        yield Sender(producer)
    finally:
        await producer.stop()
