"""A real Airflow: runs that really failed or stall are healed through the whole service, or rightly left alone."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.catalog import AirflowRunner, Secret, parse_catalog
from consumer.runners.contract import Accepted, Phase, Rejected, RerunStep, RunRef, StepPhase, WaitsFor
from tests.support.healing import ORG
from tests.support.pipeline import Site, until
from tests.support.worlds.airflow_engine import PASSWORD, USER, Airflow
from tests.support.worlds.engine_site import engine_catalog_text, refused, stalled_run, told
from tests.support.worlds.http_world import Reply, World, json_reply
from tests.support.worlds.recorded import Ground, ground

pytestmark = pytest.mark.engines

SECRETS: dict[str, Any] = {
    "AIRFLOW": {
        "env": "TEST_AIRFLOW_PASSWORD",
        "hosts": ["127.0.0.1"],
        "methods": ["POST"],
        "paths": ["/auth/token"],
        "body": True,
    }
}


def described(airflow: Airflow) -> dict[str, Any]:
    return {
        "kind": "airflow",
        "api": f"{airflow.base}/api/v2",
        "token": {
            "by": "login",
            "url": f"{airflow.base}/auth/token",
            "body": {"username": USER, "password": "secret://AIRFLOW"},
        },
        "inputs": {"orders.load": {"task": "extract"}},
        "timeout": "PT30S",
    }


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("TEST_AIRFLOW_PASSWORD", PASSWORD)
    text = engine_catalog_text(airflow.port, described(airflow), "load", SECRETS)
    parse_catalog(text)
    catalog_file.write_text(text)
    return embedded_place


def run_ref(dag: str, run_id: str, step: str) -> RunRef:
    return RunRef(org_id=str(ORG), workflow_name=dag, run_id=run_id, step=step)


def at(airflow: Airflow) -> Any:  # noqa: ANN401 - a context manager
    world = World(port=airflow.port)
    secrets = {name: Secret.model_validate(secret) for name, secret in SECRETS.items()}
    return ground(world, AirflowRunner.model_validate(described(airflow)), secrets)


async def healed(place: Site, failure: dict[str, Any]) -> dict[str, Any]:
    """Have a failure healed; gives its last result."""
    await place.publish(failure)
    async with place.consumer() as running:
        await running.settled(1)
    return await told(place, failure["data"]["workflow_name"])


async def test_a_run_that_really_failed_is_healed_with_another_input(
    place: Site, airflow: Airflow, world: World
) -> None:
    org = await place.organisation("1")
    world.on("/extract", json_reply({}))
    world.on("/load", json_reply({}))
    run_id = await airflow.run("orders", world=world.url(""), order={"amount": "42"})
    assert await airflow.until_run("orders", run_id, "failed", "success") == "failed"
    result = await healed(place, refused(org, "orders", run_id, "load", {"amount": "42"}))
    assert (result["result"], result["strategy"]) == ("success", "schema-autofix"), result
    assert await airflow.until_run("orders", run_id, "failed", "success") == "success"
    assert (world.performed("/extract"), world.performed("/load")) == (1, 1)
    assert world.calls("/load")[0].json == {"amount": 42}


async def test_the_run_of_a_killed_worker_goes_on_from_the_step_that_it_had(
    place: Site, airflow: Airflow, world: World
) -> None:
    org = await place.organisation("1")
    world.on("/reserve", json_reply({}))
    world.on("/charge", Reply(never=True))
    run_id = await airflow.run("lasting", world=world.url(""))

    async def has_worker() -> Any:  # noqa: ANN401 - JSON is anything
        task = await airflow.task("lasting", run_id, "charge")
        return task if task["state"] == "running" and task["pid"] and world.calls("/charge") else None

    pid = (await until(has_worker))["pid"]
    async with at(airflow) as opened:
        seen = await opened.seen(run_ref("lasting", run_id, "charge"))
        assert (seen.phase, seen.step("charge").phase) == (Phase.RUNNING, StepPhase.RUNNING)
        kill_with_its_parent(pid)
        assert await airflow.until_run("lasting", run_id, "failed", "success") == "failed"
        seen = await opened.seen(run_ref("lasting", run_id, "charge"))
        assert (seen.phase, seen.step("charge").phase) == (Phase.FAILED, StepPhase.FAILED)
    world.on("/charge", json_reply({}))
    result = await healed(place, stalled_run(org, "lasting", run_id, "charge"))
    assert (result["result"], result["strategy"]) == ("success", "route-repair"), result
    assert result["details"]["stall"]["cause"] == "step_failed"
    assert await airflow.until_run("lasting", run_id, "failed", "success") == "success"
    assert (world.performed("/reserve"), len(world.calls("/charge"))) == (1, 2)


def kill_with_its_parent(pid: int) -> None:
    """Kill a worker and its supervisor, as the end of their machine does."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert b"airflow" in Path(f"/proc/{parent}/cmdline").read_bytes()
    os.kill(parent, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


async def test_a_task_in_a_pool_without_slots_is_named_and_left_to_a_person(
    place: Site, airflow: Airflow, world: World
) -> None:
    org = await place.organisation("1")
    run_id = await airflow.run("unserved", world=world.url(""))
    await airflow.until_task("unserved", run_id, "ship", "scheduled", "queued")
    async with at(airflow) as opened:
        seen = await opened.seen(run_ref("unserved", run_id, "ship"))
    assert (seen.phase, seen.consumers["closed"]) == (Phase.RUNNING, 0)
    result = await healed(place, stalled_run(org, "unserved", run_id, "ship"))
    assert (result["strategy"], result["code"]) == ("route-repair", "needs_person"), result
    assert result["details"]["stall"]["cause"] == "no_consumer"
    assert (await airflow.task("unserved", run_id, "ship"))["state"] in ("scheduled", "queued")


@pytest.mark.parametrize(
    ("dag", "task", "state", "waits"),
    [
        ("deferred", "wait", "deferred", WaitsFor.SIGNAL),
        ("asking", "approve", "awaiting_input", WaitsFor.PERSON),
        ("polling", "condition", "up_for_reschedule", WaitsFor.SIGNAL),
        ("retrying", "tried", "up_for_retry", WaitsFor.TIMER),
    ],
)
async def test_what_waits_is_left_alone(
    place: Site, airflow: Airflow, world: World, dag: str, task: str, state: str, waits: WaitsFor
) -> None:
    org = await place.organisation("1")
    run_id = await airflow.run(dag, world=world.url(""))
    before = await airflow.until_task(dag, run_id, task, state)
    async with at(airflow) as opened:
        seen = await opened.seen(run_ref(dag, run_id, task))
    assert (seen.phase, seen.waits_for) == (Phase.WAITING, waits)
    result = await healed(place, stalled_run(org, dag, run_id, task))
    assert (result["strategy"], result["code"]) == ("route-repair", "refused"), result
    assert "waits" in result["details"]["reason"]
    after = await airflow.task(dag, run_id, task)
    assert (after["id"], after["state"]) == (before["id"], state)


async def test_a_run_that_somebody_cleared_meanwhile_is_not_cleared_again(
    airflow: Airflow, world: World, place: Site
) -> None:
    assert place
    world.on("/extract", json_reply({}))
    world.on("/load", json_reply({}))
    run_id = await airflow.run("orders", world=world.url(""), order={"amount": "42"})
    assert await airflow.until_run("orders", run_id, "failed", "success") == "failed"
    async with at(airflow) as opened:
        run = run_ref("orders", run_id, "load")
        before = await opened.seen(run)
        fenced = replace(run, fence=before.fence)
        # Somebody else's order comes between the look and ours; the task fails anew.
        assert isinstance(await opened.give(RerunStep(run=run), "another-hand"), Accepted)
        await refused_as_moved(opened, fenced)

        async def failed_anew() -> bool:
            seen = await opened.seen(run)
            return seen.phase is Phase.FAILED and seen.epoch == 2

        await until(failed_anew)
        await refused_as_moved(opened, fenced)
        assert (await airflow.task("orders", run_id, "load"))["try_number"] == 2
    assert world.performed("/load") == 0


async def refused_as_moved(opened: Ground, fenced: RunRef) -> None:
    given = await opened.give(RerunStep(run=fenced))
    assert isinstance(given, Rejected), given
    assert given.conflict
