"""Consumer group member for the failures topic: typed records in, explicit offset commits out; rebuilt when it died."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from consumer.errors import ConfigError, NoAnswer, ShwError, TransientError
from consumer.kafka import aiokafka_internals
from consumer.kafka.bypass import Bypass
from consumer.kafka.connection import UNANSWERED, connection_options, translated
from consumer.kafka.polls import NOTHING, Polled, Polls
from consumer.kafka.topic_identity import is_of_another, mark_of
from consumer.model import Partition
from consumer.settings import IntakeSettings, KafkaSettings

log = structlog.get_logger(__name__)

Told = Callable[[frozenset[Partition]], Awaitable[None]]

FETCH_BYTES: Final = 2 * 1024 * 1024
"""Size of one fetch response, thousands of failures; the client keeps two or more. A larger record still comes."""

METADATA_MAX_AGE: Final = 30.0
"""Seconds after which the client refreshes brokers and partitions: a topic that was recreated is read."""

IDENTIFIED_WITHIN: Final = 10.0
"""Timeout in seconds for checking, with each assignment, whether the committed offsets are of this topic."""

OLDEST_AGE: Final = 90 * 24 * 3600.0
AGE_STEP: Final = 1.25
"""From one second to three months in 72 queries, one query for all partitions at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Rebalance callbacks; the client awaits each call before it goes on."""

    revoked: Told
    assigned: Told
    rebuilt: Callable[[], None] = lambda: None
    """Called when the member is rebuilt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPosition:
    """Read position and end of a partition, as of the last fetch; None where the client does not know yet."""

    position: int | None
    end: int | None
    """The last stable offset, where committed records end: before the first record of the oldest open transaction."""
    high_watermark: int | None = None
    """The high watermark, where all records end."""
    seen_at: float | None
    """When the end was seen, in seconds of the epoch; a paused partition is not fetched, and its end stands still."""
    in_doubt: bool = False
    """It stands still because its next batch is damaged, and fetched again: a new member would not cure that."""


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    def __init__(self, revoked: Told, assigned: Callable[[frozenset[Any]], Awaitable[None]]) -> None:
        self._on_revoked = revoked
        self._on_assigned = assigned

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        await self._on_revoked(frozenset(Partition(tp.topic, tp.partition) for tp in revoked))

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        await self._on_assigned(frozenset(assigned))


