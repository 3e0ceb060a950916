"""What was approved under kills: one canary run, the definition replaced once at most, and taken back once at most.

An ordinary run makes the cells that differ in kind; `SHW_FAULT_MATRIX=full` kills at each boundary of each step.
"""

import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Site, process
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.promotion_world import Stage, mended, same_steps
from tests.support.worlds.rewrite_world import WORKFLOW, Model, RunsEngine, register, registered, rewrite_catalog

CANARY: Final = ("keeping 1", "kept 1", "asked 1", "before 1", "during 1", "answered 1", "keeping 2", "kept 2")
"""Of the order that starts the run: kept before it, sent, answered, and its run's id kept."""
LOOKS: Final = ("suspended 1", "gone on 1", "going on 1", "looked 1")
PROMOTION: Final = ("keeping 3", "kept 3", "opened 1", "asked 2", "before 2", "in put 1", "put 1", "changed 1")
ENDS: Final = ("after 2", "settle 2")
ROLLBACK: Final = ("changed 1", "rolling back 1", "in put 1", "put 1", "changed 2")
ORDINARY: Final = {"during 1", "suspended 1", "put 1"}
PATH: Final = f"/workflows/{WORKFLOW}"


def cells(*every: str) -> list[str]:
    return [one for one in every if FULL or one in ORDINARY]


@pytest.fixture
def scripted(world: World, catalog_file: Path) -> tuple[ChatWorld, RunsEngine]:
    chat = ChatWorld(world=world, talk=Model(gives_up_at="understand"))
    runs = RunsEngine(world=world, looks=1, after=0.4)
    catalog_file.write_text(rewrite_catalog(chat, runs))
    return chat, runs


@pytest.fixture
async def stage(embedded_place: Site, scripted: tuple[ChatWorld, RunsEngine]) -> Stage:
    chat, runs = scripted
    return Stage(place=embedded_place, chat=chat, runs=runs, org=await embedded_place.organisation("1"))


async def killed_at(stage: Stage, log: Path, cell: str, meanwhile: Callable[[], Awaitable[Any]]) -> None:
    """Have a process kill itself at a boundary; what it was doing is due for somebody else then."""
    at, _, nth = cell.rpartition(" ")
    mortal = stage.place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, log, at=at, nth=nth, path=PATH) as killed:
        await meanwhile()
        assert await killed.ended() == -signal.SIGKILL, killed.last_lines
    await stage.place.time_passes()
    await stage.looks_are_due()


@pytest.mark.parametrize("cell", cells(*CANARY, *LOOKS, *PROMOTION, *ENDS))
async def test_after_a_kill_there_is_one_canary_and_the_definition_is_replaced_once(
    stage: Stage, tmp_path: Path, cell: str
) -> None:
    place = stage.place
    await register(place.db, stage.org)
    await stage.learnt()
    await stage.fail()
    await killed_at(stage, tmp_path / "log", cell, stage.approve)
    async with place.consumer() as heir:
        row = (await heir.settled(1))[WORKFLOW]
    assert row["status"] == "resolved"
    assert len(stage.runs.started) == 1, "a second canary"
    before, after = await stage.configs()
    assert before == registered()
    assert same_steps(after, mended())
    assert (await stage.watch())["state"] == "watching"
    assert await stage.changes() == {"watching"}
    assert await place.count("workflow_heal_attempts WHERE result = 'success'") == 1
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place, decided={WORKFLOW})
    await oracle.credits_add_up(place, {stage.org: "1"})


@pytest.mark.parametrize("cell", cells(*ROLLBACK))
async def test_after_a_kill_a_definition_whose_cause_came_back_is_taken_back_once(
    stage: Stage, tmp_path: Path, cell: str
) -> None:
    place = stage.place
    await stage.in_force()
    await stage.fail(2)
    await killed_at(stage, tmp_path / "log", cell, partial(stage.place.count, "heal_definition_watch"))
    async with place.consumer() as heir:
        watch = await stage.watched("rolled_back")
        await heir.settled(1)
    assert watch["relapse_id"] is not None
    before, _, back = await stage.configs()
    assert same_steps(back, before)
    assert await stage.changes() == {"watching", "rolled_back"}
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {stage.org: "1"})
