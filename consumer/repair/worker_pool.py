"""Pool of repair workers, for the service and the command: child processes that can be killed and replaced."""

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

from consumer.repair.values import Edit, Json, RefusalCause, Repair, RepairStatus, SlipNote, refused
from schemas.names import Grade

LIMIT: Final = timedelta(seconds=1.4)
"""Time limit for one document, once a child is free."""
MEMORY: Final = 200 * 1024 * 1024
_WORKER: Final = Path(__file__).with_name("worker.py")
_START_TIMEOUT: Final = timedelta(seconds=20)
"""Time limit for a child to start, on a busy machine."""
_MAX_LINE: Final = 256 * 1024 * 1024
_SLOW: Final = refused(RefusalCause.TOOK_TOO_LONG, f"takes longer than {LIMIT.total_seconds():g} s")
_DIED: Final = refused(RefusalCause.TOO_LARGE, "takes more than a repair may have: its process ended")


@dataclass(slots=True)
class _Worker:
    """Slot for one child process."""

    child: Process | None = None
    is_ready: bool = False


class RepairWorkerPool:
    """Repairs documents within limits of time and memory; the number of children bounds the concurrency."""

    def __init__(self, *, children: int, limit: timedelta, memory: int) -> None:
        self._limit = limit.total_seconds()
        self._memory = memory
        self._workers = [_Worker() for _ in range(children)]
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for place in self._workers:
            self._free.put_nowait(place)

    async def start(self) -> None:
        """Start the children now; otherwise each starts with its first document."""
        for place in self._workers:
            place.child = place.child or await self._start_child()

    async def repair(
        self, text_or_document: Json, schema: Json, *, most: Grade, guarded: tuple[str, ...] = ()
    ) -> Repair:
        """Repair a text, or a document that is parsed already; a string is treated as a text."""
        kind = "text" if isinstance(text_or_document, str) else "document"
        asked = {kind: text_or_document, "schema": schema, "most": most.value, "guarded": guarded}
        try:
            line = json.dumps(asked).encode() + b"\n"
        except RecursionError:
            return refused(RefusalCause.TOO_DEEP, "the document or its schema is nested too deeply")
        place = await self._free.get()
        try:
            return await self._ask(place, line)
        finally:
            self._free.put_nowait(place)

    async def _ask(self, place: _Worker, line: bytes) -> Repair:
        try:
            child = await self._ready_child(place)
            answer = await self._exchange(child, line)
        except TimeoutError:
            _kill(place)
            return _SLOW
        except BaseException:
            # After a cancellation in mid-request the child would still write its answer, which the next request would
            # read.
            _kill(place)
            raise
        if not answer.endswith(b"\n"):
            _kill(place)
            return _DIED
        repair = _parse_repair(json.loads(answer))
        if repair.cause is RefusalCause.TOO_LARGE:  # the child may be out of memory, and about to exit
            _kill(place)
        return repair

    async def _exchange(self, child: Process, line: bytes) -> bytes:
        if child.stdin is None or child.stdout is None:
            return b""
        try:
            async with asyncio.timeout(self._limit):
                child.stdin.write(line)
                await child.stdin.drain()
                return await child.stdout.readline()
        except (ConnectionError, ValueError):  # it exited, or its answer exceeds the limit
            return b""

    async def _ready_child(self, place: _Worker) -> Process:
        if place.child is None or place.child.returncode is not None:
            place.child = await self._start_child()
            place.is_ready = False
        if not place.is_ready and place.child.stdout is not None:
            async with asyncio.timeout(_START_TIMEOUT.total_seconds()):
                await place.child.stdout.readline()
            place.is_ready = True
        return place.child

    async def _start_child(self) -> Process:
        # Isolated and without our environment, which holds secrets that the child does not need.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_WORKER),
            str(self._memory),
            stdin=PIPE,
            stdout=PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            limit=_MAX_LINE,
        )

    async def close(self) -> None:
        """Kill the children, and wait for them."""
        for place in self._workers:
            child = place.child
            _kill(place)
            if child is not None:
                await child.wait()


@asynccontextmanager
async def repair_worker_pool(
    *, children: int = 1, limit: timedelta = LIMIT, memory: int = MEMORY
) -> AsyncIterator[RepairWorkerPool]:
    """Open a pool; its children are killed when the block ends."""
    room = RepairWorkerPool(children=children, limit=limit, memory=memory)
    try:
        yield room
    finally:
        await room.close()


def _kill(place: _Worker) -> None:
    child, place.child, place.is_ready = place.child, None, False
    if child is not None and child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()


def _parse_repair(answer: Mapping[str, Any]) -> Repair:
    return Repair(
        status=RepairStatus(answer["status"]),
        document=answer["document"],
        edits=tuple(_parse_edit(edit) for edit in answer["edits"]),
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
