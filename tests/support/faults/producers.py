"""What producers write to the failures topic besides plain records, each kind of it counted.

Records in every codec by real clients; records that nobody can read, alone between good ones and a batch of them; and
transactions: kept, taken back, and one that stays open.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from aiokafka.errors import KafkaError
from confluent_kafka import Producer

from tests.support.faults.raw_records import CODECS, Raw, batch, send_raw, unreadable
from tests.support.faults.transactions import Transactions
from tests.support.pipeline import NEVER_LEFT, Site, call, event
from tests.support.worlds.http_world import World

Event: TypeAlias = Mapping[str, Any]

TAKEN_BACK: Final = "/taken-back"
"""The path of all calls that aborted transactions tell of: none of them is ever made."""
UNANSWERED_FOR: Final = 30.0
"""Seconds for which a batch is sent again while the broker does not answer."""


class Letter(NamedTuple):
    """A dead letter: from which partition, and what it holds."""

    partition: int
    value: bytes


NOT_JSON: Final = Letter(0, b"not json")


@dataclass(slots=True, kw_only=True)
class Producers:
    """Who writes to one topic; what is sent twice, for want of an answer, is the same record again."""

    place: Site
    world: World
    org: UUID
    counted: Counter[str]
    letters: set[Letter] = field(default_factory=set)
    """What has to be a dead letter."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _by_codec: dict[str, Any] = field(default_factory=dict)
    _in_transactions: list[Transactions] = field(default_factory=list)
    _left_open: set[int] = field(default_factory=set)
    """The partitions of the transaction that is open now."""
    _was_left_open: set[int] = field(default_factory=set)

    async def plain(self, partition: int, events: Sequence[Event]) -> None:
        await self.place.publish(*events, partition=partition)

    async def in_every_codec(self, partition: int, events: Sequence[Event]) -> None:
        """Share them out among real clients, one for each codec."""
        for number, codec in enumerate(CODECS):
            some = [json.dumps(one).encode() for one in events[number :: len(CODECS)]]
            await asyncio.to_thread(self._by_client, codec, partition, some)
            self.counted[f"record of a client that packs with {codec}"] += len(some)

    def _by_client(self, codec: str, partition: int, values: Sequence[bytes]) -> None:
        if codec not in self._by_codec:
            options: dict[str, Any] = {
                "bootstrap.servers": self.place.settings.kafka.bootstrap,
                "compression.type": codec,
                "enable.idempotence": True,
                "linger.ms": 20,
            }
            self._by_codec[codec] = Producer(options)
        for value in values:
            self._by_codec[codec].produce(self.place.settings.kafka.failures_topic, value, partition=partition)
        assert self._by_codec[codec].flush(UNANSWERED_FOR) == 0

    async def among_unreadable(self, partition: int, events: Sequence[Event]) -> None:
        """Have what cannot be read lie before, between and behind them, and a batch of nothing else in their middle."""
        good = [Raw(value=json.dumps(one).encode()) for one in events]
        half = len(good) // 2
        await self._send(partition, [self._bad(), *good[:half], self._bad()], packed="zstd")
        await self._send(partition, [self._bad() for _ in range(3)])
        await self._send(partition, [*good[half:], self._bad()])
        self.counted["batch of unreadable records"] += 1

    def _bad(self) -> Raw:
        return unreadable(b"unreadable %d" % next(self._numbers))

    async def _send(self, partition: int, records: Sequence[Raw], packed: str = "none") -> None:
        for number, one in enumerate(records):
            if one.headers:
                self.letters.add(Letter(partition, one.body(number)))
                self.counted["unreadable record"] += 1
        kafka, content = self.place.settings.kafka, batch(records, packed=packed)
        async with asyncio.timeout(UNANSWERED_FOR):
            while True:
                try:
                    await send_raw(kafka.bootstrap, kafka.failures_topic, partition, content)
                except (KafkaError, OSError):
                    await asyncio.sleep(0.1)
                else:
                    return

    async def in_transactions(self, partition: int, events: Sequence[Event]) -> None:
        """Keep the first half; take back others around it; leave a transaction open where none was left open yet."""
        if not self._in_transactions:
            self._in_transactions += [
                await asyncio.to_thread(Transactions, self.place, self.org, name) for name in ("kept", "back", "open")
            ]
        kept, back, _ = self._in_transactions
        half = len(events) // 2
        await back.write({partition: self._never(2)})
        await kept.keep({partition: events[:half]})
        await self.plain(partition, events[half:])
        await back.take_back()
        await back.write({partition: self._never(1)})
        await back.take_back()
        self.counted["transaction committed"] += 1
        self.counted["transaction taken back"] += 2
        if partition not in self._was_left_open:
            await self._leave_open(partition)

    async def _leave_open(self, partition: int) -> None:
        (*_, opened) = self._in_transactions
        write = opened.add if self._left_open else opened.write
        self.counted["transaction left open"] += not self._left_open
        self._left_open.add(partition)
        self._was_left_open.add(partition)
        await write({partition: self._never(2)})

    async def end_open(self, *, and_leave_again: bool = False) -> None:
        """Take back what was left open; from then on another one may be left open."""
        if self._left_open:
            await self._in_transactions[-1].take_back()
            self._left_open.clear()
        if and_leave_again:
            self._was_left_open.clear()

    def _never(self, count: int) -> list[Event]:
        """Failures that never happened, whose calls would show."""
        names = [f"taken back/{next(self._numbers)}" for _ in range(count)]
        return [
            event(self.org, name, workflow_name=name, context=call(self.world.url(TAKEN_BACK), error=NEVER_LEFT))
            for name in names
        ]
