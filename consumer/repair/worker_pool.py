"""Where documents are repaired in the service and the command: in a child process that can be ended and replaced."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from consumer.repair.values import Edit, Json, RefusalCause, Repair, RepairStatus, refused
from schemas.names import Grade

LIMIT: Final = timedelta(seconds=1.4)
"""For one document, once a child is free."""
MEMORY: Final = 200 * 1024 * 1024
_WORKER: Final = Path(__file__).with_name("worker.py")
_START: Final = timedelta(seconds=20)
"""For a child to be up, on a machine that has much else to do."""
_LINE: Final = 256 * 1024 * 1024
_SLOW: Final = refused(RefusalCause.TOOK_TOO_LONG, f"takes longer than {LIMIT.total_seconds():g} s")
_DIED: Final = refused(RefusalCause.TOO_LARGE, "takes more than a repair may have: its process ended")


@dataclass(slots=True)
class _Worker:
    """A place for one child."""

    child: Process | None = None
    is_ready: bool = False


class RepairWorkerPool:
    """Repairs documents, each within the limits of time and memory; as many at once as there are children."""

    def __init__(self, *, children: int, limit: timedelta, memory: int) -> None:
        self._limit = limit.total_seconds()
        self._memory = memory
        self._places = [_Worker() for _ in range(children)]
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for place in self._places:
            self._free.put_nowait(place)

    async def start(self) -> None:
        """Start the children now; without it each starts with its first document."""
        for place in self._places:
            place.child = place.child or await self._started()

    async def repair(
        self, text_or_document: Json, schema: Json, *, most: Grade, guarded: tuple[str, ...] = ()
    ) -> Repair:
        """Repair a text, or a document that was read already; a string is a text."""
        kind = "text" if isinstance(text_or_document, str) else "document"
        asked = {kind: text_or_document, "schema": schema, "most": most.value, "guarded": guarded}
        try:
            line = json.dumps(asked).encode() + b"\n"
        except RecursionError:
            return refused(RefusalCause.TOO_DEEP, "the document or its schema is nested too deeply")
        place = await self._free.get()
        try:
            return await self._asked(place, line)
        finally:
            self._free.put_nowait(place)

    async def _asked(self, place: _Worker, line: bytes) -> Repair:
        try:
            child = await self._ready(place)
            answer = await self._answered(child, line)
        except TimeoutError:
            _end(place)
            return _SLOW
        except BaseException:
            # What is cancelled in the middle leaves an answer behind that nobody asked for.
            _end(place)
            raise
        if not answer.endswith(b"\n"):
            _end(place)
            return _DIED
        repair = _repair(json.loads(answer))
        if repair.cause is RefusalCause.TOO_LARGE:  # the child may have no memory left, and be about to end
            _end(place)
        return repair

    async def _answered(self, child: Process, line: bytes) -> bytes:
        if child.stdin is None or child.stdout is None:
            return b""
        try:
            async with asyncio.timeout(self._limit):
                child.stdin.write(line)
                await child.stdin.drain()
                return await child.stdout.readline()
        except (ConnectionError, ValueError):  # it ended, or answers without end
            return b""

    async def _ready(self, place: _Worker) -> Process:
        if place.child is None or place.child.returncode is not None:
            place.child = await self._started()
            place.is_ready = False
        if not place.is_ready and place.child.stdout is not None:
            async with asyncio.timeout(_START.total_seconds()):
                await place.child.stdout.readline()
            place.is_ready = True
        return place.child

    async def _started(self) -> Process:
        # Isolated and without our environment: it holds secrets, and the child needs none.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_WORKER),
            str(self._memory),
            stdin=PIPE,
            stdout=PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            limit=_LINE,
        )

    async def close(self) -> None:
        """End the children."""
        for place in self._places:
            child = place.child
            _end(place)
            if child is not None:
                await child.wait()


@asynccontextmanager
async def repair_worker_pool(
    *, children: int = 1, limit: timedelta = LIMIT, memory: int = MEMORY
) -> AsyncIterator[RepairWorkerPool]:
    """Give a room, and end its children after it."""
    room = RepairWorkerPool(children=children, limit=limit, memory=memory)
    try:
        yield room
    finally:
        await room.close()


def _end(place: _Worker) -> None:
    child, place.child, place.is_ready = place.child, None, False
    if child is not None and child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()


def _repair(answer: Mapping[str, Any]) -> Repair:
    return Repair(
        status=RepairStatus(answer["status"]),
        document=answer["document"],
        edits=tuple(_edit(edit) for edit in answer["edits"]),
        cause=answer["cause"] and RefusalCause(answer["cause"]),
        reason=answer["reason"],
    )


def _edit(edit: Mapping[str, Any]) -> Edit:
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
