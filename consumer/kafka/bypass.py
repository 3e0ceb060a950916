"""Bypass reader: reads partitions in the client's place while they hold records that the client cannot read.

The client raises for such a record each time it comes to it, and the records that it had drained of other partitions
are lost with it. So such a partition is taken out of the client's polls until it has been quiet for a while: its raw
bytes are fetched over the client's own connection and parsed here (`consumer.kafka.batches`). Bytes that cannot be read
are a fault, which becomes a dead letter; all others are records like any. A batch with a wrong checksum is fetched
again and again for a minute, for a network card or a replica may be at fault; then it is one fault, and reading goes
on after it.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from consumer.kafka import aiokafka_internals
from consumer.kafka.batches import Fetched, Walked, walk
from consumer.kafka.connection import UNANSWERED
from consumer.model import Partition, Record

log = structlog.get_logger(__name__)

QUIET_AFTER: Final = 10.0
"""Hysteresis: seconds without a fault after which the client reads a partition again, as each error costs a poll."""
CORRUPT_FOR: Final = 60.0
"""Seconds for which a batch with a wrong checksum is fetched again before it becomes a fault."""
LOOK_AGAIN: Final = 5.0
"""Retry interval in seconds for such a batch, and after a fetch that was not answered."""
IDLE: Final = 0.25
"""Poll interval in seconds of a partition without further records."""
FETCH_BYTES: Final = 256 * 1024
FETCH_WITHIN: Final = 2.0
"""Timeout in seconds for a fetch: the other partitions wait for it."""


@dataclass(slots=True, kw_only=True)
class BypassedPartition:
    """Read state of one partition that bypasses the client."""

    position: int
    until: float
    """When the client gets it back."""
    look_at: float = 0.0
    in_doubt: bool = False
    """The batch at its position has a wrong checksum, so far."""
    fetched: Fetched | None = None
    """The last fetch response, without its bytes."""
    seen_at: float | None = None


class Bypass:
    """The partitions that bypass the client; none of them outlives its assignment."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self._assignment: object = None
        self._lanes: dict[Any, BypassedPartition] = {}
        self._corrupt_since: dict[tuple[Any, int], float] = {}
        """Since when the batch at a position is in doubt: it outlives a rebalance, or it would never become a fault."""

    def renew(self, consumer: Any) -> None:  # noqa: ANN401 - the client has no types
        """Switch to another consumer."""
        self._consumer = consumer
        self._lanes.clear()

    def begin(self, tp: Any, position: int) -> None:  # noqa: ANN401
        """Start to read a partition here, from a position on."""
        self._drop_stale()
        self._lanes[tp] = BypassedPartition(position=position, until=time.monotonic() + QUIET_AFTER)

    def lanes(self) -> dict[Any, BypassedPartition]:
        """Return the partitions that are read here now."""
        self._drop_stale()
        return self._lanes

    def positions(self) -> dict[Any, int]:
        """Return the next offset of each partition that is read here."""
        return {tp: lane.position for tp, lane in self.lanes().items()}

    def end_quiet(self) -> Iterable[tuple[Any, int]]:
        """Hand partitions that have been quiet for long enough back to the client; returns them and their positions."""
        now = time.monotonic()
        ended = [tp for tp, lane in self.lanes().items() if now >= lane.until and not lane.in_doubt]
        return [(tp, self._lanes.pop(tp).position) for tp in ended]

    async def read(self, max_records: int) -> dict[Any, list[Record]]:
        """Return records of these partitions, at most so many; each gets a share, even if one of them is a flood."""
        found: dict[Any, list[Record]] = {}
        open_ones = [tp for tp, lane in self.lanes().items() if self._is_due(tp, lane)]
        for number, tp in enumerate(open_ones):
            share = (max_records - sum(map(len, found.values()))) // (len(open_ones) - number)
            lane = self._lanes.get(tp)
            if lane is None or share == 0:
                continue
            records = await self._read(tp, lane, share)
            if self._lanes.get(tp) is not lane or self._drop_stale():
                return {}  # a rebalance came between
            if records:
                found[tp] = records
        return found

    def _is_due(self, tp: Any, lane: BypassedPartition) -> bool:  # noqa: ANN401
        return time.monotonic() >= lane.look_at and not aiokafka_internals.is_paused(self._consumer, tp)

    async def _read(self, tp: Any, lane: BypassedPartition, at_most: int) -> list[Record]:  # noqa: ANN401
        fetched = await self._fetch(tp, lane)
        if fetched is None:
            lane.look_at = time.monotonic() + LOOK_AGAIN
            return []
        partition = Partition(tp.topic, tp.partition)
        # In a thread: a batch may hold very many records, or decompress to very many bytes.
        walked = await asyncio.to_thread(walk, partition, lane.position, fetched, at_most=at_most)
        lane.seen_at = time.time()
        lane.fetched = Fetched(content=b"", end=fetched.end, high_watermark=fetched.high_watermark)
        return self._advance(tp, lane, walked)

    async def _fetch(self, tp: Any, lane: BypassedPartition) -> Fetched | None:  # noqa: ANN401
        try:
            async with asyncio.timeout(FETCH_WITHIN):
                return await aiokafka_internals.fetch(self._consumer, tp, lane.position, FETCH_BYTES)
        except aiokafka_internals.NotFetchableError:
            lane.until, lane.in_doubt = 0.0, False  # back to the client, whose own fetch raises the cause
        except UNANSWERED as error:
            log.warning("poll_failed", error=f"fetching around the client: {error or type(error).__name__}"[:300])
        return None

    def _advance(self, tp: Any, lane: BypassedPartition, walked: Walked) -> list[Record]:  # noqa: ANN401
        now = time.monotonic()
        records = list(walked.records)
        if walked.corrupt is None or records:
            self._corrupt_since.pop((tp, lane.position), None)
            lane.in_doubt, lane.look_at = False, 0.0 if records else now + IDLE
            lane.position = walked.position
        else:
            since = self._corrupt_since.setdefault((tp, lane.position), now)
            lane.in_doubt, lane.look_at = True, now + LOOK_AGAIN
            if since == now:
                log.warning("batch_corrupt", partition=tp.partition, offset=lane.position)
            if now - since >= CORRUPT_FOR:
                records = [walked.corrupt.record]
                lane.position = walked.corrupt.next_offset
                lane.in_doubt, lane.look_at = False, 0.0
        if lane.in_doubt or any(one.fault is not None for one in records):
            lane.until = now + QUIET_AFTER
        return records

    def _drop_stale(self) -> bool:
        """Drop the state of another assignment; returns whether the assignment changed."""
        assignment = aiokafka_internals.assignment(self._consumer)
        if assignment is self._assignment:
            return False
        self._assignment = assignment
        self._lanes.clear()
        return True
