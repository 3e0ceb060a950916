"""A Kafka as a model: partitions, one consumer group with generations, and commits that arrive late and still count."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from consumer.errors import TransientError
from consumer.kafka.polls import Polled
from consumer.kafka.reader import Listener, PartitionPosition
from consumer.kafka.writer import Sent
from consumer.model import Message, Partition, Record
from tests.support.simulation.loop import Timeline

SESSION: Final = 10.0
"""Seconds without a heartbeat after which the group takes a member for dead."""
REBALANCE: Final = 30.0
"""Seconds that the others wait for a member to give its partitions back."""
HEARTBEAT: Final = 2.0


@dataclass(slots=True, kw_only=True, eq=False)
class Member:
    """One member, as the coordinator knows it."""

    seen_at: float
    generation: int = -1
    joining: "asyncio.Future[frozenset[Partition]] | None" = None


@dataclass(slots=True, kw_only=True)
class ModelBroker:
    """What outlives every process: the log, the committed offsets, who is in the group, and what was published."""

    timeline: Timeline
    partitions: tuple[Partition, ...]
    log: dict[Partition, list[Record]] = field(default_factory=dict)
    committed: dict[Partition, int] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    generation: int = 0
    joined_by: float | None = None
    """While a rebalance is on: when it goes on without those who have not come back."""
    down_until: float = 0.0
    published: list[Message] = field(default_factory=list)
    on_commit: Callable[[Partition, int], None] = lambda _, __: None
    on_publish: Callable[[Message], None] = lambda _: None

    @property
    def is_down(self) -> bool:
        """Whether nobody gets an answer now."""
        return self.timeline.now < self.down_until

    def append(self, partition: Partition, value: bytes | None) -> None:
        """Take a producer's record."""
        log = self.log.setdefault(partition, [])
        record = Record(
            topic=partition.topic,
            partition=partition.partition,
            offset=len(log),
            timestamp_ms=0,
            key=None,
            value=value,
            headers=(),
        )
        log.append(record)

    def publish(self, message: Message) -> None:
        """Take a record of ours."""
        self.published.append(message)
        self.on_publish(message)

    def rebalance(self) -> None:
        """Begin a rebalance, unless one is on."""
        if self.joined_by is None:
            self.joined_by = self.timeline.now + REBALANCE
            self.timeline.after(REBALANCE, self.complete)

    def join(self, member: Member, answer: "asyncio.Future[frozenset[Partition]]") -> None:
        """A member has given its partitions back and waits for new ones."""
        member.seen_at = self.timeline.now
        member.joining = answer
        if member not in self.members:
            self.members.append(member)
        self.rebalance()
        self.complete()

    def leave(self, member: Member) -> None:
        """A member says goodbye, or is taken for dead."""
        if member in self.members:
            self.members.remove(member)
            member.generation = -1
            self.rebalance()
            self.complete()

    def tick(self) -> None:
        """Miss the members that have not been heard of."""
        for member in list(self.members):
            if member.joining is None and self.timeline.now - member.seen_at > SESSION:
                self.leave(member)

    def complete(self) -> None:
        """End the rebalance once all are back, or its time is over."""
        if self.joined_by is None:
            return
        if self.timeline.now >= self.joined_by:
            for member in [m for m in self.members if m.joining is None]:
                self.members.remove(member)
                member.generation = -1
        if any(member.joining is None for member in self.members):
            return
        self.joined_by = None
        self.generation += 1
        for number, member in enumerate(self.members):
            member.generation, answer, member.joining = self.generation, member.joining, None
            member.seen_at = self.timeline.now
            mine = frozenset(self.partitions[number :: len(self.members)])
            if answer is not None and not answer.done():
                answer.set_result(mine)

    def commit(self, member: Member, generation: int, offsets: Mapping[Partition, int]) -> bool:
        """Take offsets of the present generation, whoever has the partitions: the broker does not look at that."""
        if member not in self.members or generation != self.generation:
            return False
        for partition, offset in offsets.items():
            self.on_commit(partition, offset)
            self.committed[partition] = offset
        return True


