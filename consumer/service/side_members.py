"""What the members share that read beside the failures' own: one run of a source, and what ended it."""

import asyncio
from typing import TypeVar

from consumer.errors import ShwError
from consumer.ingest.source import KafkaSource

_Batch = TypeVar("_Batch")


async def consume(source: KafkaSource[_Batch], stop: asyncio.Event) -> None:
    """Read an open source until stopped, and commit what was made durable, up to the last batch."""
    left = asyncio.Event()
    async with asyncio.TaskGroup() as loops:
        committing = loops.create_task(source.commit_until(left))
        watching = loops.create_task(source.watch_until(stop))
        reading = loops.create_task(source.read_until(stop))
        await source.take_all()
        await reading
        watching.cancel()
        left.set()
        source.end_commits()
        await committing


def first_of(group: BaseExceptionGroup[ShwError]) -> BaseException:
    """Return the first error of a group, however deep it lies."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
