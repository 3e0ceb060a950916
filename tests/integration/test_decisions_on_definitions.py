"""A person decides while a canary runs, or while a definition is watched: the run is ended, and the watch goes on."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from schemas.definition_change import DEFINITION_CHANGE_TYPE
from tests.integration.test_decisions_in_a_heal import DECIDES
from tests.support import oracle
from tests.support.pipeline import Site, until
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.promotion_world import Stage, mended, same_steps
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
