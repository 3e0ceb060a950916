"""Documents repaired in a child: bounded in time and memory, and well again after one that was not."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Hashable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.repair import worker
from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RefusalCause, RepairStatus
from consumer.repair.worker import EDITS_A_LINE
from consumer.repair.worker_pool import RepairWorkerPool, repair_worker_pool
from consumer.workers.pool import WorkerLimits, WorkerPool
from schemas.names import Grade

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
BOMB: Json = {"type": "string", "pattern": "^(a+)+$"}
SHORT = timedelta(seconds=0.4)


@pytest.fixture
async def room() -> AsyncIterator[RepairWorkerPool]:
    async with repair_worker_pool(limit=SHORT) as opened:
        yield opened


async def test_a_child_answers_as_the_engine_itself(room: RepairWorkerPool) -> None:
    broken: Json = {"N": "5", "half": "\ud800", "long": 2**80}
    for most in (Grade.LOSSLESS, Grade.INVENTIVE):
        assert await room.repair(broken, SCHEMA, most=most) == repair_document(broken, SCHEMA, most=most)
    assert await room.repair('{n: "5"', SCHEMA, most=most) == repair_text('{n: "5"', SCHEMA, most=most)
    guarded = await room.repair(
        {"n": 5, "m": None}, {"properties": {"m": {"type": "null"}}}, most=most, guarded=("/m",)
    )
    assert guarded.status is RepairStatus.VALID


async def test_a_schema_that_would_take_for_ever_is_ended_and_the_next_document_repaired(
    room: RepairWorkerPool,
) -> None:
    slow = await room.repair(json.dumps("a" * 60 + "!"), BOMB, most=Grade.INVENTIVE)
    assert slow.cause is RefusalCause.TOOK_TOO_LONG
    assert (await room.repair({"n": "5"}, SCHEMA, most=Grade.INVENTIVE)).document == {"n": 5}


async def test_a_document_that_takes_too_much_memory_is_refused_and_the_next_one_repaired() -> None:
    async with repair_worker_pool(memory=80 * 1024 * 1024, limit=timedelta(seconds=20)) as room:
        large = await room.repair(
            json.dumps([{"n": str(n)} for n in range(100_000)]), {"items": SCHEMA}, most=Grade.LOSSY
        )
        assert large.cause is RefusalCause.TOO_LARGE
        assert (await room.repair({"n": "5"}, SCHEMA, most=Grade.INVENTIVE)).document == {"n": 5}


async def test_what_is_nested_too_deeply_to_be_sent_is_refused(room: RepairWorkerPool) -> None:
    deep: Json = []
    for _ in range(100_000):
        deep = [deep]
    assert (await room.repair(deep, SCHEMA, most=Grade.LOSSY)).cause is RefusalCause.TOO_DEEP
    assert (await room.repair("[" * 100_000, SCHEMA, most=Grade.LOSSY)).cause is RefusalCause.TOO_DEEP


@pytest.mark.parametrize("turns", [0, 1, 3, 8])
async def test_one_that_nobody_waits_for_any_more_leaves_no_answer_to_the_next(
    room: RepairWorkerPool, turns: int
) -> None:
    assert (await room.repair({"n": "1"}, SCHEMA, most=Grade.LOSSY)).document == {"n": 1}
    waiting = asyncio.create_task(room.repair({"n": "2"}, SCHEMA, most=Grade.LOSSY))
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (await room.repair({"n": "3"}, SCHEMA, most=Grade.LOSSY)).document == {"n": 3}


async def test_many_at_once_each_get_their_own_answer() -> None:
    async with repair_worker_pool(children=2) as room:
        repairs = await asyncio.gather(*(room.repair({"n": str(n)}, SCHEMA, most=Grade.LOSSY) for n in range(200)))
    assert [repair.document for repair in repairs] == [{"n": n} for n in range(200)]


async def test_a_child_is_isolated_holds_nothing_of_ours_and_ends_with_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHW_PLANTED_SECRET", "sk-planted")
    async with repair_worker_pool() as room:
        await room.repair({"n": 1}, SCHEMA, most=Grade.LOSSY)
        [child] = _children()
        command, environment = _told_to(child)
        assert "-I" in command
        assert "planted" not in environment
    assert _children() == []


def _told_to(child: int) -> tuple[list[str], str]:
    place = Path(f"/proc/{child}")
    return (place / "cmdline").read_text().split("\0"), (place / "environ").read_text()


def _children() -> list[int]:
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in mine if "repair/worker.py" in " ".join(_told_to(int(pid))[0])]


class AtOnce(WorkerPool):
    """Answers without a child, and without a turn of the event loop."""

    async def work(self, request: bytes | Sequence[bytes], *, of: Hashable = None) -> bytes:  # noqa: ARG002 - the pool's
        return worker.answer(request if isinstance(request, bytes) else b"".join(request))


async def test_others_get_their_turn_while_many_edits_are_read() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    limits = WorkerLimits(children=1, budget=SHORT, memory=0, wait=SHORT)
    broken: Json = [{"n": str(n)} for n in range(5_000)]
    async with asyncio.TaskGroup() as group:
        other = group.create_task(others())
        repaired = await RepairWorkerPool(AtOnce(Path(worker.__file__), limits), SHORT).repair(
            broken, {"items": SCHEMA}, most=Grade.LOSSLESS
        )
        other.cancel()
    assert repaired == repair_document(broken, {"items": SCHEMA}, most=Grade.LOSSLESS)
    assert turns >= len(repaired.edits) // EDITS_A_LINE