class ModelReader:
    """A member's side, in `consumer.kafka.reader.Reader`'s place."""

    def __init__(self, broker: ModelBroker, listener: Listener, is_alive: Callable[[], bool]) -> None:
        self._broker = broker
        self._timeline = broker.timeline
        self._is_alive = is_alive
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._member = Member(seen_at=self._timeline.now)
        self._assignment: frozenset[Partition] = frozenset()
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self.condemned: list[str] = []

    async def run(self) -> None:
        """Heartbeat, and follow the group through its rebalances."""
        while True:
            member, broker = self._member, self._broker
            if not broker.is_down:
                if member not in broker.members:
                    member = self._member = Member(seen_at=self._timeline.now)
                if member.generation != broker.generation or broker.joined_by is not None:
                    await self._rejoin(member)
                member.seen_at = self._timeline.now
            await asyncio.sleep(HEARTBEAT)

    async def _rejoin(self, member: Member) -> None:
        # As aiokafka: the old assignment can be read from until the new one is there.
        heartbeat = asyncio.get_running_loop().create_task(self._stay(member))
        try:
            await self._listener.revoked(self._assignment)
        finally:
            heartbeat.cancel()
        answer: asyncio.Future[frozenset[Partition]] = asyncio.get_running_loop().create_future()
        self._broker.join(member, answer)
        assignment = await answer
        self._positions = {tp: self._broker.committed.get(tp, 0) for tp in assignment}
        self._assignment = assignment
        self._paused.clear()
        await self._listener.assigned(assignment)

    async def _stay(self, member: Member) -> None:
        while True:
            member.seen_at = self._timeline.now
            await asyncio.sleep(HEARTBEAT)

    def leave(self) -> None:
        """Say goodbye; what is dead says nothing."""
        if self._is_alive():
            self._broker.leave(self._member)

    async def poll(self, *, max_records: int, wait: timedelta) -> Polled:
        """Give what has arrived."""
        await asyncio.sleep(self._timeline.between(0.001, 0.05))
        if self._broker.is_down:
            raise TransientError("the broker does not answer")
        if not any(self._there(tp) for tp in self._readable()):
            await asyncio.sleep(wait.total_seconds())
        found: dict[Partition, list[Record]] = {}
        for tp in self._readable():
            many = self._there(tp)[:max_records]
            if many:
                found[tp] = many
                self._positions[tp] = many[-1].offset + 1
        return Polled(records=found, positions={tp: self._positions[tp] for tp in found})

    def _readable(self) -> list[Partition]:
        return sorted(self._assignment - self._paused)

    def _there(self, partition: Partition) -> list[Record]:
        return self._broker.log.get(partition, [])[self._positions[partition] :]

    async def commit(self, offsets: Mapping[Partition, int], within: timedelta) -> bool:
        """Commit, as aiokafka does: checked against the assignment now, sent with the generation of when it is sent."""
        if not set(offsets) <= self._assignment:
            return False
        for tp, offset in offsets.items():
            read_to = self._positions[tp]
            assert offset <= read_to, f"commits {tp} at {offset}; under this assignment it is read to {read_to}"
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._send(dict(offsets), answer)
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await answer
        except TimeoutError:
            return False

    def _send(self, offsets: dict[Partition, int], answer: "asyncio.Future[bool]") -> None:
        member, generation = self._member, self._member.generation

        def arrives() -> None:
            if self._broker.is_down or self._timeline.chance(0.1):
                # The coordinator is elsewhere: the client asks again, and then names the generation of that time.
                if not answer.done():
                    self._loop.call_later(0.5, self._send, offsets, answer)
                return
            taken = self._broker.commit(member, generation, offsets)
            if not self._timeline.chance(0.1):
                self._timeline.after(0.01, lambda: _say(answer, taken))

        self._timeline.after(self._timeline.between(0.001, 0.1), arrives)

    def assignment(self) -> frozenset[Partition]:
        """Give the partitions of this member now."""
        return self._assignment

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Give nothing of these any more."""
        self._paused.update(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Give of these again."""
        self._paused.difference_update(partitions)

    def is_in_touch(self) -> bool:
        """Tell whether the group knows this member, as far as this member knows."""
        return self._member.generation >= 0 and self._member.joining is None

    def request_rebuild(self, why: str) -> None:
        """Begin anew as another member, with the next heartbeat."""
        self.condemned.append(why)
        self._broker.leave(self._member)

    def standing(self, partition: Partition) -> PartitionPosition | None:
        """Say where a partition stands."""
        if partition not in self._assignment:
            return None
        end = len(self._broker.log.get(partition, []))
        return PartitionPosition(position=self._positions[partition], end=end, seen_at=None)

    async def ends(self, partitions: Iterable[Partition], within: timedelta) -> dict[Partition, int] | None:
        """Ask the broker where partitions end."""
        if self._broker.is_down:
            await asyncio.sleep(within.total_seconds())
            return None
        return {tp: len(self._broker.log.get(tp, [])) for tp in partitions}

    async def look_at_topic(self, within: timedelta) -> None:
        """Its topic is never made anew."""

    async def came_at(
        self,
        positions: Mapping[Partition, int],  # noqa: ARG002 - the Protocol's
        now: float,  # noqa: ARG002
        within: timedelta,  # noqa: ARG002
    ) -> dict[Partition, float] | None:
        """Ask the broker when records came; this one does not say."""
        return None


def _say(answer: "asyncio.Future[bool]", taken: bool) -> None:
    if not answer.done():
        answer.set_result(taken)


class ModelWriter:
    """A producer of ours, in `consumer.kafka.writer.Writer`'s place."""

    def __init__(self, broker: ModelBroker) -> None:
        self._broker = broker

    def limit(self, topic: str) -> int:  # noqa: ARG002 - the Protocol's
        """Take messages of any size that the settings allow."""
        return 900_000

    async def send(self, messages: Sequence[Message], *, apart: bool = False) -> list[Sent]:  # noqa: ARG002
        """Publish; some answers are lost, be the record there or not."""
        timeline = self._broker.timeline
        await asyncio.sleep(timeline.between(0.001, 0.1))
        said = []
        for message in messages:
            arrives = not self._broker.is_down and not timeline.chance(0.03)
            if arrives:
                self._broker.publish(message)
            said.append(Sent.ACKED if arrives and not timeline.chance(0.03) else Sent.FAILED)
        await asyncio.sleep(timeline.between(0.001, 0.1))
        return said

    async def close(self) -> None:
        """Let go of it."""


@asynccontextmanager
async def open_model_reader(
    broker: ModelBroker, listener: Listener, is_alive: Callable[[], bool]
) -> AsyncIterator[ModelReader]:
    """Join the group; leave it on exit."""
    reader = ModelReader(broker, listener, is_alive)
    following = asyncio.get_running_loop().create_task(reader.run())
    try:
        yield reader
    finally:
        following.cancel()
        reader.leave()
