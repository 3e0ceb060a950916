"""A steady load, and when each of its results arrives at a reader of the results topic.

Latency counts from the time at which an event was *meant* to be sent: whatever holds up the sender holds up its
callers, and counting from the real sending would hide it (coordinated omission).
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition

from benchmarks.harness.arena import Run, watching
from consumer.local.progress import to_stderr
from consumer.model import FailureId

BEGIN_IN: Final = 0.2
"""Seconds from the call to the first event."""


class Paced(Protocol):
    """An event that is sent at its time."""

    @property
    def key(self) -> bytes:
        """The record's key."""

    @property
    def value(self) -> bytes:
        """The record's value."""

    @property
    def failure(self) -> FailureId:
        """The failure that it must become."""


def any_result(_value: bytes) -> bool:
    """Count every result of a failure, so its first."""
    return True


@dataclass(slots=True)
class Arrivals:
    """When the first result of each failure arrived (`time.monotonic()`), by the record's key, which is its id."""

    arrived: Callable[[bytes], bool] = any_result
    """Which results count, by the record's value."""
    at: dict[str, float] = field(default_factory=dict)

    async def read(self, watcher: Any, partitions: Sequence[Any]) -> None:  # noqa: ANN401 - the client has no types
        """Read until cancelled."""
        while True:
            found = await watcher.getmany(*partitions, timeout_ms=1000)
            now = time.monotonic()
            for record in (record for many in found.values() for record in many):
                if self.arrived(record.value):
                    self.at.setdefault(record.key.decode(), now)

    async def wait(self, load: Sequence[Paced], within: float) -> int:
        """Wait for the results of a load; gives how many have not come in time."""
        missing = {str(event.failure) for event in load} - set(self.at)
        deadline = time.monotonic() + within
        while missing and (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.1))
            missing -= set(self.at)
        return len(missing)


@asynccontextmanager
async def arrivals(run: Run, arrived: Callable[[bytes], bool] = any_result) -> AsyncIterator[Arrivals]:
    """Read the results of a run until the end of the block."""
    partitions = [TopicPartition(run.job.results, number) for number in range(run.job.partitions)]
    async with watching(run.job, partitions) as watcher:
        noted = Arrivals(arrived)
        reading = asyncio.create_task(noted.read(watcher, partitions))
        try:
            yield noted
        finally:
            reading.cancel()
            await asyncio.wait([reading])


async def send_paced(run: Run, load: Sequence[Paced], rate: float) -> Mapping[str, float]:
    """Send a load at a steady rate, whatever comes of it; gives when each event was meant to be sent, by failure."""
    ready = [(str(event.failure), event.key, event.value) for event in load]
    meant: dict[str, float] = {}
    producer: Any = AIOKafkaProducer(bootstrap_servers=run.job.bootstrap, acks="all", linger_ms=0)
    await producer.start()
    try:
        begin, sent = time.monotonic() + BEGIN_IN, []
        for number, (failure, key, value) in enumerate(ready):
            meant[failure] = begin + number / rate
            if (early := meant[failure] - time.monotonic()) > 0:
                await asyncio.sleep(early)
            sent.append(await producer.send(run.job.failures, value, key=key))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return meant


async def latencies(
    run: Run,
    load: Sequence[Paced],
    rate: float,
    *,
    warm_up: int,
    within: float,
    arrived: Callable[[bytes], bool] = any_result,
) -> list[float]:
    """Send a load and give the milliseconds from meant to be sent to arrived, of all events after the warm-up.

    What has not come in time is infinitely late.
    """
    async with arrivals(run, arrived) as noted:
        meant = await send_paced(run, load, rate)
        if missing := await noted.wait(load, within):
            to_stderr(f"{missing} of {len(load)} results have not come {within:.0f} s after the last was sent")
    counted = [str(event.failure) for event in load[warm_up:]]
    return [(noted.at.get(failure, math.inf) - meant[failure]) * 1000 for failure in counted]
