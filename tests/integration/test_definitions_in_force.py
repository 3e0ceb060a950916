"""What comes after a person's yes: one canary run, the definition in force, a watch, and a rollback on a relapse."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from consumer.model import OrgId
from consumer.model.definition_watch import RewriteStage
from consumer.store.definitions import StoredRegistry
from consumer.store.pool import open_pool
from schemas.definition_change import DEFINITION_CHANGE_TYPE
from tests.support import oracle
from tests.support.pipeline import Site, until
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.promotion_world import REWRITE, Stage, mended, same_steps
from tests.support.worlds.rewrite_world import (
    WORKFLOW,
    Model,
    RunsEngine,
    failed_context,
    register,
    registered,
    rewrite_catalog,
)


@pytest.fixture
def canary() -> str:
    """How long a canary may take."""
    return "PT30M"


@pytest.fixture
def scripted(world: World, catalog_file: Path, canary: str) -> tuple[ChatWorld, RunsEngine]:
    chat, runs = ChatWorld(world=world, talk=Model()), RunsEngine(world=world)
    catalog_file.write_text(rewrite_catalog(chat, runs, canary=canary))
    return chat, runs


@pytest.fixture
async def stage(embedded_place: Site, scripted: tuple[ChatWorld, RunsEngine]) -> Stage:
    chat, runs = scripted
    return Stage(place=embedded_place, chat=chat, runs=runs, org=await embedded_place.organisation("1"))


async def test_what_is_approved_runs_once_and_is_in_force_until_its_cause_comes_back(stage: Stage) -> None:
    await register(stage.place.db, stage.org)
    stage.runs.looks = 1  # it is suspended meanwhile
    await stage.fail()
    async with stage.place.consumer() as running:
        said = await stage.approve()
        row = (await running.settled(1))[WORKFLOW]
        changes = partial(running.metric, "shw_definition_changes_total")
        assert (changes(state="watching"), changes(state="rolled_back")) == (1, 0)
        assert (
            said["approval"]["plan"]["edits"]["canary"]["input"] == failed_context()["workflow"]["failing_run"]["input"]
        )
        assert row["status"] == "resolved"
        (order,) = stage.runs.started
        assert order["definition"]["steps"][2]["retries"] == 2
        before, after = await stage.configs()
        assert before == registered()
        assert same_steps(after, mended())
        assert after["goodRuns"] == before["goodRuns"]
        told = (await stage.told())[-1]
        assert (told["strategy"], told["result"], told["evidence"][0]["oracle"]) == (REWRITE, "success", "canary")
        assert told["details"]["canary"]["run"] == "run-1"
        watch = await stage.watch()
        assert (watch["state"], watch["failure_id"]) == ("watching", row["id"])
        assert watch["watch_until"] - watch["changed_at"] > timedelta(days=6)
        [change] = await stage.told(DEFINITION_CHANGE_TYPE)
        assert (change["state"], change["attempt_id"]) == ("watching", told["attempt_id"])
        await oracle.credits_add_up(stage.place, {stage.org: "1"})

        stage.chat.talk = Model(gives_up_at="understand")
        await stage.fail(2)
        watch = await stage.watched("rolled_back")
    assert watch["relapse_id"] is not None
    *_, back = await stage.configs()
    assert len(await stage.configs()) == 3
    assert same_steps(back, before)
    first, second = await stage.told(DEFINITION_CHANGE_TYPE)
    assert (first["state"], second["state"]) == ("watching", "rolled_back")
    assert second["relapse_failure_id"] == str(watch["relapse_id"])


async def canary_is_over(stage: Stage) -> bool:
    return any("canary" in told["details"].get("reason", "") for told in await stage.told())


async def test_a_canary_that_fails_has_replaced_nothing(stage: Stage) -> None:
    await register(stage.place.db, stage.org)
    await stage.learnt()
    stage.runs.always = "failed"
    await stage.fail()
    async with stage.place.consumer() as running:
        await stage.approve()
        await until(partial(canary_is_over, stage))
        await running.settled(1)
    assert await stage.configs() == [registered()]
    assert await stage.watch() is None
    assert len(stage.runs.started) == 1
    assert await stage.told(DEFINITION_CHANGE_TYPE) == []


@pytest.mark.parametrize("canary", ["PT1S"])
async def test_a_canary_without_an_end_is_ended(stage: Stage) -> None:
    await register(stage.place.db, stage.org)
    await stage.learnt()
    stage.runs.looks = 1000
    await stage.fail()
    async with stage.place.consumer() as running:
        await stage.approve()
        await until(partial(canary_is_over, stage))
        await running.settled(1)
    assert set(stage.runs.ended) == {"run-1"}
    assert await stage.configs() == [registered()]


async def test_what_nobody_has_a_claim_on_any_more_is_brought_to_an_end(stage: Stage) -> None:
    """A process died in the middle, a window has passed, or somebody else has deployed meanwhile."""
    await stage.in_force("promoting", RewriteStage.PROMOTING)
    await stage.in_force("rolling", RewriteStage.ROLLING_BACK)
    await stage.in_force("rolled", RewriteStage.ROLLING_BACK)
    await register(stage.place.db, stage.org, name="rolled")  # the call was made
    await stage.in_force("taken", RewriteStage.ROLLING_BACK)
    theirs = registered()
    theirs["definition"] = {**theirs["definition"], "budget": {"maxCost": 61}}
    await register(stage.place.db, stage.org, theirs, name="taken")
    await stage.in_force("kept")
    await stage.place.db.execute(
        "UPDATE heal_definition_watch SET watch_until = clock_timestamp(), look_due = clock_timestamp()"
        " WHERE workflow_name = 'kept'"
    )
    await stage.looks_are_due()
    stage.chat.talk = Model(gives_up_at="understand")
    await stage.fail(2, "kept")  # too late for the window
    async with stage.place.consumer() as running:
        for name, versions in (("promoting", 3), ("rolling", 3), ("rolled", 3)):
            await stage.watched("rolled_back", name)
            configs = await stage.configs(name)
            assert len(configs) == versions
            assert same_steps(configs[-1], registered())
        await stage.watched("superseded", "taken")
        assert (await stage.configs("taken"))[-1] == theirs
        await running.settled(1)
        watch = await stage.watched("kept", "kept")
        assert watch["relapse_id"] is None
        assert same_steps((await stage.configs("kept"))[-1], mended())


async def test_of_two_who_replace_one_version_one_does(embedded_place: Site) -> None:
    org = OrgId(await embedded_place.organisation("1"))
    await register(embedded_place.db, org)
    async with open_pool(embedded_place.settings.postgres) as pool:
        registry = StoredRegistry(pool)
        found = await registry.entry(org, WORKFLOW)
        assert found is not None
        mine, theirs = uuid4(), uuid4()
        first = await registry.put(org, WORKFLOW, {"a": 1}, replaces=found.version, row_id=mine)
        assert first is not None
        assert first.version.startswith(str(mine))
        assert await registry.put(org, WORKFLOW, {"a": 1}, replaces=found.version, row_id=mine) == first
        second = await registry.put(org, WORKFLOW, {"b": 2}, replaces=found.version, row_id=theirs)
        assert second == first
        # What somebody wrote over is another version, though its row is the same.
        await embedded_place.db.execute("UPDATE deep_agent_workflows SET config = '{}' WHERE id = $1", mine)
        assert await registry.put(org, WORKFLOW, {"c": 3}, replaces=first.version, row_id=uuid4()) != first
        assert await embedded_place.db.fetchval("SELECT count(*) FROM deep_agent_workflows") == 2
