"""Pool of warm worker processes: starts them, shares them fairly, and replaces those that were ended."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from consumer.errors import NoWorkerStarts
from consumer.workers.child import ANSWERED, CRASHED, LENGTH, OUT_OF_MEMORY, READY, TOO_DEEP
from consumer.workers.turns import Turns

log = structlog.get_logger(__name__)

_START_TIMEOUT: Final = timedelta(seconds=30)
"""Time for a child to start, on a busy machine."""
_STALLED_AFTER: Final = 30
"""Real time after which a child counts as stopped, as a multiple of its budget of CPU time, and so many seconds."""
_TRIES: Final = 2
"""How often a request is tried where its child died: the first may have been ended by something else."""
_PIECE: Final = 256 * 1024
"""Bytes written at once: a pipe takes 64 KiB, and the transport copies what is left."""


class WorkEnd(Enum):
    """Why a request has no answer."""

    TOOK_TOO_LONG = "took_too_long"  # its budget of CPU time is used up
    TOO_MUCH_MEMORY = "too_much_memory"  # more memory than a child may have
    TOO_DEEP = "too_deep"  # nested deeper than the interpreter goes
    DIED = "died"  # its process ended, twice
    CRASHED = "crashed"  # a bug of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEnded:
    """A request that has no answer, and why."""

    why: WorkEnd
    detail: str = ""


Worked: TypeAlias = bytes | WorkEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """Limits of a pool's children."""

    children: int
    budget: timedelta
    """CPU time of one request."""
    memory: int
    """Bytes of address space of one child."""
    wait: timedelta
    """Longest wait for a child."""


@dataclass(slots=True)
class _Place:
    child: Process | None = None


class WorkerPool:
    """Answers requests in children that run one script; the first request starts the first child."""

    def __init__(self, script: Path, limits: WorkerLimits) -> None:
        self._script = script
        self._limits = limits
        # One organisation never has them all: another's work is not held up by it.
        self._turns = Turns(limits.children, share=max(1, limits.children - 1))
        self._idle = [_Place() for _ in range(limits.children)]
        self._places = tuple(self._idle)
        self._stalled_after = _STALLED_AFTER * (1 + limits.budget.total_seconds())

    async def start(self) -> None:
        """Start the children now; otherwise each starts with its first request."""
        for place in self._places:
            await self._ready(place)

    async def work(self, request: bytes | Sequence[bytes], *, of: Hashable = None) -> Worked:
        """Have a request answered; `of` is whose it is, such as an organisation.

        One that is given in parts is sent as they are: joining a large one would hold the event loop.

        Raises
        ------
        NoWorkerFree
            None came free in time.
        NoWorkerStarts
            No child can be started: a fault of this machine, not of the request.

        """
        await self._turns.take(of, self._limits.wait)
        place = self._idle.pop()  # the last one first: it is the warmest
        parts = (request,) if isinstance(request, bytes) else tuple(request)
        try:
            for _ in range(_TRIES):
                worked = await self._once(place, parts)
                if worked is not None:
                    return worked
            return WorkEnded(why=WorkEnd.DIED)
        except BaseException:
            # A child that nobody waits for would still write its answer, which the next request would read.
            _kill(place)
            raise
        finally:
            self._idle.append(place)
            self._turns.give_back(of)

    async def _once(self, place: _Place, request: Sequence[bytes]) -> Worked | None:
        """Ask once; None where the child died of what may not be the request's fault."""
        child = await self._ready(place)
        answer = b""
        with suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.timeout(self._stalled_after):
                answer = await _exchange(child, request)
        kind, content = answer[:1], answer[1:]
        if kind == ANSWERED:
            return content
        if kind == CRASHED:
            return WorkEnded(why=WorkEnd.CRASHED, detail=content.decode(errors="replace"))
        if kind == TOO_DEEP:
            return WorkEnded(why=WorkEnd.TOO_DEEP)
        ended = await _end(place)
        if kind == OUT_OF_MEMORY:
            return WorkEnded(why=WorkEnd.TOO_MUCH_MEMORY)
        if ended == -signal.SIGPROF:
            return WorkEnded(why=WorkEnd.TOOK_TOO_LONG)
        log.warning("worker_died", script=self._script.name, exit_code=ended)
        return None

    async def _ready(self, place: _Place) -> Process:
        if place.child is None or place.child.returncode is not None:
            place.child = None
            place.child = await self._start()
        return place.child

    async def _start(self) -> Process:
        limits = self._limits
        try:
            # Isolated and without our environment, which holds secrets that the child does not need.
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(self._script),
                str(limits.memory),
                str(limits.budget.total_seconds()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={},
            )
        except OSError as error:
            msg = f"a worker process cannot be started: {error.strerror}"
            raise NoWorkerStarts(msg) from error
        greeting = b""
        try:
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(_START_TIMEOUT.total_seconds()):
                    greeting = await child.stdout.readline() if child.stdout else b""
        finally:
            if greeting != READY:
                await _end(_Place(child))
        if greeting != READY:
            msg = f"a worker process ended as it started (exit code {child.returncode})"
            raise NoWorkerStarts(msg)
        return child

    async def close(self) -> None:
        """Kill the children, and wait for them."""
        for child in [_kill(place) for place in self._places]:
            if child is not None:
                await child.wait()


async def _exchange(child: Process, request: Sequence[bytes]) -> bytes:
    if child.stdin is None or child.stdout is None:
        return b""
    child.stdin.write(sum(map(len, request)).to_bytes(LENGTH))
    for part in request:
        for at in range(0, len(part), _PIECE):
            child.stdin.write(memoryview(part)[at : at + _PIECE])
            await child.stdin.drain()
    size = int.from_bytes(await child.stdout.readexactly(LENGTH))
    return await child.stdout.readexactly(size)


def _kill(place: _Place) -> Process | None:
    child, place.child = place.child, None
    if child is not None and child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
    return child


async def _end(place: _Place) -> int | None:
    """Return a child's exit code; one that has closed its output is given a moment to end by itself."""
    child, place.child = place.child, None
    if child is None:
        return None
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            return await child.wait()
    _kill(_Place(child))
    return await child.wait()


@asynccontextmanager
async def worker_pool(script: Path, limits: WorkerLimits) -> AsyncIterator[WorkerPool]:
    """Open a pool; its children are killed when the block ends."""
    pool = WorkerPool(script, limits)
    try:
        yield pool
    finally:
        await pool.close()
