"""Reads the partitions whose records the client cannot read, in its place, until they can be read again for a while.

The client raises for a record that it cannot read, each time it comes to it, and what it had drained of other
partitions is lost with it. So such a partition is taken out of the client's polls: its raw bytes are fetched over the
client's own connection and walked here (`consumer.kafka.batches`). Whatever cannot be read is a fault, which becomes a
dead letter; all others are records like any. A batch with a wrong checksum is fetched again and again for a minute, for
a network card or a replica may be what is ill; then it is one fault, and reading goes on after it.
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
"""Seconds without a fault after which the client reads a partition again; each time that it raises costs a poll."""
CORRUPT_FOR: Final = 60.0
"""Seconds for which a batch with a wrong checksum is fetched again before it is given up."""
LOOK_AGAIN: Final = 5.0
"""Seconds between two fetches of such a batch, or after one that was not answered."""
IDLE: Final = 0.25
"""Seconds between two looks at a partition in which nothing more lies."""
FETCH_BYTES: Final = 256 * 1024
FETCH_WITHIN: Final = 2.0
"""Seconds for a fetch: the others wait for it."""


@dataclass(slots=True, kw_only=True)
class BypassedPartition:
    """One partition that is read here."""

    position: int
    until: float
    """When the client has it back."""
    look_at: float = 0.0
    in_doubt: bool = False
    """The batch at its position has a wrong checksum, so far."""
    fetched: Fetched | None = None
    """The last answer, without its bytes."""
    seen_at: float | None = None


class Bypass:
    """The partitions that are read around the client; none of them outlives its assignment."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self._assignment: object = None
        self._lanes: dict[Any, BypassedPartition] = {}
        self._doubts: dict[tuple[Any, int], float] = {}
        """Since when the batch at a place is in doubt: it outlives a rebalance, or nothing would ever come of it."""

    def renew(self, consumer: Any) -> None:  # noqa: ANN401 - the client has no types
        """Read around another consumer."""
        self._consumer = consumer
        self._lanes.clear()

    def begin(self, tp: Any, position: int) -> None:  # noqa: ANN401
        """Read a partition here from a position on."""
        self._forget_others()
        self._lanes[tp] = BypassedPartition(position=position, until=time.monotonic() + QUIET_AFTER)

    def lanes(self) -> dict[Any, BypassedPartition]:
        """Give what is read here now."""
        self._forget_others()
        return self._lanes

    def positions(self) -> dict[Any, int]:
        """Give where each partition that is read here is read on."""
        return {tp: lane.position for tp, lane in self.lanes().items()}

    def end_quiet(self) -> Iterable[tuple[Any, int]]:
        """Give back what has been quiet for long enough, with its position."""
        now = time.monotonic()
        ended = [tp for tp, lane in self.lanes().items() if now >= lane.until and not lane.in_doubt]
        return [(tp, self._lanes.pop(tp).position) for tp in ended]

    async def read(self, max_records: int) -> dict[Any, list[Record]]:
        """Give what lies in these partitions, at most so many records; of each a part, be one of them a flood."""
        found: dict[Any, list[Record]] = {}
        open_ones = [tp for tp, lane in self.lanes().items() if self._is_due(tp, lane)]
        for number, tp in enumerate(open_ones):
            share = (max_records - sum(map(len, found.values()))) // (len(open_ones) - number)
            lane = self._lanes.get(tp)
            if lane is None or share == 0:
                continue
            records = await self._read(tp, lane, share)
            if self._lanes.get(tp) is not lane or self._forget_others():
                return {}  # a rebalance came between
            if records:
                found[tp] = records
        return found

    def _is_due(self, tp: Any, lane: BypassedPartition) -> bool:  # noqa: ANN401
        return time.monotonic() >= lane.look_at and not aiokafka_internals.is_paused(self._consumer, tp)

    async def _read(self, tp: Any, lane: BypassedPartition, at_most: int) -> list[Record]:  # noqa: ANN401
        fetched = await self._fetched(tp, lane)
        if fetched is None:
            lane.look_at = time.monotonic() + LOOK_AGAIN
            return []
        partition = Partition(tp.topic, tp.partition)
        # In a thread: a batch may hold very many records, or unpack to very many bytes.
        walked = await asyncio.to_thread(walk, partition, lane.position, fetched, at_most=at_most)
        lane.seen_at = time.time()
        lane.fetched = Fetched(content=b"", end=fetched.end, high_watermark=fetched.high_watermark)
        return self._taken(tp, lane, walked)

    async def _fetched(self, tp: Any, lane: BypassedPartition) -> Fetched | None:  # noqa: ANN401
        try:
            async with asyncio.timeout(FETCH_WITHIN):
                return await aiokafka_internals.fetch(self._consumer, tp, lane.position, FETCH_BYTES)
        except aiokafka_internals.NotFetchableError:
            lane.until, lane.in_doubt = 0.0, False  # the client is told, and says what it is
        except UNANSWERED as error:
            log.warning("poll_failed", error=f"fetching around the client: {error or type(error).__name__}"[:300])
        return None

    def _taken(self, tp: Any, lane: BypassedPartition, walked: Walked) -> list[Record]:  # noqa: ANN401
        now = time.monotonic()
        records = list(walked.records)
        if walked.corrupt is None or records:
            self._doubts.pop((tp, lane.position), None)
            lane.in_doubt, lane.look_at = False, 0.0 if records else now + IDLE
            lane.position = walked.position
        else:
            since = self._doubts.setdefault((tp, lane.position), now)
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

    def _forget_others(self) -> bool:
        """Forget what was read under another assignment; says whether it was."""
        assignment = aiokafka_internals.assignment(self._consumer)
        if assignment is self._assignment:
            return False
        self._assignment = assignment
        self._lanes.clear()
        return True
