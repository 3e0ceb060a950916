"""The publish stage: each writer sends its own messages; a sweeper takes what a dead one or a bad moment left over."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from consumer.errors import TransientError
from consumer.kafka.writer import Sent
from consumer.metrics import LoopPhase, Metrics
from consumer.model import Message, OwnerId
from consumer.results import shortened
from consumer.store.outbox import forget, left_over
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

IN_MEMORY: Final = 10_000
"""Messages kept for direct sending; beyond it the sweeper sends them from the outbox, where they all are."""
BATCH: Final = 500
LEFT_OVER_AFTER: Final = timedelta(seconds=10)
"""Older than any message that is still on its direct way, or there is something wrong with it."""


class Sender(Protocol):
    """Sends messages and says what the broker answered to each."""

    async def send(self, messages: Sequence[Message]) -> list[Sent]:
        """Give one answer for each message."""
        ...


class Publisher:
    """Sends committed messages. At least once, under a stable id, in order within a failure."""

    def __init__(self, pool: Pool, owner: OwnerId, sender: Sender, metrics: Metrics) -> None:
        self._pool = pool
        self._owner = owner
        self._sender = sender
        self._metrics = metrics
        self._waiting: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._acked: list[UUID] = []
        self._closing = False

    def offer(self, messages: Sequence[Message]) -> None:
        """Hand over messages whose transaction is committed; they stand in the outbox."""
        if len(self._waiting) < IN_MEMORY:
            self._waiting.extend(messages)
            self._arrived.set()

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
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                await self._send(batch)

    async def sweep(self, stop: asyncio.Event, every: timedelta) -> None:
        """Until stopped: delete what was acknowledged, and send what was left over."""
        while not stop.is_set():
            try:
                await self.sweep_once()
            except TransientError as error:
                log.warning("sweep_failed", error=str(error)[:300])
            try:
                async with asyncio.timeout(every.total_seconds()):
                    await stop.wait()
            except TimeoutError:
                continue

    async def sweep_once(self, older_than: timedelta = LEFT_OVER_AFTER) -> int:
        """Do one round; gives how many left-over messages were sent."""
        await self.forget_acked()
        messages = await left_over(self._pool, self._owner, older_than, BATCH)
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
        started = time.monotonic()
        said = await self._sender.send(messages)
        self._metrics.loop_seconds[LoopPhase.PUBLISH].inc(time.monotonic() - started)
        again = []
        for message, answer in zip(messages, said, strict=True):
            if answer is Sent.ACKED:
                self._acked.append(message.id)
            elif answer is Sent.TOO_LARGE:
                again.append(message)
        failed = said.count(Sent.FAILED)
        if failed:
            log.warning("publish_failed", messages=failed)
        for message in again:
            await self._send_alone(message)

    async def _send_alone(self, message: Message) -> None:
        """Send one that was refused for size, first as it is (its batch may have been too large), then cut."""
        for body in (message.body, shortened(message.body or b"")):
            smaller = Message(
                id=message.id,
                failure_id=message.failure_id,
                step=message.step,
                rank=message.rank,
                topic=message.topic,
                key=message.key,
                headers=message.headers,
                body=body,
            )
            (answer,) = await self._sender.send([smaller])
            if answer is Sent.ACKED:
                self._acked.append(message.id)
                return
            if answer is Sent.FAILED:
                return
        log.error("message_above_broker_limit", message_id=str(message.id), topic=message.topic)