class Reader:
    """Member of the consumer group that is rebuilt when it has died."""

    def __init__(
        self, kafka: KafkaSettings, intake: IntakeSettings, listener: Listener, *, committed_only: bool = True
    ) -> None:
        self._committed_only = committed_only
        self._kafka = kafka
        self._intake = intake
        self._listener = listener
        self._consumer: Any = None
        self._bypass = Bypass()
        self._topic_id: str | None = None
        """Id of the topic that is read; None where the broker does not send one."""
        self._identifying = False
        """Assigned, and not known yet whether the committed offsets are of this topic: nothing is read meanwhile."""
        self._rebuild_reason: str | None = None
        self.rebuilt = 0
        """How many times it was rebuilt."""

    async def join(self) -> None:
        """Join the consumer group; TransientError when the broker does not let this process in."""
        consumer = AIOKafkaConsumer(**_options(self._kafka, self._intake, self._committed_only))
        try:
            with translated("joining the group"):
                await aiokafka_internals.start(consumer)
                listener = _Rebalance(self._listener.revoked, self._on_assigned)
                consumer.subscribe([self._kafka.failures_topic], listener=listener)
        except BaseException:
            await aiokafka_internals.stop(consumer)
            raise
        self._consumer, self._health, self._rebuild_reason = consumer, aiokafka_internals.ClientHealth(consumer), None
        self._polls = Polls(consumer, self._bypass, self._fetch_committed, lambda: not self._identifying)

    async def _on_assigned(self, assigned: frozenset[Any]) -> None:
        # Until the listener is called, the records of a poll would count as read under no assignment, and be lost: also
        # those of a poll that has been waiting for this assignment.
        self._identifying = True
        try:
            await self._rewind_recreated(assigned)
        except UNANSWERED as error:
            self.request_rebuild(f"it does not know which topic it reads: {error or type(error).__name__}")
        finally:
            self._identifying = False
            await self._listener.assigned(frozenset(Partition(tp.topic, tp.partition) for tp in assigned))

    async def _rewind_recreated(self, assigned: frozenset[Any]) -> None:
        """Seek partitions to their beginning whose offsets were committed for another topic of this name."""
        consumer = self._consumer
        async with asyncio.timeout(IDENTIFIED_WITHIN):
            found = await aiokafka_internals.described(consumer, self._kafka.failures_topic)
            self._topic_id = None if found is None else found.id
            if found is None or not assigned:
                return
            offsets = await aiokafka_internals.commits(consumer, assigned)
            anew = [tp for tp, at in offsets.items() if is_of_another(at.metadata, found.id)]
            if anew:
                log.warning("topic_made_anew", partitions=sorted(tp.partition for tp in anew))
                await consumer.seek_to_beginning(*anew)

    async def _fetch_committed(self, partitions: Iterable[Any]) -> dict[Any, int]:
        offsets = await aiokafka_internals.commits(self._consumer, partitions)
        now = self._topic_id
        return {tp: at.offset for tp, at in offsets.items() if now is None or not is_of_another(at.metadata, now)}

    async def look_at_topic(self, within: timedelta) -> None:
        """Rebuild the member when the topic was recreated, and learn of partitions that were added."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                found = await aiokafka_internals.described(self._consumer, self._kafka.failures_topic)
        except UNANSWERED:
            return
        if found is not None and self._topic_id is not None and found.id != self._topic_id:
            self.request_rebuild("the topic was made anew")

    async def leave(self) -> None:
        """Leave the group, without commits: commit before. Bounded; raises none of the client's errors."""
        await aiokafka_internals.stop(self._consumer)

    def request_rebuild(self, why: str) -> None:
        """Have the next poll rebuild this member: it lives, and does not work."""
        self._rebuild_reason = why

    async def poll(self, *, max_records: int, wait: timedelta) -> Polled:
        """Return the records that have arrived, at most `max_records`, waiting at most `wait` for a first one.

        A partition without a committed offset starts at its earliest record. While a rebalance is under way there is
        nothing to return, and a member whose background tasks have died is rebuilt first. Whatever is raised, and
        whenever it is cancelled: a record that was not returned is returned by a later poll.

        Raises
        ------
        ConfigError
            A committed offset is not in the log any more, or an ACL forbids reading: an operator has to decide.
        TransientError
            The broker did not answer.

        """
        if (why := self._health.dead() or self._rebuild_reason) is not None:
            await self._rebuild(why)
        if self._identifying:
            await asyncio.sleep(wait.total_seconds())
            return NOTHING
        try:
            with translated("reading failures"):
                return await self._polls.poll(max_records=max_records, wait=wait.total_seconds())
        except ConsumerStoppedError:
            # Stopped because something else failed: the other tasks must get to run.
            await asyncio.sleep(wait.total_seconds())
            return NOTHING
        except ConfigError:
            # The offsets of a topic that was deleted are out of range, too.
            await self.look_at_topic(timedelta(seconds=IDENTIFIED_WITHIN))
            if self._rebuild_reason is None:
                raise
            return NOTHING
        except ShwError:
            raise
        except Exception as error:  # a bug of the client's, which it raises from any task of its own: rebuild
            self.request_rebuild(f"{type(error).__name__}: {error}")
            raise TransientError(f"the Kafka client has a bug: {error!r}") from error

    async def _rebuild(self, why: str) -> None:
        if why != aiokafka_internals.CLOSED:  # else an earlier attempt to join failed
            log.warning("member_rebuilt", why=why)
            self.rebuilt += 1
            self._listener.rebuilt()
            await self._listener.revoked(self.assignment())
            await aiokafka_internals.stop(self._consumer)
        await self.join()

    async def commit(self, offsets: Mapping[Partition, int], within: timedelta) -> bool:
        """Commit explicit offsets; returns False when the group did not take them, which loses nothing but time."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                said = "" if self._topic_id is None else mark_of(self._topic_id)
                await self._consumer.commit({TopicPartition(*tp): (offset, said) for tp, offset in offsets.items()})
        except UNANSWERED:
            return False
        except asyncio.CancelledError:
            if aiokafka_internals.is_cancelled_itself():
                raise
            return False
        return True

    def assignment(self) -> frozenset[Partition]:
        """Return the partitions that are assigned to this member now."""
        return frozenset(Partition(tp.topic, tp.partition) for tp in self._consumer.assignment())

    def is_in_touch(self) -> bool:
        """Return whether this member is in the group, as far as it knows."""
        return aiokafka_internals.knows_its_coordinator(self._consumer) and not aiokafka_internals.is_rebalancing(
            self._consumer
        )

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Pause fetching; records that were fetched and not yet read are dropped and fetched again later."""
        self._consumer.pause(*(TopicPartition(*tp) for tp in partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Resume fetching."""
        self._consumer.resume(*(TopicPartition(*tp) for tp in partitions))

    def standing(self, partition: Partition) -> PartitionPosition | None:
        """Return a partition's read position and end, as far as the client knows; None when it is not assigned."""
        tp = TopicPartition(*partition)
        state = aiokafka_internals.partition_state(self._consumer, tp)
        if state is None:
            return None
        lane = self._polls.lane(tp)
        if lane is not None:
            fetched = lane.fetched
            return PartitionPosition(
                position=lane.position,
                end=None if fetched is None else fetched.end,
                high_watermark=None if fetched is None else fetched.high_watermark,
                seen_at=lane.seen_at,
                in_doubt=lane.in_doubt,
            )
        position, high_watermark = self._polls.position(tp), state.highwater
        return PartitionPosition(
            position=state.position if position is None and state.has_valid_position else position,
            end=None if high_watermark is None else aiokafka_internals.stable_end(high_watermark, state.lso),
            high_watermark=high_watermark,
            seen_at=None if state.timestamp is None else state.timestamp / 1000,
        )

    async def ends(self, partitions: Iterable[Partition], within: timedelta) -> dict[Partition, int] | None:
        """Ask the broker for the end offsets of partitions; None when it did not answer in time."""
        asked = [TopicPartition(*tp) for tp in partitions]
        try:
            async with asyncio.timeout(within.total_seconds()):
                found = await self._consumer.end_offsets(asked)
        except UNANSWERED:
            return None
        return {Partition(tp.topic, tp.partition): end for tp, end in found.items()}

    async def came_at(
        self, positions: Mapping[Partition, int], now: float, within: timedelta
    ) -> dict[Partition, float] | None:
        """Ask the broker for the timestamps of the records at these positions, to within a few percent of their age.

        For partitions that are not being read: there is no cheaper way to a record's timestamp. None without an answer.
        """
        age = 1.0
        came: dict[Partition, float] = {}
        try:
            async with asyncio.timeout(within.total_seconds()):
                while len(came) < len(positions) and age < OLDEST_AGE:
                    open_ones = {tp: position for tp, position in positions.items() if tp not in came}
                    came |= await self._times_from(open_ones, now - age)
                    age *= AGE_STEP
        except UNANSWERED:
            return None
        return came | {tp: now - age for tp in positions if tp not in came}

    async def _times_from(self, positions: Mapping[Partition, int], moment: float) -> dict[Partition, float]:
        """Return the times of the partitions whose record came at a moment or after it."""
        asked = {TopicPartition(*tp): int(moment * 1000) for tp in positions}
        found = {}
        for tp, first in (await self._consumer.offsets_for_times(asked)).items():
            partition = Partition(tp.topic, tp.partition)
            if first is not None and first.offset <= positions[partition]:
                found[partition] = first.timestamp / 1000 if first.offset == positions[partition] else moment
        return found


def _options(kafka: KafkaSettings, intake: IntakeSettings, committed_only: bool) -> dict[str, Any]:
    session = int(kafka.session_timeout.total_seconds() * 1000)
    return connection_options(kafka) | {
        "group_id": kafka.group_id,
        "metadata_max_age_ms": int(METADATA_MAX_AGE * 1000),
        "enable_auto_commit": False,
        # An offset that is out of range must stop the process, and a group without offsets start at the earliest: the
        # client has one setting for both, so it gets "none" and the reader seeks to the beginning itself.
        "auto_offset_reset": "none",
        # Records of an aborted transaction never happened, and are no failures.
        "isolation_level": "read_committed" if committed_only else "read_uncommitted",
        "session_timeout_ms": session,
        "heartbeat_interval_ms": session // 5,
        "rebalance_timeout_ms": int(kafka.rebalance_timeout.total_seconds() * 1000),
        "max_poll_interval_ms": int(kafka.max_poll_interval.total_seconds() * 1000),
        "fetch_max_bytes": min(intake.max_bytes, FETCH_BYTES),
        "max_partition_fetch_bytes": min(intake.max_bytes, FETCH_BYTES),
    }


@asynccontextmanager
async def open_reader(
    kafka: KafkaSettings, intake: IntakeSettings, listener: Listener, *, committed_only: bool = True
) -> AsyncIterator[Reader]:
    """Join the consumer group; leaves it on exit, without commits of its own: commit before.

    `committed_only` leaves out records of transactions that are open or were aborted, and what lies behind open ones.

    Raises
    ------
    ConfigError
        The broker does not answer (NoAnswer), or refuses the client.

    """
    reader = Reader(kafka, intake, listener, committed_only=committed_only)
    try:
        await reader.join()
    except TransientError as error:
        raise NoAnswer(
            f"Kafka at {kafka.bootstrap} does not answer, or does not let us in: {error}. "
            "Check SHW_KAFKA__BOOTSTRAP and the broker."
        ) from error
    try:
        yield reader
    finally:
        await reader.leave()
