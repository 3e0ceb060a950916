"""The platform's registry over its API: definitions read, replaced by compare-and-set, and rewritten end to end."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from consumer.catalog import MaosRunner, parse_catalog
from consumer.errors import ConfigError
from consumer.model.call import Ambiguous
from consumer.runners.contract import LookFailed, Rejected
from consumer.runners.definition_stores import ConfiguredDefinitions
from consumer.runners.definitions import DefinitionReader, DefinitionStore, NewVersion, Replaced, WorkflowRef
from consumer.store.definitions import StoredRegistry
from tests.support.healing import ORG
from tests.support.pipeline import Site, catalog
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World, http_world
from tests.support.worlds.platform_registry import PATH, Platform
from tests.support.worlds.promotion_world import Stage, mended, same_steps
from tests.support.worlds.recorded import LIES, WITHIN, Ground, ground
from tests.support.worlds.rewrite_world import WORKFLOW, Model, RunsEngine, registered, rewrite_catalog


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
def platform(world: World) -> Platform:
    return Platform(world)


@pytest.fixture
async def here(world: World, platform: Platform) -> AsyncIterator[Ground]:
    async with ground(world, MaosRunner.model_validate(platform.runner())) as opened:
        yield opened


OF: Final = WorkflowRef(org_id=str(ORG), workflow_name=WORKFLOW)


def store_of(here: Ground) -> DefinitionStore:
    class Only:
        def of(self, _: object) -> Any:  # noqa: ANN401 - a runner
            return here.runner

    assert isinstance(here.runner, DefinitionReader)
    # Its table is never asked: there is no database here.
    found = ConfiguredDefinitions(Only(), StoredRegistry(None)).of(here.allowed)  # type: ignore[arg-type]
    assert found is not None
    return found


async def test_a_definition_is_read_with_its_good_runs_and_replaced_once(here: Ground, platform: Platform) -> None:
    store = store_of(here)
    assert store.refusal(OF, here.allowed) is None
    stored = await store.read(OF, here.allowed, invariants=(), within=WITHIN)
    assert not isinstance(stored, LookFailed), stored
    assert (stored.version, len(stored.good_runs or ())) == ("4", 1)
    assert stored.document == registered()
    new = NewVersion(document=mended(), replaces=stored.version)
    for _ in range(2):  # as after a crash
        assert await store.replace(OF, new, here.allowed, key="k", within=WITHIN) == Replaced(version="5")
    assert (platform.version, len(platform.replaced)) == (5, 2)
    platform.config = registered() | {"goodRuns": []}
    again = await store.replace(OF, new, here.allowed, key="k", within=WITHIN)
    assert isinstance(again, Rejected)
    assert again.conflict


@pytest.mark.parametrize("lie", LIES)
async def test_no_lie_is_taken_for_a_definition(here: Ground, lie: str) -> None:
    here.world.on(PATH, LIES[lie])
    found = await store_of(here).read(OF, here.allowed, invariants=(), within=WITHIN)
    assert isinstance(found, LookFailed)


async def test_where_nobody_sees_what_became_of_the_order_it_is_given_again(here: Ground, platform: Platform) -> None:
    put = platform._registry  # noqa: SLF001 - its own world
    here.world.on(PATH, lambda n, seen: put(n, seen) if seen.method == "PUT" else LIES["an error"])
    new = NewVersion(document=mended(), replaces="4")
    found = await store_of(here).replace(OF, new, here.allowed, key="k", within=WITHIN)
    assert isinstance(found, Ambiguous)
    assert platform.version == 5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"definition": {"url": "http://elsewhere.example/registry/{workflow_name}?org={org_id}"}}, "one place"),
        ({"definition": {"url": "http://127.0.0.1:9/registry/{workflow_name}"}}, "nothing in it says `{org_id}`"),
        ({"replace_definition": {"url": "http://127.0.0.1:9/r/{run.id}", "body": {"c": "{definition}"}}}, "would undo"),
    ],
    ids=["another place", "no organisation", "not by compare-and-set"],
)
def test_a_declaration_that_could_do_harm_is_refused(changes: dict[str, Any], says: str) -> None:
    declared = Platform(World(port=9)).runner() | changes
    text = catalog(9, runner="p").replace("workflows:", f"runners:\n  p: {json.dumps(declared)}\nworkflows:")
    with pytest.raises(ConfigError, match=says):
        parse_catalog(text)


async def test_what_is_approved_is_put_in_force_in_the_platforms_registry(
    embedded_place: Site, catalog_file: Path, platform: Platform
) -> None:
    world = platform.world
    chat, runs = ChatWorld(world=world, talk=Model(gives_up_at="understand")), RunsEngine(world=world)
    declared = rewrite_catalog(chat, runs).replace(runs.runner(), json.dumps(platform.runner()))
    catalog_file.write_text(declared)  # noqa: ASYNC240 - a small file, before anything runs
    stage = Stage(
        place=embedded_place, chat=chat, runs=runs, org=UUID(bytes=(await embedded_place.organisation("1")).bytes)
    )
    await stage.learnt()
    await stage.fail()
    async with embedded_place.consumer() as running:
        await stage.approve()
        row = (await running.settled(1))[WORKFLOW]
        assert row["status"] == "resolved"
        assert same_steps(platform.config, mended())
        assert platform.config["goodRuns"] == registered()["goodRuns"]
        assert (await stage.watch())["version"] == "5"
        assert len(platform.started) == 1
        await stage.fail(2)
        await stage.watched("rolled_back")
    assert same_steps(platform.config, registered())
    assert await embedded_place.count("deep_agent_workflows") == 0
