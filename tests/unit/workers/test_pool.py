"""Worker processes: each request has a budget, and what ends a child ends nothing else."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from consumer.errors import NoWorkerStarts
from consumer.workers.pool import WorkEnd, WorkEnded, WorkerLimits, WorkerPool, worker_pool
from tests.support.paths import ROOT

LIMITS = WorkerLimits(children=2, budget=timedelta(seconds=0.5), memory=256 * 1024 * 1024, wait=timedelta(seconds=30))
SCRIPT = f"""
import os, re, sys
sys.path.insert(0, {str(ROOT)!r})
from consumer.workers.child import run

def answer(request):
    match request.split(b" "):
        case [b"spin"]: re.match("^(a+)+$", "a" * 64 + "!")
        case [b"fill"]: return bytes(2**30)
        case [b"die"]: os._exit(3)
        case [b"die", path]:
            if not os.path.exists(path):
                open(path, "w").close()
                os._exit(3)
        case [b"raise"]: raise KeyError("a secret")
        case [b"sink"]: return sink()
        case [b"pid"]: return str(os.getpid()).encode()
    return request

def sink(): return sink()

run(answer)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
async def pool(script: Path) -> AsyncIterator[WorkerPool]:
    async with worker_pool(script, LIMITS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (b"spin", WorkEnd.TOOK_TOO_LONG),
        (b"fill", WorkEnd.TOO_MUCH_MEMORY),
        (b"die", WorkEnd.DIED),
        (b"raise", WorkEnd.CRASHED),
        (b"sink", WorkEnd.TOO_DEEP),
    ],
)
async def test_what_has_no_answer_says_why_and_the_next_request_is_answered(
    pool: WorkerPool, request_: bytes, why: WorkEnd
) -> None:
    ended = await pool.work(request_)
    assert isinstance(ended, WorkEnded)
    assert ended.why is why
    assert "secret" not in ended.detail
    assert await pool.work(b"next") == b"next"


async def test_a_child_that_somebody_else_ended_is_replaced_and_asked_again(pool: WorkerPool, tmp_path: Path) -> None:
    path = str(tmp_path / "died").encode()
    assert await pool.work(b"die " + path) == b"die " + path
    pid = await pool.work(b"pid")
    assert isinstance(pid, bytes)
    os.kill(int(pid), signal.SIGKILL)
    assert await pool.work(b"next") == b"next"


async def test_the_budget_is_one_request_s_however_many_a_child_has_answered(pool: WorkerPool) -> None:
    large = b"x" * 2**20
    for _ in range(300):
        assert await pool.work(large) == large


async def test_a_request_is_as_large_as_it_likes(pool: WorkerPool) -> None:
    large = bytes(range(1, 256)) * 100_000
    assert await pool.work(large) == large


@contextmanager
def no_more_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_machine_that_starts_no_child_is_told_apart_from_a_request_that_ends_one(pool: WorkerPool) -> None:
    with no_more_files(), pytest.raises(NoWorkerStarts):
        await pool.work(b"next")
    assert await pool.work(b"next") == b"next"


async def test_a_child_that_cannot_begin_is_told_too(script: Path) -> None:
    script.write_text("raise SystemExit(3)")  # noqa: ASYNC240 - a few bytes
    async with worker_pool(script, LIMITS) as pool:
        with pytest.raises(NoWorkerStarts):
            await pool.work(b"next")


async def test_children_end_with_the_block(script: Path) -> None:
    async with worker_pool(script, LIMITS) as pool:
        pids = await asyncio.gather(pool.work(b"pid", of="a"), pool.work(b"pid", of="b"))
        assert len(set(pids)) == 2
    for pid in pids:
        assert isinstance(pid, bytes)
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
