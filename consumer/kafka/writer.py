"""The producer of results and dead letters, typed: messages in, what the broker acknowledged out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from consumer.errors import ConfigError, TransientError
from consumer.kafka.connection import connection_options
from consumer.model import Message
from consumer.settings import KafkaSettings


class Sent(Enum):
    """What the broker said to one message."""

    ACKED = "acked"  # every in-sync replica has it: it may leave the outbox
    TOO_LARGE = "too_large"  # never acceptable at this size: cut it
    FAILED = "failed"  # not known to be there: send it again later


class Writer:
    """A producer that is made anew when it has died."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: Any = None

    async def send(self, messages: Sequence[Message]) -> list[Sent]:
        """Send messages and wait for what the broker says to each; in order within one key.

        Bounded by the client's own request timeout. Raises nothing for the broker's sake: what failed says so.
        """
        try:
            producer = await self._started()
        except (KafkaError, OSError, TimeoutError):
            return [Sent.FAILED] * len(messages)
        futures = [await _enqueue(producer, message) for message in messages]
        await producer.flush()
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        said = [_said(outcome) for outcome in outcomes]
        # What was refused has used up a sequence number: the broker would refuse all that an idempotent producer sends
        # to that partition from now on.
        if Sent.FAILED in said or Sent.TOO_LARGE in said:
            await self.close()
        return said

    async def _started(self) -> Any:  # noqa: ANN401 - the client has no types
        if self._producer is None:
            producer = AIOKafkaProducer(
                **connection_options(self._settings),
                acks="all",
                enable_idempotence=self._settings.idempotence,
                linger_ms=2,
                max_batch_size=128 * 1024,
                max_request_size=self._settings.max_message_bytes + 64 * 1024,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def close(self) -> None:
        """Let go of the connection; the next send opens another."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(5):
                    await producer.stop()
            except (KafkaError, OSError, TimeoutError):
                return  # it was dead already: that is why it is closed


async def _enqueue(producer: Any, message: Message) -> "asyncio.Future[Any]":  # noqa: ANN401 - the client has no types
    try:
        future: asyncio.Future[Any] = await producer.send(
            message.topic, value=message.body, key=message.key, headers=list(message.headers)
        )
    except (KafkaError, OSError, TimeoutError, AssertionError) as error:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(error)
    return future


def _said(outcome: object) -> Sent:
    if isinstance(outcome, MessageSizeTooLargeError | RecordTooLargeError):
        return Sent.TOO_LARGE
    if isinstance(outcome, Exception):
        return Sent.FAILED
    if isinstance(outcome, BaseException):
        raise outcome
    return Sent.ACKED


@asynccontextmanager
async def open_writer(settings: KafkaSettings) -> AsyncIterator[Writer]:
    """Open the producer, and see that the broker answers it.

    Raises
    ------
    ConfigError
        The broker does not answer, or refuses an idempotent producer.

    """
    async with AsyncExitStack() as stack:
        writer = Writer(settings)
        stack.push_async_callback(writer.close)
        try:
            await writer._started()  # noqa: SLF001 - the same module
        except (KafkaError, TransientError, OSError, TimeoutError) as error:
            raise ConfigError(
                f"Kafka at {settings.bootstrap} does not answer a producer: {error or type(error).__name__}. Check "
                "SHW_KAFKA__BOOTSTRAP; for a broker without idempotent producers set SHW_KAFKA__IDEMPOTENCE=false."
            ) from error
        yield writer
