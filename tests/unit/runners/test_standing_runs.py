"""Why a run stands still, by what Conductor and Airflow say of it: containers, paused DAGs, whose task it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.catalog import RouteRepairLimits
from consumer.heal.route_repair.suspicion import Cause, suspect
from consumer.runners.airflow import answers as airflow
from consumer.runners.conductor import answers as conductor
from consumer.runners.contract import LookFailed, Phase, RunRef, RunState, StepPhase, WaitsFor

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
LIMITS = RouteRepairLimits()


def task(kind: str, status: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - a task's members
    millis = int(LONG_AGO.timestamp() * 1000)
    named = {"taskId": kind, "referenceTaskName": kind.lower(), "taskType": kind, "taskDefName": kind}
    times = {"scheduledTime": millis, "startTime": millis if status != "SCHEDULED" else 0}
    return named | times | {"status": status, "workflowInstanceId": "r1"} | more


def look(*tasks: dict[str, Any], status: str = "RUNNING", consumers: dict[str, int] | None = None) -> RunState:
    run = conductor.WORKFLOW.validate_python({"workflowId": "r1", "status": status, "tasks": tasks})
    at = dict.fromkeys(conductor.queues_of(run), 0) | (consumers or {})
    seen = conductor.run_state(run, None, at, NOW)
    assert not isinstance(seen, LookFailed), seen
    return seen


JOIN = task("JOIN", "IN_PROGRESS", inputData={"joinOn": ["ship", "later"]})
LOOP = task("DO_WHILE", "IN_PROGRESS")
CHOICE = task("EXCLUSIVE_JOIN", "IN_PROGRESS", inputData={"joinOn": ["ship"]})
UNSERVED = task("ship", "SCHEDULED")


@pytest.mark.parametrize("holder", [JOIN, LOOP, CHOICE], ids=["a join", "a loop", "a join of one"])
def test_of_conductor_what_waits_for_other_tasks_does_not_hide_that_none_takes_them(holder: dict[str, Any]) -> None:
    found = suspect(look(holder, UNSERVED, consumers={"other": 1}), LIMITS, NOW)
    assert (found.cause, found.step) == (Cause.NO_CONSUMER, "ship")


@pytest.mark.parametrize("holder", [JOIN, LOOP, CHOICE], ids=["a join", "a loop", "a join of one"])
@pytest.mark.parametrize(
    ("tasks", "status", "cause"),
    [
        pytest.param((task("ship", "COMPLETED"),), "RUNNING", None, id="the server is next"),
        pytest.param((task("ship", "IN_PROGRESS"),), "RUNNING", None, id="a worker works"),
        pytest.param((task("HUMAN", "IN_PROGRESS"),), "RUNNING", Cause.WAITING, id="a person is awaited"),
        pytest.param((task("ship", "FAILED"),), "FAILED", Cause.STEP_FAILED, id="the run has failed"),
    ],
)
def test_of_conductor_what_waits_for_other_tasks_stands_and_falls_with_them(
    holder: dict[str, Any], tasks: tuple[dict[str, Any], ...], status: str, cause: Cause | None
) -> None:
    seen = look(holder, *tasks, status=status)
    assert suspect(seen, LIMITS, NOW).cause is cause
    assert (seen.phase is Phase.WAITING) is (cause is Cause.WAITING)


@pytest.mark.parametrize("kind", ["HTTP", "JOIN", "SUB_WORKFLOW", "INLINE"])
def test_of_conductor_the_servers_own_task_has_no_workers_whatever_its_name_is(kind: str) -> None:
    seen = look(task(kind, "SCHEDULED", responseTimeoutSeconds=60))
    assert (seen.steps[0].queue, seen.consumers) == (None, {})
    assert suspect(seen, LIMITS, NOW).cause is not Cause.NO_CONSUMER
    silent = look(task(kind, "IN_PROGRESS", responseTimeoutSeconds=60))
    assert suspect(silent, LIMITS, NOW).cause is None


@pytest.mark.parametrize(
    ("limit", "consumers", "cause"),
    [
        pytest.param({"taskDefinition": {"concurrentExecLimit": 2}}, 1, None, id="so many at once"),
        pytest.param({"rateLimitPerFrequency": 10}, 1, None, id="so many in a time"),
        pytest.param({"rateLimitPerFrequency": 10}, 0, Cause.NO_CONSUMER, id="limited, and nobody takes it"),
        pytest.param({"taskDefinition": {"concurrentExecLimit": 0}}, 1, Cause.NOT_PICKED_UP, id="no limit"),
        pytest.param({}, 1, Cause.NOT_PICKED_UP, id="nothing said"),
    ],
)
def test_of_conductor_a_task_of_a_limited_kind_waits_for_its_turn(
    limit: dict[str, Any], consumers: int, cause: Cause | None
) -> None:
    seen = look(task("ship", "SCHEDULED") | limit, consumers={"ship": consumers, "other": 1})
    assert suspect(seen, LIMITS, NOW).cause is cause


def dag_run(state: str, *states: str | None, paused: bool) -> RunState:
    run = airflow.DagRun(dag_id="d", dag_run_id="r1", state=state, queued_at=LONG_AGO, start_date=LONG_AGO)
    tasks = [
        airflow.TaskInstance(
            id=f"t{n}",
            dag_id="d",
            dag_run_id="r1",
            task_id=f"t{n}",
            map_index=-1,
            state=each,
            try_number=0,
            start_date=None,
            end_date=None,
            scheduled_when=LONG_AGO,
            pool="default_pool",
        )
        for n, each in enumerate(states)
    ]
    pools = [airflow.AirflowPool(name="default_pool", slots=4, open_slots=3)]
    ref = RunRef(org_id="o", workflow_name="d", run_id="r1", step="t0")
    seen = airflow.run_state(ref, run, tasks, pools, NOW, paused=paused)
    assert not isinstance(seen, LookFailed), seen
    return seen


@pytest.mark.parametrize(
    ("state", "states", "otherwise"),
    [
        pytest.param("running", ("scheduled",), None, id="scheduled"),
        pytest.param("running", ("queued", "success"), Cause.NOT_PICKED_UP, id="queued"),
        pytest.param("running", (None, "success"), Cause.NEVER_STARTED, id="a task not looked at"),
        pytest.param("queued", (None,), None, id="the run not begun"),
    ],
)
def test_a_run_of_a_paused_dag_of_airflow_waits_for_a_person(
    state: str, states: tuple[str | None, ...], otherwise: Cause | None
) -> None:
    seen = dag_run(state, *states, paused=True)
    assert (seen.phase, seen.waits_for) == (Phase.WAITING, WaitsFor.PERSON)
    assert suspect(seen, LIMITS, NOW).cause is Cause.WAITING
    assert suspect(dag_run(state, *states, paused=False), LIMITS, NOW).cause is otherwise


@pytest.mark.parametrize(("hostname", "begun"), [("", False), ("worker-1", True), (None, True)])
def test_of_airflow_a_task_set_failed_before_any_worker_had_it_never_began(
    hostname: str | None, *, begun: bool
) -> None:
    of_it = {"id": "t0", "dag_id": "d", "dag_run_id": "r1", "task_id": "t0", "map_index": -1, "state": "failed"}
    times = {"try_number": 1, "start_date": LONG_AGO, "end_date": LONG_AGO, "pool": "default_pool"}
    failed = airflow.TaskInstance.model_validate(of_it | times | {"hostname": hostname})
    run = airflow.DagRun(dag_id="d", dag_run_id="r1", state="failed")
    seen = airflow.run_state(RunRef(org_id="o", workflow_name="d", run_id="r1"), run, [failed], [], NOW)
    assert isinstance(seen, RunState)
    assert seen.steps[0].has_begun is begun


@pytest.mark.parametrize(
    ("state", "phase"), [("running", Phase.RUNNING), ("success", Phase.SUCCEEDED), ("failed", Phase.FAILED)]
)
def test_a_pause_of_its_dag_changes_nothing_of_what_runs_or_is_over(state: str, phase: Phase) -> None:
    seen = dag_run(state, "running" if state == "running" else state, "scheduled", paused=True)
    assert (seen.phase, seen.steps[1].phase) == (phase, StepPhase.QUEUED)
