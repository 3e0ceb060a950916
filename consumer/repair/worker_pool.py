"""Pool of repair workers, for the service and the command: documents repaired in child processes with limits."""

import asyncio
import json
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, assert_never

from consumer.repair.values import Edit, Json, RefusalCause, Repair, RepairStatus, SlipNote, refused
from consumer.workers.pool import WorkEnd, WorkEnded, WorkerLimits, WorkerPool, worker_pool
from schemas.names import Grade

LIMIT: Final = timedelta(seconds=1.4)
"""CPU time of one document."""
WAIT: Final = timedelta(seconds=20)
"""Longest wait for a child."""
MEMORY: Final = 200 * 1024 * 1024
_WORKER: Final = Path(__file__).with_name("worker.py")


class RepairWorkerPool:
    """Repairs documents within limits of CPU time and memory; the number of children bounds the concurrency."""

    def __init__(self, workers: WorkerPool, limit: timedelta) -> None:
        self._workers = workers
        self._limit = limit

    async def start(self) -> None:
        """Start the children now; otherwise each starts with its first document."""
        await self._workers.start()

    async def repair(
        self,
        text_or_document: Json,
        schema: Json,
        *,
        most: Grade,
        guarded: tuple[str, ...] = (),
        of: Hashable = None,
    ) -> Repair:
        """Repair a text, or a document that is parsed already; a string is treated as a text.

        `of` is whose it is: children are shared fairly. Raises NoWorkerFree and NoWorkerStarts.
        """
        kind = "text" if isinstance(text_or_document, str) else "document"
        asked = {kind: text_or_document, "schema": schema, "most": most.value, "guarded": guarded}
        try:
            request = json.dumps(asked).encode()
        except RecursionError:
            return _refusal(WorkEnded(why=WorkEnd.TOO_DEEP), self._limit)
        worked = await self._workers.work(request, of=of)
        return _refusal(worked, self._limit) if isinstance(worked, WorkEnded) else await _parse_repair(worked)


@asynccontextmanager
async def repair_worker_pool(
    *, children: int = 1, limit: timedelta = LIMIT, memory: int = MEMORY, wait: timedelta = WAIT
) -> AsyncIterator[RepairWorkerPool]:
    """Open a pool; its children are killed when the block ends."""
    limits = WorkerLimits(children=children, budget=limit, memory=memory, wait=wait)
    async with worker_pool(_WORKER, limits) as workers:
        yield RepairWorkerPool(workers, limit)


def _refusal(ended: WorkEnded, limit: timedelta) -> Repair:
    match ended.why:
        case WorkEnd.TOOK_TOO_LONG:
            return refused(RefusalCause.TOOK_TOO_LONG, f"takes longer than {limit.total_seconds():g} s")
        case WorkEnd.TOO_MUCH_MEMORY:
            return refused(RefusalCause.TOO_LARGE, "takes more memory than a repair may have")
        case WorkEnd.TOO_DEEP:
            return refused(RefusalCause.TOO_DEEP, "the document or its schema is nested too deeply")
        case WorkEnd.DIED:
            return refused(RefusalCause.TOO_LARGE, "takes more than a repair may have: its process ended")
        case WorkEnd.CRASHED:
            return refused(RefusalCause.UNUSABLE_SCHEMA, f"its repair broke ({ended.detail}): report this")
        case _:
            assert_never(ended.why)


async def _parse_repair(worked: bytes) -> Repair:
    """Parse a child's answer line by line: tens of thousands of edits would hold the event loop."""
    first, *lines = worked.split(b"\n")
    edits: list[Edit] = []
    for line in lines:
        await asyncio.sleep(0)
        edits += map(_parse_edit, json.loads(line))
    answer = json.loads(first)
    return Repair(
        status=RepairStatus(answer["status"]),
        document=answer["document"],
        edits=tuple(edits),
        cause=answer["cause"] and RefusalCause(answer["cause"]),
        reason=answer["reason"],
        notes=tuple(SlipNote(path=note["path"], meant=note["meant"]) for note in answer["notes"]),
    )


def _parse_edit(edit: Mapping[str, Any]) -> Edit:
    return Edit(
        op=edit["op"],
        path=edit["path"],
        value=edit.get("value"),
        old=edit["old"],
        from_=edit.get("from"),
        grade=Grade(edit["grade"]),
        kind=edit["kind"],
        reason=edit["reason"],
    )
