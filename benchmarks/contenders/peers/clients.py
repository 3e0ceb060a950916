"""The Kafka clients of the peers, set as well as ours are."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.contenders.peers.healing import Assigned
from benchmarks.harness.job import Job


@asynccontextmanager
async def open_clients(job: Job, *, linger_ms: int) -> AsyncIterator[tuple[Any, Any, Assigned]]:
    """Give a member of the group, a producer with acks=all, and the clock's start."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
        fetch_max_bytes=8 * 1024 * 1024,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap,
        acks="all",
        enable_idempotence=job.idempotence,
        linger_ms=linger_ms,
        max_batch_size=128 * 1024,
    )
    assigned = Assigned(time.time)
    try:
        await producer.start()
        await consumer.start()
        consumer.subscribe([job.failures], listener=assigned)
        yield consumer, producer, assigned
    finally:
        await consumer.stop()
        await producer.stop()
