"""The producer of results and dead letters, typed: messages in, what the broker acknowledged out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordTooLargeError

from consumer.errors import ConfigError, TransientError
from consumer.kafka import innards
from consumer.kafka.connection import UNANSWERED, connection_options
from consumer.kafka.partitioner import partition_of
from consumer.model import Message
from consumer.settings import KafkaSettings

log = structlog.get_logger(__name__)

SEND_BEYOND: Final = 5.0
"""Seconds that a send or a start may take beyond the client's own request timeout."""

BATCH_BYTES: Final = 512 * 1024
"""Of one partition's messages in one request, half of what a broker takes by default; they seldom need a second one."""


class Sent(Enum):
    """What the broker said to one message."""

    ACKED = "acked"  # every in-sync replica has it: it may leave the outbox
    TOO_LARGE = "too_large"  # never acceptable at this size: cut it
    FAILED = "failed"  # not known to be there: send it again later


class Writer:
    """A producer that is made anew when it has died. May be used by several at once."""

    def __init__(self, settings: KafkaSettings, rebuilt: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._tell = rebuilt
        self._producer: Any = None
        self._starting = asyncio.Lock()

    async def send(self, messages: Sequence[Message]) -> list[Sent]:
        """Send messages and wait for what the broker says to each; in order within one key.

        Bounded by a little more than the client's request timeout. Raises nothing for the broker's sake: what failed
        says so.
        """
        try:
            producer = await self._started()
        except UNANSWERED:
            return [Sent.FAILED] * len(messages)
        try:
            async with asyncio.timeout(self._settings.request_timeout.total_seconds() + SEND_BEYOND):
                said = await _sent(producer, messages)
        except TimeoutError:
            said = [Sent.FAILED] * len(messages)
        # What was refused has used up a sequence number: the broker would refuse all that an idempotent producer sends
        # to that partition from now on.
        if Sent.FAILED in said or Sent.TOO_LARGE in said:
            await self._give_up(producer)
        return said

    async def _started(self) -> Any:  # noqa: ANN401 - the client has no types
        async with self._starting:
            if self._producer is not None and innards.sender_is_dead(self._producer):
                log.warning("producer_rebuilt")
                await self._give_up(self._producer)
            if self._producer is None:
                self._producer = await _start(self._settings)
            return self._producer

    async def _give_up(self, producer: Any) -> None:  # noqa: ANN401 - the client has no types
        # Whoever else sends with it gets an error, and sends again.
        if self._producer is producer:
            self._producer = None
            self._tell()
            await innards.stop(producer)

    async def close(self) -> None:
        """Let go of the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await innards.stop(producer)


async def _start(settings: KafkaSettings) -> Any:  # noqa: ANN401 - the client has no types
    producer = AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=settings.idempotence,
        partitioner=partition_of,
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        max_request_size=settings.max_message_bytes + 64 * 1024,
    )
    try:
        async with asyncio.timeout(settings.request_timeout.total_seconds() + SEND_BEYOND):
            await producer.start()
    except BaseException:
        await innards.stop(producer)
        raise
    return producer


async def _sent(producer: Any, messages: Sequence[Message]) -> list[Sent]:  # noqa: ANN401 - the client has no types
    futures = [await _enqueue(producer, message) for message in messages]
    flushing = asyncio.ensure_future(producer.flush())
    # A sender that was cancelled fails nothing that waits for it: without it the flush would never end.
    try:
        await asyncio.wait({flushing, innards.sender_task(producer)}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        flushing.cancel()
    return [_said(future) for future in futures]


async def _enqueue(producer: Any, message: Message) -> "asyncio.Future[Any]":  # noqa: ANN401 - the client has no types
    try:
        future: asyncio.Future[Any] = await producer.send(
            message.topic, value=message.body, key=message.key, headers=list(message.headers)
        )
    except (*UNANSWERED, AssertionError) as error:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(error)
    return future


def _said(future: "asyncio.Future[Any]") -> Sent:
    if not future.done() or future.cancelled():
        return Sent.FAILED
    match future.exception():
        case None:
            return Sent.ACKED
        case MessageSizeTooLargeError() | RecordTooLargeError():
            return Sent.TOO_LARGE
        case _:
            return Sent.FAILED


@asynccontextmanager
async def open_writer(settings: KafkaSettings, rebuilt: Callable[[], None] = lambda: None) -> AsyncIterator[Writer]:
    """Open the producer, and see that the broker answers it. `rebuilt` is told each time that it is made anew.

    Raises
    ------
    ConfigError
        The broker does not answer, or refuses an idempotent producer.

    """
    async with AsyncExitStack() as stack:
        writer = Writer(settings, rebuilt)
        stack.push_async_callback(writer.close)
        try:
            await writer._started()  # noqa: SLF001 - the same module
        except (*UNANSWERED, TransientError) as error:
            raise ConfigError(
                f"Kafka at {settings.bootstrap} does not answer a producer: {error or type(error).__name__}. Check "
                "SHW_KAFKA__BOOTSTRAP; for a broker without idempotent producers set SHW_KAFKA__IDEMPOTENCE=false."
            ) from error
        yield writer
