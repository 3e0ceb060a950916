"""How long a process's event loop was held: a ticker in that loop, and its report read from outside, while it runs.

A tick that comes late says that something held the loop, or that the processor was elsewhere. So each line has both:
how late the tick was, and the processor time that the loop's thread took in between, which no other process adds to.
With `stacks` a long hold also says where that time went: the stack is looked at after each few milliseconds of it.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import orjson

EVERY: Final = 0.005
"""Seconds between two ticks: the smallest hold that shows."""
WORTH_A_LINE: Final = 0.010
WORTH_ITS_STACKS: Final = 0.050
LOOK_EVERY: Final = 0.002
"""Seconds of processor time between two looks at the stack."""
_FRAMES: Final = 8
_MOST_STACKS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One turn of the loop that came late."""

    at: float
    """`time.time()` of its end."""
    late: float
    """Seconds of wall time by which the tick was late."""
    cpu: float
    """Seconds of processor time of the loop's thread between the two ticks."""
    stacks: tuple[str, ...] = ()
    """The commonest stacks in it, innermost frame first, each with its share."""


@asynccontextmanager
async def noted_holds(home: Path, *, stacks: bool = False) -> AsyncIterator[None]:
    """Note the holds of this loop until the end of the block, in a file in `home`."""
    seen = _Stacks()
    if stacks:
        signal.signal(signal.SIGPROF, seen.look)
        signal.setitimer(signal.ITIMER_PROF, LOOK_EVERY, LOOK_EVERY)
    with _file(home).open("wb", buffering=0) as lines:
        ticking = asyncio.create_task(_tick(lines.write, seen))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            ticking.cancel()
            await asyncio.wait([ticking])


def holds(home: Path, since: float, until: float) -> list[Hold]:
    """Read the holds that ended between two times (`time.time()`)."""
    lines = _file(home).read_bytes().split(b"\n")[:-1]
    return [hold for line in lines if since <= (hold := Hold(**orjson.loads(line))).at <= until]


def _file(home: Path) -> Path:
    return home / "holds.jsonl"


class _Stacks:
    """The stacks that were seen since the last tick."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def look(self, _signal: int, frame: FrameType | None) -> None:
        """Take one sample; Python answers a signal between two bytecodes, so time in C is its caller's."""
        frames: list[str] = []
        while frame is not None and len(frames) < _FRAMES:
            code = frame.f_code
            frames.append(f"{Path(code.co_filename).name}:{frame.f_lineno}:{code.co_name}")
            frame = frame.f_back
        self._seen[" < ".join(frames)] += 1

    def taken(self) -> tuple[str, ...]:
        """Give the commonest ones and begin anew."""
        seen, self._seen = self._seen, Counter()
        return tuple(f"{count}/{seen.total()} {stack}" for stack, count in seen.most_common(_MOST_STACKS))


async def _tick(write: Callable[[bytes], object], seen: _Stacks) -> None:
    while True:
        wall, cpu = time.monotonic(), time.thread_time()
        await asyncio.sleep(EVERY)
        late, cpu = time.monotonic() - wall - EVERY, time.thread_time() - cpu
        stacks = seen.taken()
        if late >= WORTH_A_LINE:
            hold = Hold(at=time.time(), late=late, cpu=cpu, stacks=stacks if cpu >= WORTH_ITS_STACKS else ())
            write(orjson.dumps(hold) + b"\n")
