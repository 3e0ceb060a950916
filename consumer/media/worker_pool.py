"""Pool of media workers: files validated in child processes with limits; what a child dies of is a verdict.

It imports none of the libraries that decode: those are loaded in the children alone.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, assert_never

from consumer.media.media_types import media_type_of
from consumer.media.verdict import (
    MAX_BYTES,
    MediaCheck,
    MediaEvidence,
    MediaExpectation,
    MediaFinding,
    MediaVerdict,
    failed,
    inconclusive,
)
from consumer.workers.pool import WorkEnd, WorkEnded, WorkerLimits, WorkerPool, worker_pool

LIMIT: Final = timedelta(seconds=1.9)
"""CPU time of one file."""
WAIT: Final = timedelta(seconds=20)
"""Longest wait for a child."""
MEMORY: Final = 1024 * 1024 * 1024
"""Address space of a child, half of which its libraries take; of memory it uses a third at the most."""
CHILDREN: Final = 2
_WORKER: Final = Path(__file__).with_name("worker.py")
_LENGTH: Final = 4


class MediaWorkerPool:
    """Validates files within limits of CPU time and memory; the number of children bounds the concurrency."""

    def __init__(self, workers: WorkerPool, limit: timedelta) -> None:
        self._workers = workers
        self._limit = limit

    async def start(self) -> None:
        """Start the children now; otherwise each starts with its first file."""
        await self._workers.start()

    async def validate(self, content: bytes, expected: MediaExpectation, *, of: Hashable = None) -> MediaVerdict:
        """Check a file against what is expected of it; `of` is whose it is: children are shared fairly.

        Raises
        ------
        NoWorkerFree
            No child came free in time: it is to be tried again later.
        NoWorkerStarts
            No child can be started, the libraries' absence included: ask `missing_libraries` before.

        """
        if len(content) > MAX_BYTES:
            return await _unread(content, failed(MediaCheck.SIZE, f"more than {MAX_BYTES} bytes"))
        asked = json.dumps(expected.as_json()).encode()
        worked = await self._workers.work((len(asked).to_bytes(_LENGTH) + asked, content), of=of)
        if isinstance(worked, WorkEnded):
            return await _unread(content, _end_finding(worked, self._limit))
        return MediaVerdict.from_json(json.loads(worked))


@asynccontextmanager
async def media_worker_pool(
    *, children: int = CHILDREN, limit: timedelta = LIMIT, memory: int = MEMORY, wait: timedelta = WAIT
) -> AsyncIterator[MediaWorkerPool]:
    """Open a pool; its children are killed when the block ends."""
    limits = WorkerLimits(children=children, budget=limit, memory=memory, wait=wait)
    async with worker_pool(_WORKER, limits) as workers:
        yield MediaWorkerPool(workers, limit)


async def _unread(content: bytes, finding: MediaFinding) -> MediaVerdict:
    digest = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
    evidence = MediaEvidence(sha256=digest, size=len(content), media_type=media_type_of(content))
    return MediaVerdict(findings=(finding,), evidence=evidence)


def _end_finding(ended: WorkEnded, limit: timedelta) -> MediaFinding:
    match ended.why:
        case WorkEnd.TOOK_TOO_LONG:
            return failed(MediaCheck.LIMITS, f"decoding it takes more than {limit.total_seconds():g} s of CPU time")
        case WorkEnd.TOO_MUCH_MEMORY:
            return failed(MediaCheck.LIMITS, "decoding it takes more memory than it may have")
        case WorkEnd.TOO_DEEP:
            return failed(MediaCheck.DECODES, "nested too deeply")
        case WorkEnd.DIED:
            return failed(MediaCheck.DECODES, "its decoder's process ended, twice")
        case WorkEnd.CRASHED:
            return inconclusive(MediaCheck.DECODES, f"its validation broke ({ended.detail}): report this")
        case _:
            assert_never(ended.why)
