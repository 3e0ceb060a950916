"""Peer (a): the straightforward consumer. One event from its first row to its acknowledged result, then the next.

Kinder than it need be: offsets and acknowledged outbox rows go once for each polled batch, not once for each event.
"""

import asyncio
import time
from typing import Final

import asyncpg

from benchmarks.contenders.peers import rows
from benchmarks.contenders.peers.clients import open_clients
from benchmarks.contenders.peers.healing import healing
from benchmarks.harness.job import Job, Told

POLLED: Final = 100


async def run(job: Job, stop: asyncio.Event) -> Told:
    """Run until stopped."""
    stages, before = healing(job), time.process_time()
    database = await asyncpg.connect(job.dsn)
    try:
        async with open_clients(job, linger_ms=0) as (consumer, producer, assigned):
            while not stop.is_set():
                found = await consumer.getmany(timeout_ms=50, max_records=POLLED)
                acked: list[object] = []
                for one in (one for many in found.values() for one in many):
                    diagnosed, plan = stages.read(one)
                    if not await rows.take_in(database, diagnosed, plan):
                        continue
                    settlement = stages.heal(diagnosed, plan)
                    await rows.settle(database, settlement)
                    (message,) = settlement.messages
                    await producer.send_and_wait(
                        message.topic, message.body, key=message.key, headers=list(message.headers)
                    )
                    acked.append(message.id)
                if acked:
                    await rows.forget(database, acked)
                    await consumer.commit({tp: many[-1].offset + 1 for tp, many in found.items()})
    finally:
        await database.close()
    return Told(started=assigned.at or 0.0, cpu_seconds=time.process_time() - before)
