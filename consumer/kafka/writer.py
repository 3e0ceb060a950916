"""Producers of results and dead letters, typed: takes messages, returns the broker's answer to each.

Each topic has producers of its own, so that none of them waits, fails or is rebuilt for another topic's sake: one for
messages that were just committed, and one *apart* for left-over ones. The first one is idempotent: its own retries
duplicate nothing, but a refused message has used up a sequence number, and the producer has to be rebuilt. The one
apart takes messages that may be refused again and again, and is not idempotent.

A broker does not say how large a record may be when it refuses one. Each refusal halves the presumed limit of the
topic, so it is found within a few sends, once for both producers; later it is doubled again, to see whether the topic's
setting was raised.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeAlias

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnknownError,
    UnsupportedForMessageFormatError,
)

from consumer.errors import NoAnswer, TransientError
from consumer.kafka import aiokafka_internals
from consumer.kafka.connection import UNANSWERED, connection_options
from consumer.kafka.partitioner import partition_of
from consumer.kafka.topic_limit import TopicLimit
from consumer.model import Message
from consumer.model.message import message_size
from consumer.settings import KafkaSettings

log = structlog.get_logger(__name__)

SEND_BEYOND: Final = 5.0
"""Seconds that a send or a start may take beyond the client's own request timeout."""
KNOWN_WITHIN: Final = 3.0
"""Seconds to find a topic that exists; for a missing one the client would look for its whole timeout."""

BATCH_BYTES: Final = 512 * 1024
"""Batch size per partition and request, half of a broker's default limit; messages seldom need a second batch."""


Now: TypeAlias = Callable[[], datetime]
"""Returns the present time."""


def _host_time() -> datetime:
    return datetime.now(UTC)


class Sent(Enum):
    """The broker's answer to one message."""

    ACKED = "acked"  # every in-sync replica has it: it may leave the outbox
    TOO_LARGE = "too_large"  # never acceptable at this size: cut it to the topic's limit, which may have sunk
    REFUSED = "refused"  # it, or another one of its batch, is not acceptable: send it alone
    FAILED = "failed"  # not known to be there: send it again later


