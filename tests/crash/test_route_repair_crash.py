"""route-repair under kills and stops: before, in and after each order, a stalled run's step is begun again once.

The run's worker is a real process that was killed before; only the ledger that workers write says how often its step
was begun and done. What is stopped comes back after others have taken its claim over, and orders nothing.
"""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.test_route_repair import lose_worker, small_catalog, stalled, stop_worker
from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Process, Site, process, until
from tests.support.worlds.http_world import World
from tests.support.worlds.small_runner import SmallRunner, small_runner

SIGNALS = (signal.SIGKILL, signal.SIGSTOP)
AROUND = ("before", "during", "answered")
"""Of one order: allowed and not sent, sent and not answered, answered and nothing made of it yet."""
CELLS = [
    ("worker", "during", signal.SIGKILL, 1),
    ("worker", "during", signal.SIGSTOP, 1),
    ("worker", "after", signal.SIGSTOP, 1),
    # Of a silent worker the first order ends it, and the second one runs its step again.
    ("silent", "before", signal.SIGKILL, 2),
    ("silent", "during", signal.SIGSTOP, 2),
]
if FULL:
    ORDERS = (("worker", 1), ("silent", 1), ("silent", 2))
    CELLS = [(stall, at, number, nth) for stall, nth in ORDERS for at in AROUND for number in SIGNALS]
    CELLS += [(stall, "after", number, 1) for stall in ("worker", "silent") for number in SIGNALS]
WINDOW = "6"
"""Seconds of a claim's window, for a process that is stopped: its own clock cannot be put forward."""


@pytest.fixture
def declared(world: World, catalog_file: Path) -> None:
    catalog_file.write_text(small_catalog(world, queued="PT30S"))


@pytest.fixture
async def runner(world: World, tmp_path: Path, declared: None) -> AsyncIterator[SmallRunner]:
    del declared
    async with small_runner(world, tmp_path / "ledger") as running:
        running.answers_after = 0.4  # beyond the moment at which a process is struck during an order
        yield running


@pytest.mark.parametrize(
    ("stall", "at", "number", "nth"), CELLS, ids=[f"{number.name} {at} {stall} {n}" for stall, at, number, n in CELLS]
)
async def test_after_a_kill_or_a_stop_the_step_is_begun_again_once(
    embedded_place: Site, runner: SmallRunner, tmp_path: Path, stall: str, at: str, number: signal.Signals, nth: int
) -> None:
    place, name = embedded_place, "stalled"
    org = await place.organisation("1")
    if stall == "worker":
        await lose_worker(runner, name, "reserve")
    else:
        await stop_worker(runner, name)
    await place.publish(stalled(org, name))
    acts = {"at": at, "nth": str(nth), "path": "", "signal": number.name, "window": WINDOW}
    mortal = place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, tmp_path / "log", **acts) as struck:
        if number is signal.SIGKILL:
            assert await struck.ended() == -signal.SIGKILL, struck.last_lines
            await place.time_passes()
        else:
            await until(struck.is_stopped)
        async with place.in_another_group().consumer() as other:

            async def closed() -> bool:
                await place.db.execute(
                    "UPDATE workflow_failures SET due_at = clock_timestamp() WHERE status IN ('deferred', 'pending')"
                )
                return await place.count("workflow_failures WHERE status IN ('resolved', 'needs_person')") == 1

            await until(closed)
            rows = await other.settled(1)
            attempts = await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id")
            orders = list(runner.runs[name].orders)
            if number is signal.SIGSTOP:
                struck.tell(signal.SIGCONT)
                await until(lambda: _has_lost(struck))
                struck.tell(signal.SIGTERM)
                assert await struck.ended() == 0, struck.last_lines
    assert rows[name]["status"] == "resolved", [one["details"] for one in attempts]
    assert runner.runs[name].orders == orders, "an order after the deadline"
    assert runner.did("done", name, "reserve") == 1, "lost, or done twice"
    assert runner.did("begun", name, "reserve") == 2, "begun again more than once"
    assert runner.runs[name].steps["reserve"].completions == 1
    assert await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id") == attempts
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})


async def _has_lost(stopped: Process) -> bool:
    return stopped.said("claim_lost", "settled_by_another", "suspended_by_another")
