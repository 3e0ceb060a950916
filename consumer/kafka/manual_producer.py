"""Records sent by hand: acknowledged by every in-sync replica, each with the place where it then lies."""

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
"""Bytes that the client lets through; below it the broker's own limit decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A record to be sent."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Where a record lies now."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAcknowledged:
    """Why a record is not known to be stored; where the answer was lost it may be there all the same."""

    reason: str


class ManualProducer:
    """A producer, made anew when a record was refused: that has used up a number, and all after it would be refused."""

    def __init__(self, settings: KafkaSettings, producer: Any) -> None:  # noqa: ANN401 - the client has no types
        self._settings = settings
        self._producer = producer

    async def send(self, records: Sequence[Outgoing]) -> list[Acknowledged | NotAcknowledged]:
        """Send records and give what became of each, in their order; bounded by the client's request timeout."""
        outcomes = await self._outcomes(records)
        passed_over = [at for at, outcome in enumerate(outcomes) if isinstance(outcome, OutOfOrderSequenceNumber)]
        if passed_over:
            again = await self._outcomes([records[at] for at in passed_over])
            for at, outcome in zip(passed_over, again, strict=True):
                outcomes[at] = outcome
        return [_stored(outcome) for outcome in outcomes]

    async def close(self) -> None:
        """Let go of the connection."""
        await aiokafka_internals.stop(self._producer)

    async def _outcomes(self, records: Sequence[Outgoing]) -> list[Any]:
        sent = [await self._enqueue(record) for record in records]
        await self._producer.flush()
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        if any(isinstance(outcome, BaseException) for outcome in outcomes):
            await self.close()
            self._producer = await _started(self._settings)
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


def _stored(outcome: Any) -> Acknowledged | NotAcknowledged:  # noqa: ANN401 - the client has no types
    if isinstance(outcome, UNANSWERED):
        return NotAcknowledged(reason=str(outcome) or type(outcome).__name__)
    if isinstance(outcome, BaseException):
        raise outcome
    return Acknowledged(topic=outcome.topic, partition=outcome.partition, offset=outcome.offset)


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
async def open_sender(settings: KafkaSettings) -> AsyncIterator[ManualProducer]:
    """Open a producer with acks=all.

    Raises
    ------
    TransientError
        The broker did not answer.

    """
    sender = ManualProducer(settings, await _started(settings))
    try:
        yield sender
    finally:
        await sender.close()


async def _started(settings: KafkaSettings) -> Any:  # noqa: ANN401 - the client has no types
    producer = AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=settings.idempotence,
        max_request_size=MAX_RECORD,
    )
    try:
        with translated(f"Kafka at {settings.bootstrap} does not answer a producer"):
            await producer.start()
    except BaseException:
        await aiokafka_internals.stop(producer)
        raise
    return producer