_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordTooLargeError, RecordListTooLargeError)
_REFUSED: Final = (
    # The client has no name for some refusals of a record: a key that a compacted topic wants is an unknown error.
    UnknownError,
    CorruptRecordException,
    InvalidTimestampError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SendResult:
    """The result of one send."""

    answers: Sequence[Sent | BaseException]
    unusable: bool = False
    """A request may still be in flight, or a sequence number is used up: the next send needs a new producer."""


class ProducerChannel:
    """Channel to one topic; its producer is made at first use, and rebuilt when it has died. One send at a time."""

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        limit: TopicLimit,
        rebuilt: Callable[[], None],
        now: Now,
        *,
        apart: bool,
    ) -> None:
        self._settings = settings
        self._now = now
        self._topic = topic
        self._limit = limit
        self._on_rebuilt = rebuilt
        self._idempotent = settings.idempotence and not apart
        self._producer: Any = None
        self._batch_bytes = 0
        self._lock = asyncio.Lock()

    async def send(self, messages: Sequence[Message]) -> list[Sent]:
        """Send messages of this topic in order within one key, and wait for the broker's answer to each."""
        async with self._lock:
            answers = await self._try(messages)
            # Its sequence number is wrong because one before it was refused: the broker has none of them, in any order.
            passed_over = [at for at, said in enumerate(answers) if isinstance(said, OutOfOrderSequenceNumber)]
            if passed_over:
                again = await self._try([messages[at] for at in passed_over])
                for at, said in zip(passed_over, again, strict=True):
                    answers[at] = said
            return [_classify(said) for said in answers]

    async def start(self) -> None:
        """Start the producer; raises the client's errors."""
        async with self._lock:
            await self._ensure_started()

    async def close(self) -> None:
        """Close the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await aiokafka_internals.stop(producer)

    async def _try(self, messages: Sequence[Message]) -> list[Sent | BaseException]:
        try:
            producer = await self._ensure_started()
        except UNANSWERED as error:
            return [error] * len(messages)
        try:
            async with asyncio.timeout(self._settings.request_timeout.total_seconds() + SEND_BEYOND):
                said = await self._send_with(producer, messages)
        except TimeoutError as error:
            said = _SendResult(answers=[error] * len(messages), unusable=True)
        too_large = [m for m, answer in zip(messages, said.answers, strict=True) if isinstance(answer, _TOO_LARGE)]
        if too_large:
            self._lower_limit(too_large)
        if said.unusable or (too_large and self._limit.now() < self._batch_bytes):
            await self._discard(producer)
        return list(said.answers)

    async def _send_with(self, producer: Any, messages: Sequence[Message]) -> _SendResult:  # noqa: ANN401 - the client has no types
        try:
            async with asyncio.timeout(KNOWN_WITHIN):
                await producer.partitions_for(self._topic)
        except UNANSWERED as error:
            return _SendResult(answers=[error] * len(messages))
        answers = await _produce(producer, self._topic, messages, self._now())
        refusals = (*_TOO_LARGE, *_REFUSED, OutOfOrderSequenceNumber)
        unusable = any(
            isinstance(said, BaseException) and (self._idempotent or not isinstance(said, refusals)) for said in answers
        )
        return _SendResult(answers=answers, unusable=unusable)

    def _lower_limit(self, refused: Sequence[Message]) -> None:
        sizes = [message_size(message) for message in refused]
        before = self._limit.now()
        # The refused size: of one message alone, or of a whole batch of small ones.
        self._limit.refused(max(*sizes, min(sum(sizes), self._batch_bytes)))
        log.warning("topic_limit_learnt", topic=self._topic, before=before, bytes=self._limit.now())

    async def _ensure_started(self) -> Any:  # noqa: ANN401 - the client has no types
        if self._producer is not None and aiokafka_internals.sender_is_dead(self._producer):
            log.warning("producer_rebuilt", topic=self._topic)
            await self._discard(self._producer)
        if self._producer is None:
            self._batch_bytes = min(BATCH_BYTES, self._limit.now())
            self._producer = await _start(self._settings, idempotent=self._idempotent, batch_bytes=self._batch_bytes)
        return self._producer

    async def _discard(self, producer: Any) -> None:  # noqa: ANN401 - the client has no types
        # No other task sends with it: it has one topic, and one send at a time.
        self._producer = None
        self._on_rebuilt()
        await aiokafka_internals.stop(producer)


class Writer:
    """Sends messages, each topic's by producers of its own. Safe for concurrent use."""

    def __init__(
        self, settings: KafkaSettings, rebuilt: Callable[[], None] = lambda: None, now: Now | None = None
    ) -> None:
        self._settings = settings
        self._now = now or _host_time
        self._on_rebuilt = rebuilt
        self._limits: dict[str, TopicLimit] = {}
        self._channels: dict[tuple[str, bool], ProducerChannel] = {}

    async def send(self, messages: Sequence[Message], *, apart: bool = False) -> list[Sent]:
        """Send messages and wait for the broker's answer to each; in order within one key.

        `apart`: by the producers for left-over messages, so that other sends never wait for these. Bounded by a little
        more than the client's request timeout. Raises none of the client's errors: they are in the answers.
        """
        topics = {message.topic for message in messages}
        if len(topics) == 1:
            return await self.channel(topics.pop(), apart=apart).send(messages)
        each = {topic: [at for at, message in enumerate(messages) if message.topic == topic] for topic in topics}
        sends = [self.channel(topic, apart=apart).send([messages[at] for at in ats]) for topic, ats in each.items()]
        answers: dict[int, Sent] = {}
        for ats, said in zip(each.values(), await asyncio.gather(*sends), strict=True):
            answers |= zip(ats, said, strict=True)
        return [answers[at] for at in range(len(messages))]

    def limit(self, topic: str) -> int:
        """Return the size limit of a topic's messages in bytes: as set, or less where the broker has refused more."""
        return self._limit(topic).now()

    def channel(self, topic: str, *, apart: bool = False) -> ProducerChannel:
        """Return the channel to a topic."""
        found = self._channels.get((topic, apart))
        if found is None:
            found = ProducerChannel(self._settings, topic, self._limit(topic), self._on_rebuilt, self._now, apart=apart)
            self._channels[topic, apart] = found
        return found

    def _limit(self, topic: str) -> TopicLimit:
        return self._limits.setdefault(topic, TopicLimit(self._settings.max_message_bytes))

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))


