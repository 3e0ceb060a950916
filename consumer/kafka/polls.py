"""Polls a consumer so that nothing is lost, whatever the client raises, and nothing stops at what it cannot read.

Whoever reads with the client does so here: the member of the group, and those who read a topic again without one.
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
"""Seconds beyond the asked wait after which a poll comes back: the client waits for a rebalance's end without bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What a poll gave, and where reading goes on once it is durable."""

    records: Mapping[Partition, list[Record]]
    positions: Mapping[Partition, int]
    """Of each partition that has moved, also past what is no record: a transaction's marker, a compacted stretch."""


NOTHING: Final = Polled(records={}, positions={})


class Polls:
    """The polls of one consumer."""

    def __init__(
        self,
        consumer: Any,  # noqa: ANN401 - the client has no types
        bypass: Bypass,
        begins: Mapping[Any, int] | Committed,
        may_hand_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """`begins` as for `Positions`; while `may_hand_on` says no, what comes is read again later."""
        self._consumer = consumer
        self._may_hand_on = may_hand_on
        self._positions = Positions(consumer, begins)
        self._bypass = bypass
        self._unreadable: frozenset[Any] = frozenset()
        """Of these the client has raised, and they are to be read around it."""
        bypass.renew(consumer)

    def position(self, tp: Any) -> int | None:  # noqa: ANN401 - the client has no types
        """Give where a partition is read on; None while nothing of it was handed on under this assignment."""
        return self._positions.of(tp)

    def lane(self, tp: Any) -> BypassedPartition | None:  # noqa: ANN401
        """Tell of a partition that is read around the client."""
        return self._bypass.lanes().get(tp)

    async def poll(self, *, max_records: int, wait: float, of: Collection[Any] = ()) -> Polled:
        """Give what has arrived in these partitions (else in all), at most so many records; waits for a first one.

        Whatever is raised, and whenever it is cancelled: what was not given is given by a later poll.

        Raises
        ------
        Exception
            What the client raised; `translated` knows it, or it is a bug of the client's.
        TransientError
            The group did not say where a partition is to be read from, or a task of the client's was cancelled.

        """
        await self._put_right()
        around = await self._bypass.read(max_records)
        room = max_records - sum(map(len, around.values()))
        found = await self._by_client(of, room, 0 if around else wait) if room else {}
        if found is None:
            return NOTHING
        if not self._may_hand_on():
            self._lost()
            return NOTHING
        # From here on nothing is awaited: what is in hand, and where it ends, are of one moment.
        apart = self._bypass.positions()
        records = {_partition(tp): many for tp, many in around.items() if tp in apart}
        records |= {_partition(tp): [record_of(one) for one in many] for tp, many in found.items()}
        moved = self._positions.settle(apart)
        return Polled(records=records, positions={_partition(tp): position for tp, position in moved.items()})

    async def _put_right(self) -> None:
        for tp, lane in self._bypass.lanes().items():
            handed_on = self._positions.of(tp)
            if handed_on is not None:
                lane.position = handed_on  # what was read around the client was lost too, if it raised after that
        for tp, position in self._bypass.end_quiet():
            self._consumer.seek(tp, position)
        await self._positions.put_right(self._bypass.lanes())
        for tp in self._unreadable:
            if (begin := self._positions.of(tp)) is not None:
                self._bypass.begin(tp, begin)
        self._unreadable = frozenset()

    async def _by_client(self, of: Collection[Any], max_records: int, wait: float) -> Mapping[Any, list[Any]] | None:
        apart = self._bypass.lanes().keys()
        if not apart:
            return await self._getmany(of, max_records, wait)
        others = frozenset(of or aiokafka_internals.assigned(self._consumer)) - apart
        if others:
            return await self._getmany(others, max_records, wait)
        await asyncio.sleep(wait)
        return {}

    async def _getmany(self, of: Iterable[Any], max_records: int, wait: float) -> Mapping[Any, list[Any]] | None:
        """Give what the client gives; None where it raised, and this is known: no position of its own counts then."""
        try:
            async with asyncio.timeout(wait + POLL_BEYOND):
                found: Mapping[Any, list[Any]] = await self._consumer.getmany(
                    *of, timeout_ms=int(wait * 1000), max_records=max_records
                )
                return found
        except ConsumerStoppedError:
            raise
        except TimeoutError:
            self._lost()  # a rebalance is under way
        except NoOffsetForPartitionError as error:
            self._lost()
            await self._from_the_beginning(error.args[0])
        except asyncio.CancelledError:
            self._lost()
            if aiokafka_internals.is_cancelled_itself():
                raise
            raise TransientError("a task of the Kafka client was cancelled") from None
        except Exception as error:
            self._unreadable = aiokafka_internals.unreadable(self._consumer, error)
            self._lost()
            if not self._unreadable:
                raise
            partitions = sorted(tp.partition for tp in self._unreadable)
            log.warning("records_unreadable", partitions=partitions, error=repr(error)[:300])
        return None

    def _lost(self) -> None:
        """Have what the client had drained when it raised be read again."""
        aiokafka_internals.end_unended_fetches(self._consumer)
        self._positions.astray(self._unreadable)

    async def _from_the_beginning(self, partition: Any) -> None:  # noqa: ANN401 - the client has no types
        if partition in self._consumer.assignment():
            await self._consumer.seek_to_beginning(partition)


def _partition(tp: Any) -> Partition:  # noqa: ANN401 - the client has no types
    return Partition(tp.topic, tp.partition)


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
