"""Liveness of a group member: checks its lag once a second, and whether it stands still through a fault of its own.

Only a fault that a restart would cure counts: while Kafka does not answer a new client either, no clock runs, or an
outage of Kafka would end all replicas at once (docs/decisions/0011).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import structlog

from consumer.event_loop import wait_for_event
from consumer.ingest.lag import Lag
from consumer.kafka.reader import PartitionPosition
from consumer.metrics import Metrics, PauseReason
from consumer.model import Partition

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(seconds=1)
STALE_AFTER: Final = 5.0
"""Seconds after which the end offset of a partition is queried: a paused one is not fetched."""
TOPIC_EVERY: Final = 10.0
"""Interval in seconds between two checks of the topic itself."""
ASK_WITHIN: Final = timedelta(seconds=5)
IN_DOUBT_AFTER: Final = 10.0
"""Seconds of standing still after which it is checked, and checked again, whether Kafka answers at all."""
REJOIN_AFTER: Final = 60.0
"""Seconds of standing still, with Kafka answering, after which the member is rebuilt; above any usual rebalance."""


class Member(Protocol):
    """The consumer group member that is watched."""

    def assignment(self) -> frozenset[Partition]:
        """Return the partitions that are assigned to this member now."""
        ...

    def is_in_touch(self) -> bool:
        """Return whether this member is in the group, as far as it knows."""
        ...

    def standing(self, partition: Partition) -> PartitionPosition | None:
        """Return a partition's read position and end, as far as the client knows."""
        ...

    async def ends(self, partitions: Iterable[Partition], within: timedelta) -> dict[Partition, int] | None:
        """Ask the broker for the end offsets of partitions; None when it did not answer in time."""
        ...

    async def came_at(
        self, positions: Mapping[Partition, int], now: float, within: timedelta
    ) -> dict[Partition, float] | None:
        """Ask the broker for the timestamps of the records at these positions."""
        ...

    async def look_at_topic(self, within: timedelta) -> None:
        """Rebuild the member when the topic was recreated, and learn of partitions that were added."""
        ...

    def request_rebuild(self, why: str) -> None:
        """Have the next poll rebuild the member."""
        ...


@dataclass(slots=True)
class FaultTimer:
    """Timer of a fault: how long something has been wrong without an excuse."""

    since: float | None = None

    def look(self, now: float, *, wrong: bool) -> None:
        """Run on while it is wrong; reset to zero otherwise."""
        if not wrong:
            self.since = None
        elif self.since is None:
            self.since = now

    def excuse(self, now: float) -> None:
        """Start anew: the fault was elsewhere until now."""
        self.since = None if self.since is None else now

    def age(self, now: float) -> float:
        """Return the age in seconds."""
        return 0.0 if self.since is None else now - self.since