async def _start(settings: KafkaSettings, *, idempotent: bool, batch_bytes: int) -> Any:  # noqa: ANN401 - the client has no types
    producer = AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=idempotent,
        partitioner=partition_of,
        linger_ms=0,
        max_batch_size=batch_bytes,
        max_request_size=settings.max_message_bytes + 64 * 1024,
    )
    try:
        async with asyncio.timeout(settings.request_timeout.total_seconds() + SEND_BEYOND):
            await aiokafka_internals.start(producer)
    except BaseException:
        await aiokafka_internals.stop(producer)
        raise
    return producer


async def _produce(
    producer: Any,  # noqa: ANN401 - the client has no types
    topic: str,
    messages: Sequence[Message],
    at: datetime,
) -> list[Sent | BaseException]:
    stamp = int(at.timestamp() * 1000)
    futures = [await _enqueue(producer, message, stamp) for message in messages]
    flushing = asyncio.ensure_future(producer.flush())
    # A cancelled sender fails no future that waits for it: the flush would never end without watching the task.
    waited_for = {flushing, aiokafka_internals.sender_task(producer)}
    seen_at = time.monotonic()
    try:
        while not (await asyncio.wait(waited_for, timeout=1, return_when=asyncio.FIRST_COMPLETED))[0]:
            if aiokafka_internals.knows_topic(producer, topic):
                seen_at = time.monotonic()
            elif time.monotonic() - seen_at > KNOWN_WITHIN:
                break  # the topic was deleted meanwhile: the client would wait for its return
    finally:
        flushing.cancel()
    return [_answer_of(future) for future in futures]


async def _enqueue(producer: Any, message: Message, stamp: int) -> "asyncio.Future[Any] | Sent":  # noqa: ANN401 - the client has no types
    try:
        future: asyncio.Future[Any] = await producer.send(
            message.topic, value=message.body, key=message.key, headers=list(message.headers), timestamp_ms=stamp
        )
    except MessageSizeTooLargeError:
        return Sent.TOO_LARGE  # refused by the client itself, before it queued it
    except UNANSWERED as error:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(error)
    except (AssertionError, TypeError, ValueError):
        # The client cannot encode it: neither key nor value, or half a surrogate pair. The others go on.
        return Sent.REFUSED
    return future


def _answer_of(future: "asyncio.Future[Any] | Sent") -> Sent | BaseException:
    if isinstance(future, Sent):
        return future
    if not future.done() or future.cancelled():
        return TimeoutError()
    return future.exception() or Sent.ACKED


def _classify(said: Sent | BaseException) -> Sent:
    if isinstance(said, Sent):
        return said
    if isinstance(said, _TOO_LARGE):
        return Sent.TOO_LARGE
    return Sent.REFUSED if isinstance(said, _REFUSED) else Sent.FAILED


@asynccontextmanager
async def open_writer(
    settings: KafkaSettings, rebuilt: Callable[[], None] = lambda: None, now: Now | None = None
) -> AsyncIterator[Writer]:
    """Start the producer of results, and check that the broker answers it; the others are started at first use.

    `rebuilt` is called each time that a producer is rebuilt. `now` returns the time by which records are stamped: a
    broker refuses timestamps from an hour ahead, so a host's wrong clock would let nothing through.

    Raises
    ------
    NoAnswer
        The broker does not answer, or refuses an idempotent producer.

    """
    async with AsyncExitStack() as stack:
        writer = Writer(settings, rebuilt, now)
        stack.push_async_callback(writer.close)
        try:
            await writer.channel(settings.results_topic).start()
        except (*UNANSWERED, TransientError) as error:
            raise NoAnswer(
                f"Kafka at {settings.bootstrap} does not answer a producer: {error or type(error).__name__}. Check "
                "SHW_KAFKA__BOOTSTRAP; for a broker without idempotent producers set SHW_KAFKA__IDEMPOTENCE=false."
            ) from error
        yield writer
