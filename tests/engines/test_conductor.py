"""A real Conductor: runs that really failed or stall are healed through the whole service, or rightly left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.catalog import ConductorRunner, parse_catalog
from consumer.runners.contract import (
    Accepted,
    Phase,
    Rejected,
    ReplaceDefinition,
    RerunStep,
    RunRef,
    StepPhase,
    WaitsFor,
)
from tests.support.healing import ORG
from tests.support.pipeline import Site, until
from tests.support.worlds.conductor_engine import Conductor
from tests.support.worlds.engine_site import engine_catalog_text, refused, stalled_run, told
from tests.support.worlds.http_world import World
from tests.support.worlds.recorded import Ground, ground

pytestmark = pytest.mark.engines


def described(conductor: Conductor) -> dict[str, Any]:
    return {"kind": "conductor", "api": conductor.api, "timeout": "PT30S"}


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, conductor: Conductor) -> Site:
    text = engine_catalog_text(conductor.port, described(conductor), "charge", {})
    parse_catalog(text)
    catalog_file.write_text(text)
    return embedded_place


@pytest.fixture
async def here(conductor: Conductor) -> AsyncIterator[Ground]:
    runner = ConductorRunner.model_validate(described(conductor))
    async with ground(World(port=conductor.port), runner) as opened:
        yield opened


def run_ref(name: str, run_id: str, step: str) -> RunRef:
    return RunRef(org_id=str(ORG), workflow_name=name, run_id=run_id, step=step)


async def healed(place: Site, failure: dict[str, Any]) -> dict[str, Any]:
    """Have a failure healed; gives its last result."""
    await place.publish(failure)
    async with place.consumer() as running:
        await running.settled(1)
    return await told(place, failure["data"]["workflow_name"])


@asynccontextmanager
async def working(conductor: Conductor, kind: str) -> AsyncIterator[list[Any]]:
    """Have a worker take the tasks of a kind, and complete them; gives their inputs."""
    inputs: list[Any] = []

    async def work() -> None:
        while True:
            inputs.append(await conductor.work(kind))

    worker = asyncio.create_task(work())
    try:
        yield inputs
    finally:
        worker.cancel()
        await asyncio.wait([worker])


async def failed_charge(conductor: Conductor, amount: object) -> str:
    run_id = await conductor.run("orders", amount=amount)
    await conductor.work("reserve")
    await conductor.work("charge", fails=f"{amount!r} is not of type 'integer'")
    await conductor.until_run(run_id, "FAILED")
    return run_id


async def test_a_run_that_really_failed_is_healed_with_another_input(place: Site, conductor: Conductor) -> None:
    org = await place.organisation("1")
    run_id = await failed_charge(conductor, "42")
    async with working(conductor, "charge") as inputs:
        result = await healed(place, refused(org, "orders", run_id, "charge", {"amount": "42"}))
        assert (result["result"], result["strategy"]) == ("success", "schema-autofix"), result
        await conductor.until_run(run_id, "COMPLETED")
    assert inputs == [{"amount": 42}]
    assert len(conductor.done[f"{run_id}:reserve"]) == 1


async def test_the_run_of_a_killed_worker_goes_on_from_the_step_that_it_had(
    place: Site, conductor: Conductor, here: Ground
) -> None:
    org = await place.organisation("1")
    run_id = await conductor.run("lasting")
    assert (await conductor.take("slow"))["workflowInstanceId"] == run_id
    seen = await here.seen(run_ref("lasting", run_id, "slow"))
    assert (seen.phase, seen.steps[0].phase) == (Phase.RUNNING, StepPhase.RUNNING)
    # The worker is never heard of again.
    await conductor.until_run(run_id, "TIMED_OUT", "FAILED")
    seen = await here.seen(run_ref("lasting", run_id, "slow"))
    assert (seen.phase, seen.steps[0].phase) == (Phase.FAILED, StepPhase.FAILED)
    async with working(conductor, "slow") as inputs:
        result = await healed(place, stalled_run(org, "lasting", run_id, "slow"))
        assert (result["result"], result["strategy"]) == ("success", "route-repair"), result
        assert result["details"]["stall"]["cause"] == "step_failed"
        await conductor.until_run(run_id, "COMPLETED")
    assert len(inputs) == 1


async def test_a_task_that_nobody_asks_for_is_named_and_left_to_a_person(
    place: Site, conductor: Conductor, here: Ground
) -> None:
    org = await place.organisation("1")
    run_id = await conductor.run("unserved")
    # A worker of another kind is there: it is this queue that has none.
    await conductor.ask("GET", "/tasks/poll/reserve?workerid=w-2")

    async def is_queued() -> bool:
        seen = await here.seen(run_ref("unserved", run_id, "ship"))
        return seen.consumers.get("ship") == 0 and seen.consumers.get("reserve", 0) > 0

    await until(is_queued)
    result = await healed(place, stalled_run(org, "unserved", run_id, "ship"))
    assert (result["strategy"], result["code"]) == ("route-repair", "needs_person"), result
    assert result["details"]["stall"]["cause"] == "no_consumer"
    assert (await conductor.state(run_id))["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("name", "task", "waits"),
    [
        ("timer", "later", WaitsFor.TIMER),
        ("signal", "sign", WaitsFor.SIGNAL),
        ("human", "approve", WaitsFor.PERSON),
    ],
)
async def test_what_waits_is_left_alone(
    place: Site, conductor: Conductor, here: Ground, name: str, task: str, waits: WaitsFor
) -> None:
    org = await place.organisation("1")
    run_id = await conductor.run(name)

    async def is_waiting() -> bool:
        return (await here.seen(run_ref(name, run_id, task))).waits_for is waits

    await until(is_waiting)
    before = await conductor.state(run_id)
    result = await healed(place, stalled_run(org, name, run_id, task))
    assert (result["strategy"], result["code"]) == ("route-repair", "refused"), result
    assert "waits" in result["details"]["reason"]
    after = await conductor.state(run_id)
    assert [one["status"] for one in after["tasks"]] == [one["status"] for one in before["tasks"]] == ["IN_PROGRESS"]


async def test_a_run_that_somebody_reran_meanwhile_is_not_touched(conductor: Conductor, here: Ground) -> None:
    run_id = await failed_charge(conductor, "43")
    run = run_ref("orders", run_id, "charge")
    fenced = replace(run, fence=(await here.seen(run)).fence)
    # Somebody else's order comes between the look and ours.
    assert isinstance(await here.give(RerunStep(run=run), "another-hand"), Accepted)
    await refused_as_moved(here, fenced)
    await conductor.work("charge", fails="not again")
    await conductor.until_run(run_id, "FAILED")
    await refused_as_moved(here, fenced)
    assert isinstance(await here.give(RerunStep(run=run)), Accepted)
    await conductor.work("charge")
    await conductor.until_run(run_id, "COMPLETED")
    # Conductor itself would run a completed run again.
    await refused_as_moved(here, run)
    assert (await conductor.state(run_id))["status"] == "COMPLETED"


async def refused_as_moved(here: Ground, fenced: RunRef) -> None:
    given = await here.give(RerunStep(run=fenced))
    assert isinstance(given, Rejected), given
    assert given.conflict


async def test_a_definition_becomes_the_next_version_once(conductor: Conductor, here: Ground) -> None:
    run = run_ref("versions", "none", "reserve")
    await conductor.put_definition(
        "versions", 1, [{"name": "reserve", "taskReferenceName": "reserve", "type": "SIMPLE"}]
    )
    found = await conductor.ask("GET", "/metadata/workflow/versions")
    order = ReplaceDefinition(run=run, definition=found | {"description": "mended"}, replaces="1")
    assert isinstance(await here.give(order), Accepted)
    made = await conductor.ask("GET", "/metadata/workflow/versions")
    assert (made["version"], made["description"]) == (2, "mended")
    assert isinstance(await here.give(replace(order, replaces="1", definition=found)), Rejected)
