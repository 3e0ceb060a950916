"""The publish stage: each writer sends its own messages; a sweeper takes what a dead one or a bad moment left over."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from consumer.errors import TransientError
from consumer.kafka.writer import Sent
from consumer.metrics import LoopPhase, Metrics
from consumer.model import FailureId, Message, OwnerId
from consumer.results import shortened
from consumer.store.outbox import forget, left_over
from consumer.store.pool import Pool
from consumer.waiting import happens

log = structlog.get_logger(__name__)

IN_MEMORY: Final = 10_000
"""Messages kept for direct sending; beyond it the sweeper sends them from the outbox, where they all are."""
BATCH: Final = 1000
LEFT_OVER_AFTER: Final = timedelta(seconds=10)
"""Older than any message that is still on its direct way, or there is something wrong with it."""


class Sender(Protocol):
    """Sends messages and says what the broker answered to each."""

    async def send(self, messages: Sequence[Message]) -> list[Sent]:
        """Give one answer for each message."""
        ...


class Publisher:
    """Sends committed messages. At least once, under a stable id, in order within a failure."""

    def __init__(
        self,
        pool: Pool,
        owner: OwnerId,
        sender: Sender,
        metrics: Metrics,
        dead: Callable[[], Sequence[OwnerId]] = tuple,
    ) -> None:
        self._pool = pool
        self._owner = owner
        self._sender = sender
        self._metrics = metrics
        self._dead = dead
        self._waiting: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._acked: list[UUID] = []
        self._closing = False
        self._is_behind = False  # said once, until all that waits has been sent

    def offer(self, messages: Sequence[Message]) -> None:
        """Hand over messages whose transaction is committed; they stand in the outbox."""
        if len(self._waiting) < IN_MEMORY:
            self._waiting.extend(messages)
            self._arrived.set()
        elif not self._is_behind:
            self._is_behind = True
            log.warning("publisher_behind", waiting=len(self._waiting))

    def take_acked(self) -> list[UUID]:
        """Give the messages that the broker has acknowledged, for the next settle to delete."""
        acked, self._acked = self._acked, []
        return acked

    def give_back_acked(self, acked: Sequence[UUID]) -> None:
        """Take back what could not be deleted."""
        self._acked.extend(acked)

    def close(self) -> None:
        """Let `run` end once what was handed over has been sent."""
        self._closing = True
        self._arrived.set()

    async def run(self) -> None:
        """Send until closed."""
        while not (self._closing and not self._waiting):
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._send(self._next())
            self._is_behind = False

    def _next(self) -> list[Message]:
        """Take the next messages; what belongs to one failure is not parted."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        last = batch[-1].failure_id
        while last is not None and self._waiting and self._waiting[0].failure_id == last:
            batch.append(self._waiting.popleft())
        return batch

    async def sweep(self, stop: asyncio.Event, every: timedelta) -> None:
        """Until stopped: delete what was acknowledged, and send what was left over."""
        while not stop.is_set():
            try:
                await self.sweep_once()
            except TransientError as error:
                log.warning("sweep_failed", error=str(error)[:300])
            await happens(stop, every)

    async def sweep_once(self, older_than: timedelta = LEFT_OVER_AFTER) -> int:
        """Do one round; gives how many left-over messages were sent."""
        await self.forget_acked()
        messages = await left_over(self._pool, self._owner, self._dead(), older_than, BATCH)
        if messages:
            log.warning("outbox_left_over", messages=len(messages))
            await self._send(messages)
            await self.forget_acked()
        return len(messages)

    async def forget_acked(self) -> None:
        """Delete what the broker has acknowledged."""
        acked = self.take_acked()
        if not acked:
            return
        try:
            await forget(self._pool, acked)
        except TransientError:
            self.give_back_acked(acked)
            raise

    async def _send(self, messages: Sequence[Message]) -> None:
        # In waves: what a status follows must be there before it, cut or not, or neither is sent now.
        held = await self._send_wave([message for message in messages if message.rank == 0])
        following = [m for m in messages if m.rank > 0 and m.failure_id not in held]
        if following:
            await self._send_wave(following)

    async def _send_wave(self, messages: Sequence[Message]) -> set[FailureId | None]:
        """Send messages at once; gives the failures of those that are not there yet, for the sweeper to send."""
        with self._metrics.timed(LoopPhase.PUBLISH):
            said = await self._sender.send(messages)
        held: set[FailureId | None] = set()
        for message, answer in zip(messages, said, strict=True):
            if answer is Sent.ACKED or (answer is Sent.TOO_LARGE and await self._sent_alone(message)):
                self._acked.append(message.id)
            else:
                held.add(message.failure_id)
        if held:
            log.warning("publish_failed", messages=len(held))
        return held

    async def _sent_alone(self, message: Message) -> bool:
        """Send one that was refused for size, first as it is (its batch may have been too large), then cut."""
        cut = shortened(message.body or b"") if message.failure_id is not None else b""
        for body in (message.body, cut):
            (answer,) = await self._sender.send([replace(message, body=body)])
            if answer is not Sent.TOO_LARGE:
                return answer is Sent.ACKED
        log.error("message_above_broker_limit", message_id=str(message.id), topic=message.topic)
        return False
