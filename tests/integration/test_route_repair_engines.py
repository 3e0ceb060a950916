"""route-repair through the whole service, on runs of Airflow and Conductor that were recorded: named, or left alone."""

import json
from pathlib import Path
from typing import Any

from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support.pipeline import Site, catalog, event
from tests.support.worlds.http_world import World, json_reply
from tests.support.worlds.recorded import DATE, recorded

LIMITS = {"apart": "PT0.2S", "queued": "PT3S", "silent": "PT4S", "cancelling": "PT3S"}


def declare(file: Path, world: World, runner: str) -> None:
    text = catalog(world.port, runner=runner, route_repair=json.dumps(LIMITS))
    kinds = {kind: {"kind": kind, "api": world.url("")} for kind in ("airflow", "conductor")}
    file.write_text(text + f"runners: {json.dumps(kinds)}\n")


async def told_of(place: Site, workflow: str, run: str) -> tuple[str, dict[str, Any]]:
    """Report a stall, and give its failure's status and the details of its last result."""
    org = await place.organisation("1")
    said = {"failure_reason": "The run is stuck: no progress", "context": {"run": {"id": run}}}
    await place.publish(event(org, workflow, workflow_name=workflow, **said))
    async with place.consumer() as running:
        rows = await running.settled(1)
    results = [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]
    return rows[workflow]["status"], results[-1]["details"]


def orders(world: World) -> list[str]:
    return [seen.path for seen in world.seen if seen.method != "GET"]


async def test_a_join_of_conductor_does_not_hide_a_branch_that_nobody_takes(
    embedded_place: Site, world: World, catalog_file: Path
) -> None:
    declare(catalog_file, world, "conductor")
    run = recorded("conductor", "unserved")
    join: dict[str, Any] = {"taskId": "j", "referenceTaskName": "join", "taskType": "JOIN", "taskDefName": "JOIN"}
    join |= {"status": "IN_PROGRESS", "inputData": {"joinOn": ["ship"]}}
    run["tasks"].append(run["tasks"][0] | join | {"startTime": run["tasks"][0]["scheduledTime"]})
    poller = {"queueName": "charge", "workerId": "w-1", "lastPollTime": 253_402_300_000_000}
    world.on(f"/workflow/{run['workflowId']}", json_reply(run, headers=(DATE,)))
    world.on("/tasks/queue/polldata/all", json_reply([poller]))
    status, details = await told_of(embedded_place, "joined", run["workflowId"])
    assert (status, details["stall"]["cause"]) == ("needs_person", "no_consumer"), details
    assert details["stall"]["step"] == "ship"
    assert orders(world) == []


async def test_a_run_of_a_paused_dag_is_left_alone(embedded_place: Site, world: World, catalog_file: Path) -> None:
    declare(catalog_file, world, "airflow")
    found = recorded("airflow", "unserved")
    run, tasks = found["run"], found["tasks"]
    for task in tasks["task_instances"]:
        task["pool"] = "default_pool"
    dag = f"/dags/{run['dag_id']}"
    world.on(dag, json_reply({"dag_id": run["dag_id"], "is_paused": True}))
    world.on(f"{dag}/dagRuns/{run['dag_run_id']}", json_reply(run, headers=(DATE,)))
    world.on(f"{dag}/dagRuns/{run['dag_run_id']}/taskInstances", json_reply(tasks))
    world.on("/pools", json_reply({"pools": [{"name": "default_pool", "slots": 128, "open_slots": 128}]}))
    status, details = await told_of(embedded_place, run["dag_id"], run["dag_run_id"])
    assert (status, details["stall"]["cause"]) == ("given_up", "waiting"), details
    assert orders(world) == []
