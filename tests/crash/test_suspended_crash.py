"""Heals that last under kills and stops: at each boundary of keep, suspend and going on, a job is ordered once.

The embedded broker is enough: what differs with another one is proven in `test_fault_matrix.py`. An ordinary run makes
the cells that differ in kind; `SHW_FAULT_MATRIX=full` makes every boundary with either signal and either kind of order.
"""

import itertools
import signal
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from schemas.names import Effect, StrategyName
from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Process, Running, Site, event, process, until
from tests.support.worlds.http_world import Reply, Seen, World, json_reply
from tests.support.worlds.jobs import HttpJobs, Orders

WINDOW = 4.0
"""Seconds of a claim's window, for a process that is stopped: its own clock cannot be put forward."""
LOOKS = 3
"""The look that finds the job done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Where a process is struck, how, and what its job's order is."""

    at: str
    nth: int
    in_doubt: bool
    """Its order may have left without its job's id being kept."""
    number: signal.Signals
    kind: Effect

    def __str__(self) -> str:
        return f"{self.number.name} {self.at} {self.nth}, {self.kind}"


BOUNDARIES: Final = (
    ("keeping", 1, False),
    ("kept", 1, False),
    ("before", 1, True),
    ("during", 1, True),
    ("keeping", 2, True),
    ("kept", 2, False),
    ("suspended", 1, False),
    ("gone on", 1, False),
    ("going on", 2, False),
    ("looked", 1, False),
    ("settle", 1, False),
)
ORDINARY: Final = {
    "SIGKILL before 1, unsafe",
    "SIGKILL keeping 2, keyed",
    "SIGKILL gone on 1, unsafe",
    "SIGSTOP before 1, keyed",
    "SIGSTOP kept 2, unsafe",
    "SIGSTOP looked 1, unsafe",
}


def cells(number: signal.Signals) -> list[Cell]:
    """Give every cell of one signal, or those of an ordinary run."""
    every = [
        Cell(at=at, nth=nth, in_doubt=in_doubt, number=number, kind=kind)
        for (at, nth, in_doubt), kind in itertools.product(BOUNDARIES, (Effect.UNSAFE, Effect.KEYED))
    ]
    return [cell for cell in every if FULL or str(cell) in ORDINARY]


@pytest.fixture
def jobs(world: World) -> World:
    """A provider whose order takes a while, and whose job is done at a later look."""

    def look(n: int, _: Seen) -> Reply:
        return json_reply("done" if n >= LOOKS else "running")

    world.on("/order/w", json_reply("job-w", after=0.5))
    world.on("/look/job-w", look)
    return world


async def failed(place: Site) -> UUID:
    org = await place.organisation("1")
    await place.publish(event(org, "1", workflow_name="w"))
    return org


def heirs(jobs: World, kind: Effect) -> dict[StrategyName, Orders]:
    window = timedelta(seconds=WINDOW)
    return {StrategyName.AUTO_RETRY: Orders(jobs=HttpJobs(jobs.url("")), kind=kind, every=SECOND, window=window)}


async def judge(place: Site, jobs: World, org: UUID, cell: Cell) -> None:
    """Hold what came of it against what was promised."""
    (row,) = (await place.failures()).values()
    orders = jobs.calls("/order/w")
    if cell.kind is Effect.KEYED:
        assert row["status"] == "resolved"
        assert len({seen.key for seen in orders}) == 1
        assert len(orders) <= 1 + cell.in_doubt, "a job whose id was kept is ordered again"
    elif cell.in_doubt:
        assert row["status"] == "needs_person"
        assert len(orders) <= 1, "an order without a key is repeated"
    else:
        assert row["status"] == "resolved"
        assert len(orders) == 1
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})


@pytest.mark.parametrize("cell", cells(signal.SIGKILL), ids=str)
async def test_after_a_kill_a_job_is_ordered_once_and_nothing_is_lost(
    embedded_place: Site, jobs: World, tmp_path: Path, cell: Cell
) -> None:
    place = embedded_place
    org = await failed(place)
    mortal = place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, tmp_path / "log", **acts(jobs, cell)) as killed:
        assert await killed.ended() == -signal.SIGKILL, killed.last_lines
    await place.time_passes(timedelta(minutes=5))
    async with place.consumer(heirs(jobs, cell.kind)) as heir:
        await heir.settled(1)
    await judge(place, jobs, org, cell)


@pytest.mark.parametrize("cell", cells(signal.SIGSTOP), ids=str)
async def test_a_stopped_process_that_comes_back_orders_nothing_and_writes_nothing(
    embedded_place: Site, jobs: World, tmp_path: Path, cell: Cell
) -> None:
    place = embedded_place
    org = await failed(place)
    async with process(place, tmp_path / "log", window=str(WINDOW), **acts(jobs, cell)) as stopped:
        await until(stopped.is_stopped)
        async with place.in_another_group().consumer(heirs(jobs, cell.kind)) as heir:
            await heir.settled(1)
            attempts = await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id")
            seen = len(jobs.calls("/order/w"))
            said_before = len(stopped.log.read_text())
            stopped.tell(signal.SIGCONT)
            await until(lambda: _is_back(stopped, heir, cell, said_before))
        stopped.tell(signal.SIGTERM)
        assert await stopped.ended() == 0, stopped.last_lines
    assert len(jobs.calls("/order/w")) == seen, "an order after the claim was lost"
    assert await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id") == attempts
    await judge(place, jobs, org, cell)


def acts(jobs: World, cell: Cell) -> dict[str, str]:
    return {
        "at": cell.at,
        "nth": str(cell.nth),
        "signal": cell.number.name,
        "path": "",
        "jobs": jobs.url(""),
        "effect": cell.kind.value,
    }


async def _is_back(stopped: Process, heir: Running, cell: Cell, said_before: int) -> bool:
    """Whether it has renewed its lease since, and has noticed what became of what it had in hand."""
    owners = await heir.place.count("heal_owner WHERE isfinite(lease_until) AND lease_until > clock_timestamp()")
    said = stopped.log.read_text()[said_before:]
    noticed = ("claim_lost", "settled_by_another", "suspended_by_another", "heal_suspended")
    # What was settled before it was stopped is not in its hands any more.
    return owners >= 2 and (cell.at == "settle" or any(one in said for one in noticed))
