"""A person decides while a canary runs, while its definition is put in force, or while that is watched.

The run is ended; what is in force already is taken back; nothing else begins once the decision is answered; and the
watch goes on. An ordinary run makes the cells that differ in kind; `SHW_FAULT_MATRIX=full` makes them all.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from schemas.definition_change import DEFINITION_CHANGE_TYPE
from tests.integration.test_decisions_in_a_heal import DECIDES
from tests.support import oracle
from tests.support.commander import Commander, answers, command, send, write_keys
from tests.support.faults.matrix import FULL
from tests.support.pipeline import Site, until
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.platform_registry import Platform
from tests.support.worlds.promotion_world import REWRITE, Stage, mended, same_steps
from tests.support.worlds.rewrite_world import WORKFLOW, Model, RunsEngine, register, registered, rewrite_catalog


@pytest.fixture
def scripted(world: World, catalog_file: Path) -> tuple[ChatWorld, RunsEngine]:
    chat, runs = ChatWorld(world=world, talk=Model(gives_up_at="understand")), RunsEngine(world=world, looks=1000)
    catalog_file.write_text(rewrite_catalog(chat, runs))
    return chat, runs


@pytest.fixture
async def stage(embedded_place: Site, scripted: tuple[ChatWorld, RunsEngine]) -> Stage:
    chat, runs = scripted
    return Stage(place=embedded_place, chat=chat, runs=runs, org=await embedded_place.organisation("1"))


@pytest.mark.parametrize(("decides", "status"), DECIDES, ids=["given up", "resolved in SQL"])
async def test_a_canary_that_a_person_decided_against_is_ended_and_nothing_is_replaced(
    stage: Stage, decides: Callable[[Site], Awaitable[None]], status: str
) -> None:
    place = stage.place
    await register(place.db, stage.org)
    await stage.learnt()
    await stage.fail()
    async with place.consumer() as running:
        await stage.approve()
        await until(partial(place.count, "heal_claim WHERE state::text LIKE '%run-1%'"))
        await decides(place)

        async def ended() -> list[str]:
            return stage.runs.ended

        await until(ended)
        row = (await running.settled(1))[WORKFLOW]
    assert row["status"] == status
    assert len(stage.runs.started) == 1
    assert await stage.configs() == [registered()]
    assert await stage.watch() is None
    assert await stage.told(DEFINITION_CHANGE_TYPE) == []
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {stage.org: "1"})


async def test_a_definition_is_watched_whatever_a_person_says_of_the_failure_that_it_mended(stage: Stage) -> None:
    place = stage.place
    await stage.in_force()
    await place.db.execute(
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, status, resolved, due_at)"
        " SELECT w.failure_id, w.org_id, w.workflow_name, 'it was mended', '{}', 'resolved', true, NULL"
        " FROM heal_definition_watch w"
    )
    async with place.consumer() as running:
        await place.db.execute("UPDATE workflow_failures SET resolved = false")
        row = (await running.settled(1))[WORKFLOW]
        assert row["status"] != "resolved"
        assert (await stage.watch())["state"] == "watching"
        assert same_steps((await stage.configs())[-1], mended())
        await stage.fail(2)
        watch = await stage.watched("rolled_back")
    assert watch["relapse_id"] is not None
    assert same_steps((await stage.configs())[-1], registered())


ORDINARY: Final = {("deny", "running"), ("give_up", "running"), ("deny", "in force"), ("give_up", "not in force")}
CELLS: Final = [
    cell for cell in product(("deny", "give_up"), ("running", "not in force", "in force")) if FULL or cell in ORDINARY
]


@pytest.fixture
def maos() -> Commander:
    return Commander.new()


@pytest.fixture
def platform(world: World, catalog_file: Path) -> Platform:
    """The platform's registry over its API, in place of our table: each order to it is seen."""
    platform, runs = Platform(world), RunsEngine(world=world)
    chat = ChatWorld(world=world, talk=Model(gives_up_at="understand"))
    catalog_file.write_text(rewrite_catalog(chat, runs).replace(runs.runner(), json.dumps(platform.runner())))
    return platform


@pytest.fixture
async def commanded(embedded_place: Site, platform: Platform, maos: Commander, tmp_path: Path) -> Stage:
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    place = embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})
    chat, runs = ChatWorld(world=platform.world), RunsEngine(world=platform.world)
    return Stage(place=place, chat=chat, runs=runs, org=await place.organisation("1"))


def given(kind: str, stage: Stage, said: dict[str, Any]) -> dict[str, Any]:
    failure = UUID(said["failure_id"])
    if kind == "give_up":
        return command(kind, stage.org, failure, reason="cancelled")
    plan = {"plan_hash": said["approval"]["plan_hash"], "step": said["step"]}
    return command(kind, stage.org, failure, reason="on second thoughts", **plan)


async def has_come_to(stage: Stage, platform: Platform, at: str) -> bool:
    step = "running" if at == "running" else "promoting"
    kept = await stage.place.count(f"heal_claim WHERE state::text LIKE '%\"{step}\"%'")
    return bool(kept) and (at != "in force" or platform.version == 5)


@pytest.mark.parametrize(("kind", "at"), CELLS)
async def test_a_command_ends_what_was_approved_and_nothing_begins_once_it_is_answered(
    commanded: Stage, platform: Platform, maos: Commander, kind: str, at: str
) -> None:
    stage, place = commanded, commanded.place
    platform.stuck = at
    await stage.learnt()
    await stage.fail()
    async with place.consumer() as running:
        said = await stage.approve()
        await until(partial(has_come_to, stage, platform, at))
        await send(place, maos.token(given(kind, stage, said)))
        (answer,) = await answers(place, 1)
        assert answer["data"]["outcome"] == "accepted", answer
        before = len(platform.replaced)
        platform.stuck = ""
        row = (await running.settled(1))[WORKFLOW]
    assert row["status"] == "given_up"
    assert same_steps(platform.config, registered())
    assert len(platform.started) == 1
    assert not [one for one in platform.replaced[before:] if same_steps(one["config"], mended())]
    assert platform.ended == (at == "running")
    watch = await stage.watch()
    if at == "running":
        assert watch is None
    else:
        assert watch["state"] == "rolled_back"
        assert platform.version == (6 if at == "in force" else 4)
    told = await stage.told()
    assert [one["strategy"] for one in told if one["code"] == "denied"] == [REWRITE]
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {stage.org: "1"})
