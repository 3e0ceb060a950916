"""What was approved under kills: one canary run, the definition replaced once at most, and taken back once at most.

An ordinary run makes the cells that differ in kind; `SHW_FAULT_MATRIX=full` kills at each boundary of each step, and
stops there: what stood still while another went on, and comes back, does nothing more.
"""

import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Process, Site, process, until
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


WINDOW: Final = "1.5"
"""Seconds of a claim's window, for a process that is stopped: its own clock cannot be put forward."""


async def seen(stage: Stage) -> Any:  # noqa: ANN401 - values to compare
    """What the engine was ordered, what the registry and the watch have, and what was told of them."""
    ordered = len(stage.runs.started), tuple(stage.runs.ended)
    return ordered, await stage.configs(), await stage.watch(), await stage.changes()


async def ended_by_another(stage: Stage, state: str) -> Any:  # noqa: ANN401 - values to compare
    await stage.watched(state)

    async def is_told() -> bool:
        return state in await stage.changes()

    await until(is_told)
    return await seen(stage)


async def is_back(place: Site, stopped: Process) -> bool:
    """Whether it has renewed its lease since, and has nothing in hand: it has lost that, or gave it away before."""
    owners = await place.count("heal_owner WHERE isfinite(lease_until) AND lease_until > clock_timestamp()")
    lost = ("claim_lost", "settled_by_another", "suspended_by_another", "heal_suspended", "heal_settled")
    return owners > 1 and stopped.said(*lost, "definition_changed", "definition_not_rolled_back")


async def stopped_at(stage: Stage, log: Path, cell: str, meanwhile: Callable[[], Awaitable[Any]], ended: str) -> Any:  # noqa: ANN401 - a row
    """Stop a process at a boundary, have another one end what it was doing, and let it come back; gives the watch."""
    at, _, nth = cell.rpartition(" ")
    place = stage.place.changed(kafka={"session_timeout": SECOND})
    async with process(place, log, at=at, nth=nth, path=PATH, signal="SIGSTOP", window=WINDOW) as stopped:
        await meanwhile()
        await until(stopped.is_stopped)
        async with place.in_another_group().consumer() as heir:
            await stage.looks_are_due()
            # Inside its transaction it holds the registry's lock: nobody gets by until it comes back, and then once.
            before = None if at == "in put" else await ended_by_another(stage, ended)
            stopped.tell(signal.SIGCONT)
            await until(partial(is_back, place, stopped))
            stopped.tell(signal.SIGTERM)
            assert await stopped.ended() == 0, stopped.last_lines
            watch = await stage.watched(ended)
            await heir.settled(await place.count("workflow_failures"))
            assert before is None or await seen(stage) == before, "what came back has done something"
    await oracle.everything_that_ended_was_told(stage.place)
    await oracle.credits_add_up(stage.place, {stage.org: "1"})
    return watch


@pytest.mark.skipif(not FULL, reason="SHW_FAULT_MATRIX=full stops at each boundary")
@pytest.mark.parametrize("cell", [*CANARY, *LOOKS, *PROMOTION, *ENDS])
async def test_what_stood_still_while_another_put_it_in_force_comes_back_and_does_nothing(
    stage: Stage, tmp_path: Path, cell: str
) -> None:
    await register(stage.place.db, stage.org)
    await stage.learnt()
    await stage.fail()
    await stopped_at(stage, tmp_path / "log", cell, stage.approve, "watching")
    assert len(stage.runs.started) == 1, "a second canary"
    before, after = await stage.configs()
    assert before == registered()
    assert same_steps(after, mended())
    assert await stage.place.count("workflow_heal_attempts WHERE result = 'success'") == 1


@pytest.mark.skipif(not FULL, reason="SHW_FAULT_MATRIX=full stops at each boundary")
@pytest.mark.parametrize("cell", ROLLBACK)
async def test_what_stood_still_while_another_took_it_back_comes_back_and_does_nothing(
    stage: Stage, tmp_path: Path, cell: str
) -> None:
    await stage.in_force()
    await stage.fail(2)
    meanwhile = partial(stage.place.count, "heal_definition_watch")
    await stopped_at(stage, tmp_path / "log", cell, meanwhile, "rolled_back")
    before, _, back = await stage.configs()
    assert same_steps(back, before)
    assert await stage.changes() == {"watching", "rolled_back"}
