"""The consumer of the failures topic, typed: records in, explicit offsets out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError, NoOffsetForPartitionError

from consumer.errors import ConfigError, TransientError
from consumer.kafka.connection import connection_options, translated
from consumer.model import Partition, Record
from consumer.settings import IntakeSettings, KafkaSettings

Told = Callable[[frozenset[Partition]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told of a rebalance; each call is awaited by the client before it goes on."""

    revoked: Told
    assigned: Told


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        await self._listener.revoked(frozenset(Partition(tp.topic, tp.partition) for tp in revoked))

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        await self._listener.assigned(frozenset(Partition(tp.topic, tp.partition) for tp in assigned))


class Reader:
    """A started member of the group."""

    def __init__(self, consumer: Any) -> None:  # noqa: ANN401 - the client has no types
        self._consumer = consumer

    async def poll(self, *, max_records: int, wait: timedelta) -> dict[Partition, list[Record]]:
        """Give what has arrived, at most `max_records`, waiting at most `wait` for a first one.

        A partition that the group never committed starts at its earliest record.

        Raises
        ------
        ConfigError
            A committed offset is not in the log any more, or an ACL forbids reading: an operator has to decide.
        TransientError
            The broker did not answer.

        """
        try:
            with translated("reading failures"):
                try:
                    found = await self._consumer.getmany(
                        timeout_ms=int(wait.total_seconds() * 1000), max_records=max_records
                    )
                except NoOffsetForPartitionError as error:
                    await self._from_the_beginning(error.args[0])
                    return {}
        except (IllegalStateError, ConsumerStoppedError):
            # Revoked under the call, or stopped because something else failed: the others must get to run.
            await asyncio.sleep(wait.total_seconds())
            return {}
        return {Partition(tp.topic, tp.partition): [record_of(one) for one in many] for tp, many in found.items()}

    async def _from_the_beginning(self, partition: Any) -> None:  # noqa: ANN401 - the client has no types
        if partition in self._consumer.assignment():
            await self._consumer.seek_to_beginning(partition)

    async def commit(self, offsets: Mapping[Partition, int], within: timedelta) -> bool:
        """Commit explicit offsets; False when the group did not take them, which loses nothing but time."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._consumer.commit({TopicPartition(*tp): offset for tp, offset in offsets.items()})
        except (KafkaError, IllegalStateError, TimeoutError, OSError):
            return False
        return True

    def assignment(self) -> frozenset[Partition]:
        """Give the partitions of this member now."""
        return frozenset(Partition(tp.topic, tp.partition) for tp in self._consumer.assignment())

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Stop fetching; what was fetched and not yet read is dropped and fetched again later."""
        self._consumer.pause(*(TopicPartition(*tp) for tp in partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch again."""
        self._consumer.resume(*(TopicPartition(*tp) for tp in partitions))

    def end(self, partition: Partition) -> int | None:
        """Give the offset behind the partition's last record, as of the last fetch."""
        try:
            end: int | None = self._consumer.highwater(TopicPartition(*partition))
        except (AssertionError, IllegalStateError, KeyError):
            return None
        return end


@asynccontextmanager
async def open_reader(kafka: KafkaSettings, intake: IntakeSettings, listener: Listener) -> AsyncIterator[Reader]:
    """Join the group. Leaves it on exit, without commits of its own: commit before.

    Raises
    ------
    ConfigError
        The broker does not answer, or does not let us in.

    """
    consumer = AIOKafkaConsumer(
        **connection_options(kafka),
        group_id=kafka.group_id,
        enable_auto_commit=False,
        # An offset that is out of range must stop us, and a group without offsets start at the earliest: the client
        # has one setting for both, so it gets "none" and the reader seeks to the beginning itself.
        auto_offset_reset="none",
        session_timeout_ms=int(kafka.session_timeout.total_seconds() * 1000),
        heartbeat_interval_ms=int(kafka.session_timeout.total_seconds() * 1000 / 5),
        rebalance_timeout_ms=int(kafka.rebalance_timeout.total_seconds() * 1000),
        max_poll_interval_ms=int(kafka.max_poll_interval.total_seconds() * 1000),
        fetch_max_bytes=intake.max_bytes,
        max_partition_fetch_bytes=intake.max_bytes,
    )
    try:
        try:
            with translated("joining the group"):
                await consumer.start()
                consumer.subscribe([kafka.failures_topic], listener=_Rebalance(listener))
        except TransientError as error:
            raise ConfigError(
                f"Kafka at {kafka.bootstrap} does not let us in: {error}. Check SHW_KAFKA__BOOTSTRAP and the broker."
            ) from error
        yield Reader(consumer)
    finally:
        await consumer.stop()


def record_of(one: Any) -> Record:  # noqa: ANN401 - the client has no types
    """Give the client's record as ours."""
    return Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        timestamp_ms=one.timestamp,
        key=one.key,
        value=one.value,
        headers=tuple(one.headers),
    )
