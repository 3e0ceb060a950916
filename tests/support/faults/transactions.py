"""A real producer that writes in transactions, and commits them, takes them back or leaves them open."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from confluent_kafka import KafkaException, Producer

from tests.support.faults.raising import quick
from tests.support.pipeline import Site

WITHIN: Final = 20.0
TRIES: Final = 5
"""Of one end of a transaction: the broker may be away just then, and the client says that it may be asked again."""


class Transactions:
    """A producer that writes in transactions; each call is bounded, and made in a thread."""

    def __init__(self, place: Site, org: UUID, name: str) -> None:
        self._topic = place.settings.kafka.failures_topic
        self._org = org
        options: dict[str, Any] = {
            "bootstrap.servers": place.settings.kafka.bootstrap,
            "transactional.id": f"{name}.{uuid4().hex}",
            "transaction.timeout.ms": 60_000,
            "linger.ms": 0,
        }
        self._producer = Producer(options)
        _again(self._producer.init_transactions)

    async def begin(self, *names: str) -> None:
        """Begin a transaction and write these failures in it."""
        await self.write({0: [quick(self._org, name) for name in names]})

    async def write(self, events: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Begin a transaction and write these events in it, by partition."""

        def begin() -> None:
            self._producer.begin_transaction()
            self._produce(events)

        await asyncio.to_thread(begin)

    async def add(self, events: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Write more in the open transaction."""
        await asyncio.to_thread(self._produce, events)

    def _produce(self, events: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        for partition, some in events.items():
            for one in some:
                self._producer.produce(self._topic, json.dumps(one).encode(), partition=partition)
        assert self._producer.flush(WITHIN) == 0

    async def commit(self) -> None:
        await asyncio.to_thread(_again, self._producer.commit_transaction)

    async def take_back(self) -> None:
        await asyncio.to_thread(_again, self._producer.abort_transaction)

    async def keep(self, events: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Write these and commit them, once more where the transaction had to be taken back."""
        for _ in range(TRIES - 1):
            try:
                await self.write(events)
                await self.commit()
            except KafkaException as error:
                if not error.args[0].txn_requires_abort():
                    raise
                await self.take_back()
            else:
                return
        await self.write(events)
        await self.commit()


def _again(end: Callable[[float], None]) -> None:
    for _ in range(TRIES - 1):
        try:
            end(WITHIN)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
        else:
            return
    end(WITHIN)
