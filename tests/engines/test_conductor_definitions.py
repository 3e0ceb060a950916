"""A real Conductor as a definition store: a version that is not in force runs once, takes force, and is taken back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest

from consumer.catalog import ConductorRunner
from consumer.runners.conductor.definitions import ConductorDefinitions
from consumer.runners.conductor.engine import ConductorEngine
from consumer.runners.contract import Accepted, LookFailed, Phase, Rejected, RunRef
from consumer.runners.definitions import NewVersion, Replaced, StoredDefinition, WorkflowRef
from consumer.workflows.patch import apply_patch, parse_patch
from tests.support.healing import ORG
from tests.support.pipeline import until
from tests.support.worlds.conductor_engine import Conductor, simple
from tests.support.worlds.http_world import World
from tests.support.worlds.recorded import Ground, ground

pytestmark = pytest.mark.engines

NAME: Final = "rewritten"
OF: Final = WorkflowRef(org_id=str(ORG), workflow_name=NAME)
CALL: Final = timedelta(seconds=30)
MENDED: Final = [{"op": "replace", "path": "/steps/1/parameters/amount", "value": "${workflow.input.amount}"}]


@pytest.fixture
async def here(conductor: Conductor) -> AsyncIterator[Ground]:
    runner = ConductorRunner.model_validate({"kind": "conductor", "api": conductor.api, "timeout": "PT30S"})
    async with ground(World(port=conductor.port), runner) as opened:
        yield opened


async def in_force(store: ConductorDefinitions, here: Ground) -> StoredDefinition:
    found = await store.read(OF, here.allowed, invariants=(), within=CALL)
    assert not isinstance(found, LookFailed), found
    return found


async def phase(store: ConductorDefinitions, here: Ground, run: RunRef, wanted: Phase) -> None:
    async def look() -> bool:
        seen = await store.look(run, here.allowed, within=CALL)
        return not isinstance(seen, LookFailed) and seen.phase is wanted

    await until(look)


async def started(store: ConductorDefinitions, here: Ground, new: NewVersion, key: str) -> RunRef:
    given = await store.start(OF, new, {"amount": 7}, here.allowed, key=key, within=CALL)
    assert isinstance(given, Accepted), given
    return given.run


async def test_a_version_runs_once_before_it_takes_force_and_what_stood_there_comes_back(
    conductor: Conductor, here: Ground
) -> None:
    wrong = [simple("reserve"), simple("charge", amount="${workflow.input.total}")]
    await conductor.put_definition(NAME, 1, wrong)
    assert isinstance(here.runner, ConductorEngine)
    store = ConductorDefinitions(here.runner)
    assert store.refusal(OF, here.allowed) is None
    before = await in_force(store, here)
    assert before.version == "1"
    document = store.document_of(apply_patch(before.definition, parse_patch([*MENDED])), before)
    assert isinstance(document, dict), document
    new = NewVersion(document=document, replaces="1")

    run = await started(store, here, new, "canary-1")
    assert (await started(store, here, new, "canary-1")).run_id == run.run_id, "a second run under one key"
    assert (await in_force(store, here)).version == "1", "it runs, and is not in force"
    await conductor.work("reserve")
    assert await conductor.work("charge") == {"amount": 7}
    await phase(store, here, run, Phase.SUCCEEDED)
    other = await started(store, here, new, "canary-2")
    assert isinstance(await store.end(other, here.allowed, key="end", within=CALL), Accepted)
    await phase(store, here, other, Phase.CANCELLED)

    for _ in range(2):  # as after a crash
        assert await store.replace(OF, new, here.allowed, key="k", within=CALL) == Replaced(version="2")
    after = await in_force(store, here)
    assert after.definition.digest != before.definition.digest
    late = await store.replace(
        OF, NewVersion(document=before.document, replaces="1"), here.allowed, key="late", within=CALL
    )
    assert isinstance(late, Rejected), late
    assert late.conflict
    back = NewVersion(document=before.document, replaces="2")
    assert await store.replace(OF, back, here.allowed, key="back", within=CALL) == Replaced(version="3")
    assert (await in_force(store, here)).definition.digest == before.definition.digest
