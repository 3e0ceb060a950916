"""Making things durable, whatever the database does: waiting while it is away, and halving what it refuses."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

import structlog

from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import jittered

log = structlog.get_logger(__name__)

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

FIRST_REST: Final = timedelta(milliseconds=100)
LONGEST_REST: Final = timedelta(seconds=5)


async def _sleep(rest: timedelta) -> None:
    await asyncio.sleep(rest.total_seconds())


async def until_durable(
    attempt: Callable[[], Awaitable[ResultT]],
    failed: Callable[[TransientError, float], None],
    *,
    sleep: Callable[[timedelta], Awaitable[None]] = _sleep,
) -> ResultT:
    """Attempt a transaction until the database answers.

    Whether one that failed was committed is not known: repeating it has to be harmless. `failed` is told of each, with
    the seconds that are rested after it. RefusedByDatabase goes to the caller.
    """
    rest = FIRST_REST
    while True:
        try:
            return await attempt()
        except TransientError as error:
            failed(error, rest.total_seconds())
            await sleep(jittered(rest))
            rest = min(rest * 2, LONGEST_REST)


async def halved(
    items: Sequence[ItemT],
    together: Callable[[Sequence[ItemT]], Awaitable[ResultT]],
    alone: Callable[[ItemT, RefusedByDatabase], Awaitable[ResultT]],
) -> list[ResultT]:
    """Do something with items together; where the database refuses them, with their halves.

    The one item that it refuses by itself goes to `alone`. Gives what came of each part, in order.
    """
    try:
        return [await together(items)]
    except RefusedByDatabase as error:
        if len(items) == 1:
            return [await alone(items[0], error)]
        log.warning("batch_refused", rows=len(items), error=str(error)[:300])
    middle = len(items) // 2
    first = await halved(items[:middle], together, alone)
    return first + await halved(items[middle:], together, alone)
