"""Records that were set aside, because another application held their organisation locked, are taken in here."""

from consumer.metrics import Metrics
from consumer.pipeline.flow import Pipeline
from consumer.store.aside import count_aside, forget_aside, read_aside
from consumer.store.due import PICKED_BYTES
from consumer.store.pool import Pool


async def take_in_set_aside(pool: Pool, pipeline: Pipeline, metrics: Metrics, limit: int) -> None:
    """Take in the records whose organisations can be had now, in their order; each is deleted once it is durable."""
    while found := await read_aside(pool, limit, PICKED_BYTES):
        kept = await pipeline.take_again([one.record for one in found])
        await forget_aside(pool, {one.failure_id for one in found} - kept)
        if kept:
            break
    metrics.records_aside.set(await count_aside(pool))
