"""Waiting for an event, but not for ever; and letting others go on in the middle of a long piece of work."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")

A_TURN: Final = 64
"""Items of a batch that are worked on before the event loop turns, some milliseconds. A batch in one piece would hold
up each answer of the database to everybody else: a transaction of seven round trips waits seven times."""


async def happens(event: asyncio.Event, within: timedelta) -> bool:
    """Wait for an event, at most so long; tell whether it came."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def in_turns(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    """Give the items of a batch one by one, and let the event loop turn once in a while."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % A_TURN == 0:
            await asyncio.sleep(0)
