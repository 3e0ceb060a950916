"""How long the event loop is held: in CPU time of its thread, which is the same on a busy machine as on a quiet one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def loop_holds() -> AsyncIterator[list[float]]:
    """Gather how many CPU seconds the loop's thread took between two turns."""
    holds: list[float] = []

    async def tick() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            holds.append(time.thread_time() - before)

    ticking = asyncio.create_task(tick())
    try:
        yield holds
    finally:
        ticking.cancel()
