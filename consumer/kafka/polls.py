"""Polling of a consumer that loses no record, whatever the client raises, and does not stop at one it cannot read.

Every reader polls the client through here: the member of the group, and the readers of a topic without a group.
`positions` keeps how far records were handed on, `bypass` reads what the client cannot.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka.errors import ConsumerStoppedError, NoOffsetForPartitionError

from consumer.errors import TransientError
from consumer.kafka import aiokafka_internals
from consumer.kafka.bypass import Bypass, BypassedPartition
from consumer.kafka.positions import Committed, Positions
from consumer.model import Partition, Record

log = structlog.get_logger(__name__)

POLL_BEYOND: Final = 1.0
"""Seconds beyond the requested wait after which a poll returns: the client waits for a rebalance without bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """The records of a poll, and the positions to continue from once they are durable."""

    records: Mapping[Partition, list[Record]]
    positions: Mapping[Partition, int]
    """Of each partition that has moved, also past what is no record: a transaction marker, a compacted stretch."""


NOTHING: Final = Polled(records={}, positions={})


class Polls:
    """Polling of one consumer."""

    def __init__(
        self,
        consumer: Any,  # noqa: ANN401 - the client has no types
        bypass: Bypass,
        begins: Mapping[Any, int] | Committed,
        may_hand_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """`begins` as for `Positions`; while `may_hand_on` returns False, records are dropped and read again later."""
        self._consumer = consumer
        self._may_hand_on = may_hand_on
        self._positions = Positions(consumer, begins)
        self._bypass = bypass
        self._unreadable: frozenset[Any] = frozenset()
        """Partitions for which the client has raised; they are to be read through the bypass."""
        bypass.renew(consumer)
        aiokafka_internals.free_dropped_responses(consumer)

    def position(self, tp: Any) -> int | None:  # noqa: ANN401 - the client has no types
        """Return the next offset of a partition; None while no record of it was handed on under this assignment."""
        return self._positions.of(tp)

    def lane(self, tp: Any) -> BypassedPartition | None:  # noqa: ANN401
        """Return the bypass state of a partition; None where the client reads it."""
        return self._bypass.lanes().get(tp)

    async def poll(self, *, max_records: int, wait: float, of: Collection[Any] = ()) -> Polled:
        """Return records that have arrived in these partitions (else in all), at most so many; waits for a first one.

        Whatever is raised, and whenever it is cancelled: a record that was not returned is returned by a later poll.

        Raises
        ------
        Exception
            The client's error: one that `translated` knows, or a bug of the client's.
        TransientError
            The group did not answer where a partition is to be read from, or a task of the client's was cancelled.

        """
        await self._restore_positions()
        around = await self._bypass.read(max_records)
        room = max_records - sum(map(len, around.values()))
        found = await self._poll_client(of, room, 0 if around else wait) if room else {}
        if found is None:
            return NOTHING
        if not self._may_hand_on():
            self._rewind()
            return NOTHING
        # From here on nothing is awaited: the records in hand and their end positions are of one moment.
        apart = self._bypass.positions()
        records = {_partition(tp): many for tp, many in around.items() if tp in apart}
        records |= {_partition(tp): [record_of(one) for one in many] for tp, many in found.items()}
        moved = self._positions.settle(apart)
        return Polled(records=records, positions={_partition(tp): position for tp, position in moved.items()})

    async def _restore_positions(self) -> None:
        for tp, lane in self._bypass.lanes().items():
            handed_on = self._positions.of(tp)
            if handed_on is not None:
                lane.position = handed_on  # records of the bypass were lost too, if the client raised after them
        for tp, position in self._bypass.end_quiet():
            self._consumer.seek(tp, position)
        await self._positions.put_right(self._bypass.lanes())
        for tp in self._unreadable:
            if (begin := self._positions.of(tp)) is not None:
                self._bypass.begin(tp, begin)
        self._unreadable = frozenset()

    async def _poll_client(self, of: Collection[Any], max_records: int, wait: float) -> Mapping[Any, list[Any]] | None:
        apart = self._bypass.lanes().keys()
        if not apart:
            return await self._getmany(of, max_records, wait)
        others = frozenset(of or aiokafka_internals.assigned(self._consumer)) - apart
        if others:
            return await self._getmany(others, max_records, wait)
        await asyncio.sleep(wait)
        return {}

    async def _getmany(self, of: Iterable[Any], max_records: int, wait: float) -> Mapping[Any, list[Any]] | None:
        """Return the client's records; None where it raised a known error: none of its positions counts then."""
        try:
            async with asyncio.timeout(wait + POLL_BEYOND):
                found: Mapping[Any, list[Any]] = await self._consumer.getmany(
                    *of, timeout_ms=int(wait * 1000), max_records=max_records
                )
                return found
        except ConsumerStoppedError:
            raise
        except TimeoutError:
            self._rewind()  # a rebalance is under way
        except NoOffsetForPartitionError as error:
            self._rewind()
            await self._seek_to_beginning(error.args[0])
        except asyncio.CancelledError:
            self._rewind()
            if aiokafka_internals.is_cancelled_itself():
                raise
            raise TransientError("a task of the Kafka client was cancelled") from None
        except Exception as error:
            self._unreadable = aiokafka_internals.unreadable(self._consumer, error)
            self._rewind()
            if not self._unreadable:
                raise
            partitions = sorted(tp.partition for tp in self._unreadable)
            log.warning("records_unreadable", partitions=partitions, error=repr(error)[:300])
        return None

    def _rewind(self) -> None:
        """Rewind: the records that the client had drained when it raised are read again."""
        aiokafka_internals.end_unended_fetches(self._consumer)
        self._positions.astray(self._unreadable)

    async def _seek_to_beginning(self, partition: Any) -> None:  # noqa: ANN401 - the client has no types
        if partition in self._consumer.assignment():
            await self._consumer.seek_to_beginning(partition)


def _partition(tp: Any) -> Partition:  # noqa: ANN401 - the client has no types
    return Partition(tp.topic, tp.partition)


def record_of(one: Any) -> Record:  # noqa: ANN401 - the client has no types
    """Convert the client's record into the model's."""
    return Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        timestamp_ms=one.timestamp,
        key=one.key,
        value=one.value,
        # A header without a value counts as empty, as where the records are read around the client.
        headers=tuple((name, content or b"") for name, content in one.headers),
    )
