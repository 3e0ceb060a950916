"""The small runner: a process without time for it takes nothing for dead."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.pipeline import until
from tests.support.worlds.http_world import World, http_world
from tests.support.worlds.small_runner import LONGEST_TICK, Run, SmallRunner, Step, small_runner


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
async def runner(world: World, tmp_path: Path) -> AsyncIterator[SmallRunner]:
    async with small_runner(world, tmp_path / "ledger") as running:
        yield running


async def hanging(runner: SmallRunner) -> Run:
    await runner.hire()
    run = runner.begin("a run", {"one": Step(does=["hangs"])})

    async def has_begun() -> bool:
        return run.steps["one"].state == "RUNNING"

    await until(has_begun)
    return run


async def test_a_queue_has_a_consumer_all_the_while_its_worker_is_replaced(runner: SmallRunner) -> None:
    run = await hanging(runner)
    runner.terminate(run, {})
    while len(runner.workers) < 2:
        assert runner.show(run)["queues"] == {"main": 1}
        await asyncio.sleep(0)
    assert runner.show(run)["queues"] == {"main": 1}


async def test_while_the_process_stands_still_no_heartbeat_grows_old(runner: SmallRunner) -> None:
    run = await hanging(runner)
    before = runner.now
    time.sleep(5 * LONGEST_TICK)  # noqa: ASYNC251 - the whole process stands still

    async def has_ticked() -> bool:
        return runner.now > before

    await until(has_ticked)
    heartbeat = run.steps["one"].heartbeat
    assert heartbeat is not None
    assert runner.now - heartbeat < 3 * LONGEST_TICK
