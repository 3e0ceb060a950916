"""A real Temporal: runs that really failed or stall are healed through the whole service, or rightly left alone."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.catalog import TemporalRunner, parse_catalog
from consumer.heal.route_repair.suspicion import Cause, suspect
from consumer.runners.contract import Accepted, Phase, Rejected, RerunStep, RunRef, RunState, StepPhase, WaitsFor
from consumer.runners.temporal.history import WORKFLOW_TASK
from tests.support.healing import ORG
from tests.support.pipeline import Site, until
from tests.support.worlds.engine_site import REPAIR, engine_catalog_text, stalled_run, told
from tests.support.worlds.http_world import Reply, World, json_reply
from tests.support.worlds.recorded import Ground, ground
from tests.support.worlds.temporal_engine import Temporal

pytestmark = pytest.mark.engines


@pytest.fixture
def queue() -> str:
    """A task queue that no other test's workers have taken from: a server remembers them for minutes."""
    return f"q-{uuid.uuid4()}"


def described(temporal: Temporal, **more: object) -> dict[str, Any]:
    return {"kind": "temporal", "api": temporal.api, "timeout": "PT30S"} | more


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, temporal: Temporal, queue: str) -> Site:
    text = engine_catalog_text(temporal.http_port, described(temporal), "charge", {})
    moves = json.dumps(REPAIR | {"queues": {f"{queue}-gone": [f"{queue}-empty", queue]}})
    text = text.replace(json.dumps(REPAIR), moves)
    parse_catalog(text)
    catalog_file.write_text(text)
    return embedded_place


@pytest.fixture
async def here(temporal: Temporal, place: Site) -> AsyncIterator[Ground]:
    assert place
    runner = TemporalRunner.model_validate(described(temporal))
    async with ground(World(port=temporal.http_port), runner) as opened:
        yield opened


def run_ref(workflow: str, run: str, step: str) -> RunRef:
    return RunRef(org_id=str(ORG), workflow_name=workflow, run_id=run, step=step)


def phase_of(seen: RunState, step: str) -> StepPhase | None:
    found = seen.step(step)
    return None if found is None else found.phase


async def healed(place: Site, failure: dict[str, Any]) -> dict[str, Any]:
    """Have a failure healed; gives its last result."""
    await place.publish(failure)
    async with place.consumer() as running:
        await running.settled(1)
    return await told(place, failure["data"]["workflow_name"])


async def test_a_run_that_really_failed_goes_on_from_the_step_that_failed(
    place: Site, temporal: Temporal, world: World, here: Ground, queue: str
) -> None:
    org = await place.organisation("1")
    world.on("/reserve", json_reply({}))
    world.on("/charge", json_reply({}, 503), json_reply({}))
    async with temporal.worker(queue):
        run = await temporal.run("orders", world.url(""), queue=queue)
        assert await temporal.until_run(run, "FAILED", "COMPLETED") == "FAILED"
        seen = await here.seen(run_ref("orders", run, "charge"))
        assert (seen.phase, phase_of(seen, "charge")) == (Phase.FAILED, StepPhase.FAILED)
        result = await healed(place, stalled_run(org, "orders", run, "charge"))
        assert (result["result"], result["strategy"]) == ("success", "route-repair"), result
        assert result["details"]["stall"]["cause"] == "step_failed"
        assert await temporal.until_run(run, "FAILED", "COMPLETED") == "COMPLETED"
    assert (world.performed("/reserve"), len(world.calls("/charge"))) == (1, 2)
    # The same order again, as after a lost answer, and another hand's: neither charges twice.
    order = RerunStep(run=run_ref("orders", run, "charge"))
    again = await here.give(order)
    assert isinstance(again, Rejected), again
    assert again.conflict
    assert len(world.calls("/charge")) == 2


async def test_one_order_that_is_given_twice_resets_once(
    temporal: Temporal, world: World, here: Ground, queue: str
) -> None:
    world.on("/reserve", json_reply({}))
    world.on("/charge", json_reply({}, 503), json_reply({}))
    async with temporal.worker(queue):
        run = await temporal.run("orders", world.url(""), queue=queue)
        assert await temporal.until_run(run, "FAILED") == "FAILED"
        stands = run_ref("orders", run, "charge")
        order = RerunStep(run=replace(stands, fence=(await here.seen(stands)).fence))
        first, second = await here.give(order, "key-1"), await here.give(order, "key-1")
        assert isinstance(first, Accepted), first
        assert isinstance(second, Accepted), second
        assert first.run == second.run
        assert isinstance(await here.give(order, "key-2"), Rejected)
        assert await temporal.until_run(run, "COMPLETED") == "COMPLETED"
    assert (world.performed("/reserve"), len(world.calls("/charge"))) == (1, 2)
    seen = await here.seen(stands)
    assert seen.phase is Phase.SUCCEEDED, "a look at the failed run follows it"


