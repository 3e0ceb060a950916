"""What an engine's answer says of life: only what a worker owes is missed, and a full pool is no missing worker."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.catalog import RouteRepairLimits
from consumer.heal.route_repair.suspicion import Cause, suspect
from consumer.runners.airflow import answers as airflow
from consumer.runners.conductor import answers as conductor
from consumer.runners.contract import RunRef, RunState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMITS = RouteRepairLimits()


def cause_of(seen: Any) -> Cause | None:  # noqa: ANN401 - a look
    assert isinstance(seen, RunState), seen
    return suspect(seen, LIMITS, NOW).cause


def task(kind: str, *, minutes: int, response_timeout: int = 0) -> dict[str, Any]:
    millis = int((NOW - timedelta(minutes=minutes)).timestamp() * 1000)
    return {
        "taskId": "t1",
        "referenceTaskName": "below",
        "taskType": kind,
        "taskDefName": "render" if kind == "SIMPLE" else kind.lower(),
        "status": "IN_PROGRESS",
        "workflowInstanceId": "r1",
        "startTime": millis,
        "updateTime": millis,
        "responseTimeoutSeconds": response_timeout,
    }


@pytest.mark.parametrize(
    ("of_it", "cause"),
    [
        pytest.param(task("SUB_WORKFLOW", minutes=600), None, id="a run below it"),
        pytest.param(task("DO_WHILE", minutes=600, response_timeout=60), None, id="a loop of the server's"),
        pytest.param(task("SIMPLE", minutes=600), None, id="a worker that owes no sign"),
        pytest.param(task("SIMPLE", minutes=50, response_timeout=3600), None, id="a worker within its hour"),
        pytest.param(
            task("SIMPLE", minutes=70, response_timeout=3600), Cause.HEARTBEAT_MISSING, id="a worker beyond its hour"
        ),
    ],
)
def test_of_conductor_only_a_worker_beyond_its_own_limit_is_silent(of_it: dict[str, Any], cause: Cause | None) -> None:
    run = conductor.WORKFLOW.validate_python({"workflowId": "r1", "status": "RUNNING", "tasks": [of_it]})
    assert cause_of(conductor.run_state(run, "below", {}, NOW)) is cause


@pytest.mark.parametrize(("open_slots", "cause"), [(0, None), (3, Cause.NOT_PICKED_UP)], ids=["full", "free"])
def test_in_a_full_pool_of_airflow_a_task_waits_for_its_turn(open_slots: int, cause: Cause | None) -> None:
    long_ago = NOW - timedelta(hours=1)
    run = airflow.DagRun(dag_id="d", dag_run_id="r1", state="running", start_date=long_ago)
    waiting = airflow.TaskInstance(
        id="t1",
        dag_id="d",
        dag_run_id="r1",
        task_id="load",
        map_index=-1,
        state="queued",
        try_number=0,
        start_date=None,
        end_date=None,
        scheduled_when=long_ago,
        pool="small",
    )
    pools = [airflow.AirflowPool(name="small", slots=4, open_slots=open_slots)]
    ref = RunRef(org_id="o", workflow_name="d", run_id="r1", step="load")
    assert cause_of(airflow.run_state(ref, run, [waiting], pools, NOW)) is cause
