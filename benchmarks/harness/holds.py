"""How long a process's event loop was held: a ticker in that loop, and its report read from outside, while it runs.

A tick that comes late says that something held the loop, or that the processor was elsewhere. So each line has both:
how late the tick was, and the processor time that the loop's thread took in between, which no other process adds to.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

EVERY: Final = 0.005
"""Seconds between two ticks: the smallest hold that shows."""
WORTH_A_LINE: Final = 0.010


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One turn of the loop that came late."""

    at: float
    """`time.time()` of its end."""
    late: float
    """Seconds of wall time by which the tick was late."""
    cpu: float
    """Seconds of processor time of the loop's thread between the two ticks."""


@asynccontextmanager
async def noted_holds(home: Path) -> AsyncIterator[None]:
    """Note the holds of this loop until the end of the block, in a file in `home`."""
    with _file(home).open("wb", buffering=0) as lines:
        ticking = asyncio.create_task(_tick(lines.write))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])


def holds(home: Path, since: float, until: float) -> list[Hold]:
    """Read the holds that ended between two times (`time.time()`)."""
    lines = _file(home).read_bytes().split(b"\n")[:-1]
    return [hold for line in lines if since <= (hold := Hold(**orjson.loads(line))).at <= until]


def _file(home: Path) -> Path:
    return home / "holds.jsonl"


async def _tick(write: Callable[[bytes], object]) -> None:
    while True:
        wall, cpu = time.monotonic(), time.thread_time()
        await asyncio.sleep(EVERY)
        late = time.monotonic() - wall - EVERY
        if late >= WORTH_A_LINE:
            write(orjson.dumps({"at": time.time(), "late": late, "cpu": time.thread_time() - cpu}) + b"\n")
