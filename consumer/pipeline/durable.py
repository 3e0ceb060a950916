"""Retry a transaction while the database is away, and bisect a batch that the database refuses."""

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
    """Retry a transaction with exponential backoff and jitter until the database answers.

    Whether a failed attempt was committed is not known, so the transaction has to be idempotent. `failed` is called
    after each failed attempt, with the backoff in seconds that follows. RefusedByDatabase is raised to the caller.
    """
    rest = FIRST_REST
    while True:
        try:
            return await attempt()
        except TransientError as error:
            failed(error, rest.total_seconds())
            await sleep(jittered(rest))
            rest = min(rest * 2, LONGEST_REST)


async def bisect_batch(
    items: Sequence[ItemT],
    together: Callable[[Sequence[ItemT]], Awaitable[ResultT]],
    alone: Callable[[ItemT, RefusedByDatabase], Awaitable[ResultT]],
) -> list[ResultT]:
    """Process items as one batch; where the database refuses the batch, bisect it and process the halves.

    An item that is refused by itself goes to `alone`. Returns the result of each part, in order.
    """
    try:
        return [await together(items)]
    except RefusedByDatabase as error:
        if len(items) == 1:
            return [await alone(items[0], error)]
        log.warning("batch_refused", rows=len(items), error=str(error)[:300])
    middle = len(items) // 2
    first = await bisect_batch(items[:middle], together, alone)
    return first + await bisect_batch(items[middle:], together, alone)
