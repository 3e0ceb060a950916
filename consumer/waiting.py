"""Waiting for an event, but not for ever."""

import asyncio
from datetime import timedelta


async def happens(event: asyncio.Event, within: timedelta) -> bool:
    """Wait for an event, at most so long; tell whether it came."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True
