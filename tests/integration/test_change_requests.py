"""An approved patch of a workflow that is code: a change request is opened once, waited for, and its run goes on."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from tests.integration.test_deep_agent import answer, asked, results
from tests.support.pipeline import Running, Site, event, until
from tests.support.workflows.orders import DEFINITION
from tests.support.worlds.change_world import BRANCHES, PULLS, RERUN, ChangeWorld
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.rewrite_world import REASON, WORKFLOW, Model, failed_context, register, registered

SECRET: Final = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def chat(world: World) -> ChatWorld:
    return ChatWorld(world=world, talk=Model())


@pytest.fixture
def git(world: World) -> ChangeWorld:
    return ChangeWorld(world=world)


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, chat: ChatWorld, git: ChangeWorld) -> Site:
    catalog_file.write_text(git.catalog(chat))
    return embedded_place


async def approved(place: Site, definition: dict[str, Any] = DEFINITION) -> UUID:
    """Publish a failure whose patch a person approves."""
    org = await place.organisation("1")
    await register(place.db, org, registered() | {"definition": definition})
    context = failed_context(run={"id": "r1", "step": "charge"})
    await place.publish(event(org, 1, workflow_name=WORKFLOW, failure_reason=REASON, context=context))
    await answer(place, await asked(place))
    return org


async def is_open(place: Site, git: ChangeWorld) -> bool:
    await make_due(place)
    return len(git.world.calls(f"{PULLS}/7")) > 1


async def make_due(place: Site) -> None:
    await place.db.execute("UPDATE heal_claim SET look_at = clock_timestamp() WHERE owner = 'suspended'")


async def ends(place: Site, running: Running) -> str:
    """Look again and again until the failure has an end; return it."""

    async def look() -> str:
        await make_due(place)
        status: str = await place.db.fetchval("SELECT status FROM workflow_failures")
        over = {"resolved", "given_up", "needs_person", "unknown"}
        return status if status in over else ""

    await until(look)
    return str((await running.settled(1))[WORKFLOW]["status"])


async def test_it_is_opened_once_waited_for_and_its_run_goes_on_upon_the_merged_version(
    place: Site, git: ChangeWorld
) -> None:
    async with place.consumer() as running:
        await approved(place)
        await until(lambda: is_open(place, git))
        [branch], [pull] = git.world.calls(BRANCHES), git.world.calls(PULLS)
        assert pull.json["head"] == branch.json["branch"] == branch.key
        assert f"+++ b/workflows/{WORKFLOW}.json" in branch.json["content"]
        assert '+      "retries": 2' in branch.json["content"]
        assert not git.world.calls(RERUN), "nothing is run before somebody has merged it"
        git.merged = True
        assert await ends(place, running) == "resolved"
    [rerun] = git.world.calls(RERUN)
    assert rerun.json == {"latest": True}
    last = (await results(place))[-1]
    assert last["result"] == "success"
    assert last["details"]["change_request"]["request"] == "7"
    assert last["details"]["change_request"]["name"] == branch.key
    assert (len(git.world.calls(BRANCHES)), len(git.world.calls(PULLS))) == (1, 1)