async def test_the_run_of_a_killed_worker_goes_on_from_the_step_that_it_had(
    place: Site, temporal: Temporal, world: World, here: Ground, queue: str
) -> None:
    org = await place.organisation("1")
    world.on("/reserve", json_reply({}))
    world.on("/charge", Reply(never=True))
    async with temporal.worker(queue) as worker:
        run = await temporal.run("lasting", world.url(""), queue=queue)

        async def has_worker() -> bool:
            return bool(world.calls("/charge"))

        await until(has_worker)
        seen = await here.seen(run_ref("lasting", run, "charge"))
        assert (seen.phase, phase_of(seen, "charge")) == (Phase.RUNNING, StepPhase.RUNNING)
        await worker.stop(hard=True)
    world.on("/charge", json_reply({}))
    async with temporal.worker(queue):
        assert await temporal.until_run(run, "FAILED", "COMPLETED") == "FAILED"
        result = await healed(place, stalled_run(org, "lasting", run, "charge"))
        assert (result["result"], result["strategy"]) == ("success", "route-repair"), result
        assert result["details"]["stall"]["cause"] == "step_failed"
        assert await temporal.until_run(run, "FAILED", "COMPLETED") == "COMPLETED"
    assert (world.performed("/reserve"), len(world.calls("/charge"))) == (1, 2)


async def test_an_activity_in_a_queue_without_workers_is_moved_to_one_that_has_some(
    place: Site, temporal: Temporal, world: World, queue: str
) -> None:
    org = await place.organisation("1")
    world.on("/reserve", json_reply({}))
    world.on("/charge", json_reply({}))
    async with temporal.worker(queue):
        run = await temporal.run("unserved", world.url(""), f"{queue}-gone", queue=queue)
        await temporal.until_told(run, "pendingActivities", state="PENDING_ACTIVITY_STATE_SCHEDULED")
        result = await healed(place, stalled_run(org, "unserved", run, "charge"))
        assert (result["result"], result["strategy"]) == ("success", "route-repair"), result
        assert result["details"]["stall"]["cause"] == "no_consumer"
        assert await temporal.until_run(run, "COMPLETED", "FAILED") == "COMPLETED"
    assert (world.performed("/reserve"), world.performed("/charge")) == (1, 1)


async def test_an_activity_that_may_go_to_no_other_queue_is_named_and_left_to_a_person(
    place: Site, temporal: Temporal, world: World, queue: str
) -> None:
    org = await place.organisation("1")
    world.on("/reserve", json_reply({}))
    async with temporal.worker(queue):
        run = await temporal.run("unserved", world.url(""), f"{queue}-unknown", queue=queue)
        await temporal.until_told(run, "pendingActivities", state="PENDING_ACTIVITY_STATE_SCHEDULED")
        result = await healed(place, stalled_run(org, "unserved", run, "charge"))
    assert (result["strategy"], result["code"]) == ("route-repair", "needs_person"), result
    assert result["details"]["stall"]["cause"] == "no_consumer"
    (pending,) = (await temporal.describe(run))["pendingActivities"]
    assert (pending["state"], pending["attempt"]) == ("PENDING_ACTIVITY_STATE_SCHEDULED", 1)


async def test_a_run_whose_workers_are_all_gone_is_left_to_a_person(
    place: Site, temporal: Temporal, here: Ground, queue: str
) -> None:
    org = await place.organisation("1")
    run = await temporal.run("orders", "http://127.0.0.1:9", queue=queue)
    seen = await here.seen(run_ref("orders", run, WORKFLOW_TASK))
    assert seen.consumers == {f"{queue} (workflow tasks)": 0}
    result = await healed(place, stalled_run(org, "orders", run, WORKFLOW_TASK))
    assert (result["strategy"], result["code"]) == ("route-repair", "needs_person"), result
    assert result["details"]["stall"]["cause"] == "no_consumer"


