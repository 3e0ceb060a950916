"""The publish stage, an outbox relay: each process sends its own messages, and a sweeper sends what was left over.

Left over is what a dead process, or a failed send, left in the outbox. One message or one topic never slows another.
Each topic has a *lane*, an in-memory queue with a task of its own that sends what was just committed, and a round of
the sweeper, with producers of their own (`consumer/kafka/writer.py`) and backoffs of their own. A message that is too
large is cut before it is sent. A message that its topic refuses alone is put off alone.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from consumer.errors import TransientError
from consumer.event_loop import BackOff, wait_for_event
from consumer.kafka.writer import Sent
from consumer.metrics import LoopPhase, Metrics, PublishOutcome
from consumer.model import FailureId, Message, OwnerId
from consumer.model.message import message_size
from consumer.pipeline.topic_queue import BATCH, TopicQueue, topic_back_off, weight
from consumer.results.events import Outlet, truncate
from consumer.store.outbox import forget, left_over
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

MAX_QUEUED: Final = 10_000
"""Messages of a topic kept in memory for direct sending; beyond it the sweeper sends from the outbox, which has all."""
MAX_QUEUED_BYTES: Final = 64 * 1024 * 1024
LETTERS_SWEPT: Final = 50
"""Dead letters taken by one sweep: all may be as large as a message can be, and the database limits by row count."""
PROBE: Final = 20
"""Left-over messages that are taken to probe whether a topic takes any again."""
LEFT_OVER_AFTER: Final = timedelta(seconds=10)
"""Age of a left-over message: no message is sent directly for so long unless something is wrong with it."""
LAST_SWEEP: Final = timedelta(seconds=1)
"""How long a stop waits for the sweeper: messages that it then has in flight are left over once more."""
OWN_HEADERS: Final = 2048
"""Bytes; an upper bound for the headers and the frame of an event of ours."""
MAX_BACKED_OFF: Final = 10_000
"""Refused messages whose backoff is remembered, at most; any beyond are tried each time that they are taken."""


class MessageSender(Protocol):
    """Sends messages and returns the broker's answer to each."""

    async def send(self, messages: Sequence[Message], *, apart: bool = False) -> list[Sent]:
        """Return one answer for each message; a send with `apart` never delays or fails other sends."""
        ...

    def limit(self, topic: str) -> int:
        """Return the size limit of a topic's messages in bytes, as far as it is known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSweep:
    """The sweep of one topic, or of all topics that no setting names any more."""

    name: PublishOutcome
    topic: str | None
    besides: tuple[str, ...] = ()
    batch: int = BATCH
    back_off: BackOff = field(default_factory=topic_back_off)


class Publisher:
    """Outbox relay: sends committed messages at least once, under a stable id, in order within a failure."""

    def __init__(
        self,
        pool: Pool,
        owner: OwnerId,
        sender: MessageSender,
        metrics: Metrics,
        outlet: Outlet,
        dead: Callable[[], Sequence[OwnerId]] = tuple,
        failures_topic: str = "",
    ) -> None:
        results_topic, dlq_topic = outlet.results_topic, outlet.dlq_topic
        named = (results_topic, dlq_topic, failures_topic)
        self._pool = pool
        self._owner = owner
        self._sender = sender
        self._metrics = metrics
        self._dead_owners = dead
        self._lanes: dict[str, TopicQueue] = {}
        self._rounds = (
            TopicSweep(name=PublishOutcome.RESULTS, topic=results_topic),
            TopicSweep(name=PublishOutcome.DEAD_LETTERS, topic=dlq_topic, batch=LETTERS_SWEPT),
            TopicSweep(name=PublishOutcome.FAILURES, topic=failures_topic, batch=LETTERS_SWEPT),
            TopicSweep(name=PublishOutcome.FORMER, topic=None, besides=named, batch=LETTERS_SWEPT),
        )
        self._labels = {one.topic: one.name for one in self._rounds if one.topic is not None}
        self._has_work = asyncio.Event()
        self._closed = asyncio.Event()
        # Keyed by the id as an integer: the hash of a UUID costs ten times as much.
        self._in_flight: dict[int, FailureId | None] = {}
        self._message_back_offs: dict[UUID, tuple[BackOff, FailureId | None]] = {}
        self._sweep_lock = asyncio.Lock()
        self._acked: list[UUID] = []

    def offer(self, messages: Sequence[Message]) -> None:
        """Queue messages whose transaction is committed; the outbox holds them as well."""
        for topic in {message.topic for message in messages}:
            lane = self._lanes.setdefault(topic, TopicQueue(topic=topic))
            group = [message for message in messages if message.topic == topic]
            if len(lane.waiting) < MAX_QUEUED and lane.size < MAX_QUEUED_BYTES:
                lane.put(group)
                self._in_flight.update((message.id.int, message.failure_id) for message in group)
                self._has_work.set()
            elif not lane.is_behind:
                lane.is_behind = True
                log.warning("publisher_behind", waiting=len(lane.waiting), topic=topic)

    def take_acked(self) -> list[UUID]:
        """Return and clear the messages that the broker has acknowledged, for the next settle to delete."""
        acked, self._acked = self._acked, []
        return acked

    def give_back_acked(self, acked: Sequence[UUID]) -> None:
        """Put back acknowledged messages that could not be deleted."""
        self._acked.extend(acked)

    def close(self) -> None:
        """Let `run` return once all queued messages have been sent, or their topics take nothing."""
        self._closed.set()
        self._has_work.set()

    async def run(self) -> None:
        """Send queued messages until closed, each topic in a task of its own."""
        async with asyncio.TaskGroup() as sending:
            while True:
                await self._has_work.wait()
                self._has_work.clear()
                for lane in self._lanes.values():
                    if lane.waiting and not lane.is_sending:
                        lane.is_sending = True
                        sending.create_task(self._drain_lane(lane))
                if self._closed.is_set():
                    break

    async def _drain_lane(self, lane: TopicQueue) -> None:
        """Send the queued messages of a topic until none is left."""
        while lane.waiting:
            batch = lane.take()
            if await self._send(lane.topic, batch, apart=False):
                lane.back_off.succeeded()
                self._mark_available(lane.topic)
                self._drop_in_flight(batch)
            else:
                lane.put_back(batch)
                await self._back_off_lane(lane)
        lane.is_sending = lane.is_behind = False

    async def _back_off_lane(self, lane: TopicQueue) -> None:
        self._mark_unavailable(lane.topic, lane.back_off)
        await wait_for_event(self._closed, lane.back_off.rest())
        if self._closed.is_set():
            # The outbox has them all: a live process sends them once the topic takes messages again.
            self._drop_in_flight(lane.waiting)
            lane.waiting.clear()
            lane.size = 0

    def _drop_in_flight(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._in_flight.pop(message.id.int, None)

    def _mark_available(self, topic: str) -> None:
        self._metrics.publish_back_off[self._label(topic)].set(0)

    def _mark_unavailable(self, topic: str, back_off: BackOff) -> None:
        back_off.failed()
        self._metrics.publish_back_off[self._label(topic)].set(1)
        log.warning("publish_backs_off", topic=topic, failures=back_off.failures, rest=back_off.rest().total_seconds())

    def _label(self, topic: str) -> PublishOutcome:
        return self._labels.get(topic, PublishOutcome.FORMER)

    async def sweep(self, stop: asyncio.Event, every: timedelta) -> None:
        """Until stopped: delete acknowledged messages and send left-over ones, each topic in a task of its own."""
        async with asyncio.TaskGroup() as sweeping:
            rounds = [sweeping.create_task(self._sweep(one, stop, every)) for one in self._rounds]
            await stop.wait()
            _, late = await asyncio.wait(rounds, timeout=LAST_SWEEP.total_seconds())
            for task in late:
                task.cancel()
        await self._forget_last()

    async def _forget_last(self) -> None:
        """Delete what the broker has and an interrupted sweep gave back: left there, all of it would be sent again."""
        try:
            async with asyncio.timeout(LAST_SWEEP.total_seconds()):
                await self.forget_acked()
        except (TransientError, TimeoutError) as error:
            log.warning("sweep_failed", error=str(error)[:300])

    async def _sweep(self, one: TopicSweep, stop: asyncio.Event, every: timedelta) -> None:
        while not stop.is_set():
            sent = 0
            try:
                sent = await self._sweep_round(one, LEFT_OVER_AFTER)
            except TransientError as error:
                log.warning("sweep_failed", error=str(error)[:300])
            if sent < one.batch:
                await wait_for_event(stop, every)

    async def sweep_once(self, older_than: timedelta = LEFT_OVER_AFTER) -> int:
        """Sweep each topic once; returns how many left-over messages were sent."""
        return sum([await self._sweep_round(one, older_than) for one in self._rounds])

    async def _sweep_round(self, one: TopicSweep, older_than: timedelta) -> int:
        await self.forget_acked()
        if one.back_off.rests:
            return 0
        limit = min(PROBE, one.batch) if one.back_off.failures else one.batch
        async with self._sweep_lock:  # one connection at a time, however many topics
            taken = await left_over(
                self._pool, self._owner, self._dead_owners(), older_than, limit, topic=one.topic, besides=one.besides
            )
        messages = self._select_sendable(taken)
        if messages:
            log.warning("outbox_left_over", messages=len(messages), topic=one.topic)
            await self._send_left_over(one, messages)
            await self.forget_acked()
        return len(messages)

    def _select_sendable(self, taken: Sequence[Message]) -> list[Message]:
        """Drop messages in flight, acknowledged or put off, and messages of a failure that wait behind such a one."""
        if not taken:
            return []
        put_off = {name: failure for name, (rest, failure) in self._message_back_offs.items() if rest.rests}
        known = put_off.keys() | set(self._acked)
        failures = {*self._in_flight.values(), *put_off.values()} - {None}
        free = [m for m in taken if m.id.int not in self._in_flight and m.id not in known]
        return [m for m in free if m.failure_id not in failures]

    async def _send_left_over(self, one: TopicSweep, messages: Sequence[Message]) -> None:
        for topic in sorted({message.topic for message in messages}):
            group = [message for message in messages if message.topic == topic]
            if await self._send(topic, group, apart=True):
                one.back_off.succeeded()
                self._mark_available(topic)
            else:
                self._mark_unavailable(topic, one.back_off)

    async def forget_acked(self) -> None:
        """Delete acknowledged messages from the outbox."""
        acked = self.take_acked()
        if not acked:
            return
        try:
            await forget(self._pool, acked)
        except (TransientError, asyncio.CancelledError):
            self.give_back_acked(acked)
            raise

    async def _send(self, topic: str, messages: Sequence[Message], *, apart: bool) -> bool:
        """Send messages of one topic; return whether the topic answered to any of them."""
        # In waves, one message per failure: its predecessor must be there first, cut or not, or neither is sent now.
        rest, answered = list(messages), False
        while rest:
            wave, following = _split_first_per_failure(rest)
            said = await self._send_within_limit(topic, wave, apart=apart)
            answered = answered or any(answer is not Sent.FAILED for answer in said)
            held = self._record_answers(wave, said, apart=apart)
            if held:
                log.warning("publish_failed", messages=len(held), topic=topic)
            names = {message.failure_id for message in held}
            rest = [message for message in following if message.failure_id not in names] if names else following
        return answered

    def _record_answers(self, messages: Sequence[Message], said: Sequence[Sent], *, apart: bool) -> list[Message]:
        """Record which messages the broker has; return the others, for the sweeper to send."""
        held = []
        for message, answer in zip(messages, said, strict=True):
            if answer is Sent.ACKED:
                self._acked.append(message.id)
                if self._message_back_offs:
                    self._message_back_offs.pop(message.id, None)
                continue
            held.append(message)
            if apart and answer is not Sent.FAILED:
                self._back_off_message(message, answer)
        self._metrics.messages_put_off.set(len(self._message_back_offs))
        return held

    def _back_off_message(self, message: Message, answer: Sent) -> None:
        event = "message_above_broker_limit" if answer is Sent.TOO_LARGE else "message_refused"
        log.error(event, message_id=str(message.id), topic=message.topic)
        fresh = BackOff(first=timedelta(seconds=10), longest=timedelta(minutes=10)), message.failure_id
        if len(self._message_back_offs) < MAX_BACKED_OFF:
            self._message_back_offs.setdefault(message.id, fresh)
        if message.id in self._message_back_offs:
            self._message_back_offs[message.id][0].failed()

    async def _send_within_limit(self, topic: str, messages: Sequence[Message], *, apart: bool) -> list[Sent]:
        """Send messages cut to their topic's size limit, again while that limit sinks; return the answer to each."""
        said = [Sent.TOO_LARGE] * len(messages)
        rest: Sequence[int] = range(len(messages))
        while rest:
            limit = self._sender.limit(topic)
            fitting = [(at, short) for at in rest if (short := _fit_to_limit(messages[at], limit)) is not None]
            answers = await self._send_and_isolate([short for _, short in fitting], apart=apart)
            for (at, _), answer in zip(fitting, answers, strict=True):
                said[at] = answer
            sank = self._sender.limit(topic) < limit
            rest = [at for at in rest if said[at] is Sent.TOO_LARGE] if sank else ()
        return said

    async def _send_and_isolate(self, messages: Sequence[Message], *, apart: bool) -> list[Sent]:
        if not messages:
            return []
        with self._metrics.timed(LoopPhase.PUBLISH):
            said = await self._sender.send(messages, apart=apart)
        if apart and len(messages) > 1:
            # The broker refuses the whole batch of a refused message, so each is sent again alone.
            for at in [at for at, answer in enumerate(said) if answer is Sent.REFUSED]:
                (said[at],) = await self._send_and_isolate([messages[at]], apart=apart)
        return said


def _fit_to_limit(message: Message, limit: int) -> Message | None:
    """Return a message as it can be sent, cut if need be; None where not even cutting makes it small enough."""
    # The headers of our own events are few and short: no need to measure those of thousands.
    is_ours = message.failure_id is not None
    if (is_ours and weight(message) + OWN_HEADERS <= limit) or message_size(message) <= limit:
        return message
    short = truncate(message, limit)
    return short if message_size(short) <= limit else None


def _split_first_per_failure(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """Split messages into the first one of each failure (and all that belong to none), and those that follow."""
    firsts: list[Message] = []
    following: list[Message] = []
    seen: set[int] = set()
    for message in messages:
        if message.failure_id is None:
            firsts.append(message)
        elif message.failure_id.int in seen:
            following.append(message)
        else:
            seen.add(message.failure_id.int)
            firsts.append(message)
    return firsts, following