class MemberLiveness:
    """Fault timers of a group member, and its lag."""

    def __init__(self, metrics: Metrics, lag: Lag, answers: Callable[[], Awaitable[bool]]) -> None:
        self._metrics = metrics
        self._lag = lag
        self._kafka_answers = answers
        self.paused: PauseReason | None = None
        """Set by the source: a partition that is not read on purpose does not count as standing still."""
        self.being_read: frozenset[Partition] = frozenset()
        """Set by the source: partitions that are not read on before their last batch, whose records are large, is read
        in workers. That takes as long as the machine takes; a rebuilt member would begin again."""
        self.joined = False
        """Whether the group has assigned this member its partitions, at least once."""
        self.refused = False
        """Set by the source: the group did not take the last commit."""
        self.kafka_is_away = False
        """Whether Kafka did not answer a new client either when the member was last in doubt."""
        self.kafka_silent_since: float | None = None
        """Since when the brokers have not answered this member, or a new client; None while they answer."""
        self._clocks = {name: FaultTimer() for name in ("unassigned", "unread", "uncommitted")}
        self._clocks["unassigned"].since = time.monotonic()
        self._stalled: dict[Partition, tuple[int, float]] = {}
        self._open_transactions: dict[Partition, tuple[int, float]] = {}
        """The last stable offset where other records lie beyond it, and since when they do: a transaction is open."""
        self._damaged: set[Partition] = set()
        self._topic_due = 0.0
        self._probe_due = 0.0
        self._rejoin_due = 0.0
        self._exported: frozenset[Partition] = frozenset()

    def assigned(self) -> None:
        """Record that the group has assigned this member its partitions."""
        self.joined, self.refused = True, False
        self._clocks["unassigned"].since = None

    def ages(self) -> dict[str, timedelta]:
        """Return how long this member has had no assignment, read nothing of what waits, and committed nothing."""
        now = time.monotonic()
        return {name: timedelta(seconds=clock.age(now)) for name, clock in self._clocks.items()}

    async def look_until(self, stop: asyncio.Event, member: Member) -> None:
        """Check once a second until stopped."""
        while not stop.is_set():
            await self.look(member)
            await wait_for_event(stop, LOOK_EVERY)

    async def look(self, member: Member) -> None:
        """Check once."""
        broken_off = not await self._observe(member)
        self._export_metrics()
        now = time.monotonic()
        self._clocks["unassigned"].look(now, wrong=not member.is_in_touch())
        self._clocks["uncommitted"].look(now, wrong=self.refused)
        self._clocks["unread"].since = self._stalled_since(now)
        if broken_off:
            self._stalled.clear()
            self._clocks["unread"].excuse(now)
        await self._check_clocks(member, now)
        self._note_kafka(answers=not (broken_off or self.kafka_is_away))
        if now >= self._topic_due:
            self._topic_due = now + TOPIC_EVERY
            await member.look_at_topic(ASK_WITHIN)

    def _note_kafka(self, *, answers: bool) -> None:
        now = time.monotonic()
        if answers and self.kafka_silent_since is not None:
            log.info("kafka_answers_again", away_seconds=round(now - self.kafka_silent_since, 1))
        if not answers and self.kafka_silent_since is None:
            log.warning("kafka_does_not_answer")
        self.kafka_silent_since = None if answers else self.kafka_silent_since or now
        self._metrics.kafka_up.set(answers)

    async def _observe(self, member: Member) -> bool:
        """Update the position and end of each partition; returns False when the broker did not return an end offset."""
        now = time.time()
        to_ask = set()
        self._damaged.clear()
        for partition in member.assignment():
            standing = member.standing(partition)
            if standing is None:
                continue
            self._track_end(partition, standing, now)
            if standing.seen_at is None or now - standing.seen_at > STALE_AFTER or self._is_stalled(partition):
                to_ask.add(partition)
            if standing.seen_at is not None:
                self._lag.seen(partition, position=standing.position, end=standing.end, at=standing.seen_at)
        if to_ask:
            ends = await member.ends(to_ask, ASK_WITHIN)
            if ends is None:
                return False
            for partition, end in ends.items():
                standing = member.standing(partition)
                self._lag.seen(partition, position=standing.position if standing else None, end=end, at=now)
        if undated := self._lag.undated():
            for partition, came in (await member.came_at(undated, now, ASK_WITHIN) or {}).items():
                self._lag.dated(partition, undated[partition], came)
        return True

    def _track_end(self, partition: Partition, standing: PartitionPosition, now: float) -> None:
        if standing.in_doubt:
            self._damaged.add(partition)
        end, seen_at = standing.end, standing.seen_at
        is_known = seen_at is not None and now - seen_at <= STALE_AFTER
        if not is_known or end is None or standing.high_watermark is None or end >= standing.high_watermark:
            self._open_transactions.pop(partition, None)
        elif self._open_transactions.get(partition, (None,))[0] != end:
            self._open_transactions[partition] = end, time.monotonic()

    def _is_stalled(self, partition: Partition) -> bool:
        _, since = self._stalled.get(partition, (0, time.monotonic()))
        return time.monotonic() - since > IN_DOUBT_AFTER

    def _export_metrics(self) -> None:
        shown, now = dict(self._lag.records()), time.monotonic()
        self._open_transactions = {
            partition: held for partition, held in self._open_transactions.items() if partition in shown
        }
        for partition, behind in shown.items():
            self._metrics.consumer_lag_records[partition.partition].set(behind)
            _, since = self._open_transactions.get(partition, (0, now))
            self._metrics.open_transaction_seconds[partition.partition].set(now - since)
        for gone in self._exported - shown.keys():
            self._metrics.forget_partition(gone.partition)
        self._exported = frozenset(shown)
        self._metrics.consumer_lag_seconds.set(self._lag.seconds(time.time()))

    def _stalled_since(self, now: float) -> float | None:
        """Return since when the partition that is stalled for longest is: records wait, and are not read."""
        unread = {} if self.paused else self._lag.unread()
        for known in self._damaged | self.being_read:
            unread.pop(known, None)  # a damaged batch is fetched again: another member would do the same
        before = self._stalled
        self._stalled = {
            partition: before[partition] if before.get(partition, (None,))[0] == position else (position, now)
            for partition, position in unread.items()
        }
        return min((since for _, since in self._stalled.values()), default=None)

    async def _check_clocks(self, member: Member, now: float) -> None:
        name, worst = max(((name, clock.age(now)) for name, clock in self._clocks.items()), key=lambda one: one[1])
        if worst == 0.0:
            self.kafka_is_away = False
        if worst < IN_DOUBT_AFTER:
            self._rejoin_due = 0.0
            return
        if now >= self._probe_due:
            answers = await self._kafka_answers()
            self.kafka_is_away = not answers
            now = time.monotonic()
            self._probe_due = now + IN_DOUBT_AFTER
            log.warning("member_stands_still", clock=name, seconds=round(worst), kafka_answers=answers)
            if not answers:
                self._restart_clocks(now)
                return
        if worst >= REJOIN_AFTER and now >= self._rejoin_due:
            self._rejoin_due = now + REJOIN_AFTER
            member.request_rebuild(name)

    def _restart_clocks(self, now: float) -> None:
        for clock in self._clocks.values():
            clock.excuse(now)
        self._stalled = {partition: (position, now) for partition, (position, _) in self._stalled.items()}