async def test_a_wedged_workflow_task_is_named_left_alone_and_goes_on_with_the_build_that_it_began_with(
    place: Site, temporal: Temporal, world: World, here: Ground, queue: str
) -> None:
    org = await place.organisation("1")
    world.on("/reserve", json_reply({}))
    world.on("/charge", json_reply({}))
    async with temporal.worker(queue):
        run = await temporal.run("changed", world.url(""), queue=queue)

        async def waits_for_signal() -> bool:
            return (await here.seen(run_ref("changed", run, "reserve"))).waits_for is WaitsFor.SIGNAL

        await until(waits_for_signal)
    async with temporal.worker(queue, "2"):
        await temporal.signal(run, "confirm")

        async def is_wedged() -> bool:
            seen = await here.seen(run_ref("changed", run, WORKFLOW_TASK))
            step = seen.step(WORKFLOW_TASK)
            return step is not None and step.phase is StepPhase.FAILED

        await until(is_wedged)
        seen = await here.seen(run_ref("changed", run, WORKFLOW_TASK))
        assert seen.phase is Phase.RUNNING, "the engine's own word"
        assert seen.at is not None
        assert suspect(seen, here.allowed.route_repair, seen.at).cause is Cause.STEP_FAILED
        result = await healed(place, stalled_run(org, "changed", run, WORKFLOW_TASK))
        assert (result["strategy"], result["code"]) == ("route-repair", "needs_person"), result
        assert result["details"]["stall"]["cause"] == "step_failed"
        assert "ondeterminis" in json.dumps(result["details"]), result
        assert (await temporal.newest(run))["execution"]["runId"] == run.rpartition("/")[2]
    async with temporal.worker(queue):
        assert await temporal.until_run(run, "COMPLETED", "FAILED") == "COMPLETED"
    assert (world.performed("/reserve"), world.performed("/charge"), world.performed("/pay")) == (1, 1, 0)


@pytest.mark.parametrize(
    ("workflow", "waits"),
    [
        ("timer", WaitsFor.TIMER),
        ("signal", WaitsFor.SIGNAL),
        ("parent", WaitsFor.SIGNAL),
        ("retrying", WaitsFor.TIMER),
    ],
)
async def test_what_waits_is_left_alone(
    place: Site, temporal: Temporal, world: World, here: Ground, queue: str, workflow: str, waits: WaitsFor
) -> None:
    org = await place.organisation("1")
    world.on("/pay", json_reply({}, 503))
    async with temporal.worker(queue):
        run = await temporal.run(workflow, world.url(""), queue=queue)

        async def is_waiting() -> bool:
            seen = await here.seen(run_ref(workflow, run, "pay"))
            return (seen.phase, seen.waits_for) == (Phase.WAITING, waits)

        await until(is_waiting)
        before = await temporal.describe(run)
        result = await healed(place, stalled_run(org, workflow, run, "pay"))
        assert (result["strategy"], result["code"]) == ("route-repair", "refused"), result
        assert "waits" in result["details"]["reason"]
        after = await temporal.describe(run)
    assert after["workflowExecutionInfo"]["historyLength"] == before["workflowExecutionInfo"]["historyLength"]
    assert after.get("pendingActivities") == before.get("pendingActivities")


def declare_watch(catalog_file: Path, temporal: Temporal, org: uuid.UUID) -> None:
    watch = {"every": "PT1S", "workflows": [{"name": "orders", "organisation": str(org)}]}
    text = engine_catalog_text(temporal.http_port, described(temporal, watch=watch), "charge", {})
    parse_catalog(text)
    catalog_file.write_text(text)


async def test_a_run_that_nobody_reports_is_found_and_healed(
    place: Site, temporal: Temporal, world: World, catalog_file: Path, queue: str
) -> None:
    org = await place.organisation("1")
    declare_watch(catalog_file, temporal, org)
    world.on("/reserve", json_reply({}))
    world.on("/charge", json_reply({}, 503), json_reply({}))
    async with temporal.worker(queue):
        run = await temporal.run("orders", world.url(""), queue=queue)
        assert await temporal.until_run(run, "FAILED", "COMPLETED") == "FAILED"
        async with place.consumer() as running:

            async def is_told() -> bool:
                row = await place.db.fetchrow(
                    "SELECT status FROM workflow_failures WHERE context #>> '{run,id}' = $1", run
                )
                return row is not None and row["status"] == "resolved"

            await until(is_told)
            assert running.metric("shw_watched_runs_total", found="told") >= 1
        assert await temporal.until_run(run, "FAILED", "COMPLETED") == "COMPLETED"
    assert (world.performed("/reserve"), len(world.calls("/charge"))) == (1, 2)
    same = "SELECT count(*) FROM workflow_failures WHERE context #>> '{run,id}' LIKE $1"
    assert await place.db.fetchval(same, f"{run.rpartition('/')[0]}%") == 1
