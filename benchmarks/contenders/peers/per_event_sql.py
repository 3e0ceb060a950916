"""Peer (b): the same statements for each event, with 64 events under way at once on a pool of connections.

Offsets follow the oldest event that is not done, every 200 ms; acknowledged outbox rows go in the same round.
"""

import asyncio
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from benchmarks.contenders.peers import rows
from benchmarks.contenders.peers.clients import open_clients
from benchmarks.contenders.peers.healing import Healing, healing
from benchmarks.harness.job import Job, Told

AT_ONCE: Final = 64
CONNECTIONS: Final = int(os.environ.get("BENCH_CONNECTIONS", "16"))
"""Did best of 8, 16 and 32; the variable is for whoever doubts it."""
LINGER_MS: Final = 2
ROUND: Final = 0.2
"""Seconds between two commits of offsets."""


@dataclass(slots=True)
class Done:
    """Which offsets may be committed: everything before the oldest event under way."""

    under_way: dict[Any, deque[int]] = field(default_factory=dict)
    finished: dict[Any, set[int]] = field(default_factory=dict)
    acked: list[object] = field(default_factory=list)

    def begin(self, partition: Any, offset: int) -> None:  # noqa: ANN401 - the client has no types
        """Note that an event is under way; called in the order of offsets."""
        self.under_way.setdefault(partition, deque()).append(offset)
        self.finished.setdefault(partition, set())

    def to_commit(self) -> dict[Any, int]:
        """Give the offsets that have become free."""
        offsets: dict[Any, int] = {}
        for partition, waiting in self.under_way.items():
            done = self.finished[partition]
            while waiting and waiting[0] in done:
                offset = waiting.popleft()
                done.discard(offset)
                offsets[partition] = offset + 1
        return offsets


async def _nothing(_connection: object) -> None:
    """Leave a connection as it is: these statements set nothing that the next user could see."""


async def run(job: Job, stop: asyncio.Event) -> Told:
    """Run until stopped."""
    stages, before = healing(job), time.process_time()
    queue: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue(AT_ONCE)
    done = Done()
    pool = await asyncpg.create_pool(job.dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, reset=_nothing)
    async with pool, open_clients(job, linger_ms=LINGER_MS) as (consumer, producer, assigned):
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(_work(queue, pool, producer, stages, done)) for _ in range(AT_ONCE)]
            committing = group.create_task(_commit(consumer, pool, done))
            while not stop.is_set():
                found = await consumer.getmany(timeout_ms=50, max_records=500)
                for partition, many in found.items():
                    for one in many:
                        done.begin(partition, one.offset)
                        await queue.put((partition, one))
            await queue.join()
            for task in (*workers, committing):
                task.cancel()
        await _round(consumer, pool, done)
    return Told(started=assigned.at or 0.0, cpu_seconds=time.process_time() - before)


async def _work(
    queue: asyncio.Queue[tuple[Any, Any]],
    pool: "asyncpg.Pool[asyncpg.Record]",
    producer: Any,  # noqa: ANN401 - the client has no types
    stages: Healing,
    done: Done,
) -> None:
    while True:
        partition, one = await queue.get()
        diagnosed, plan = stages.read(one)
        async with pool.acquire() as connection:
            fresh = await rows.take_in(connection, diagnosed, plan)
        if fresh:
            settlement = stages.heal(diagnosed, plan)
            async with pool.acquire() as connection:
                await rows.settle(connection, settlement)
            (message,) = settlement.messages
            await producer.send_and_wait(message.topic, message.body, key=message.key, headers=list(message.headers))
            done.acked.append(message.id)
        done.finished[partition].add(one.offset)
        queue.task_done()


async def _commit(consumer: Any, pool: "asyncpg.Pool[asyncpg.Record]", done: Done) -> None:  # noqa: ANN401
    while True:
        await asyncio.sleep(ROUND)
        await _round(consumer, pool, done)


async def _round(consumer: Any, pool: "asyncpg.Pool[asyncpg.Record]", done: Done) -> None:  # noqa: ANN401
    if offsets := done.to_commit():
        await consumer.commit(offsets)
    if done.acked:
        acked, done.acked = done.acked, []
        async with pool.acquire() as connection:
            await rows.forget(connection, acked)
