"""What engines that are watched list of their runs, and tell of a failure, over answers in their documented forms."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from consumer.catalog import AirflowRunner, ConductorRunner, DescribedRunner, MaosRunner, PrefectRunner
from consumer.runners.contract import LookFailed, Payload
from consumer.runners.watching import FailureFound, ListedRun, NotFailed, RunFailure, RunPage, RunsOf, WatchedEngine
from tests.support.healing import ORG
from tests.support.worlds.http_world import Reply, Seen, World, http_world, json_reply
from tests.support.worlds.recorded import LIES, WITHIN, Ground, ground, recorded

SINCE = datetime(2026, 11, 30, 9, tzinfo=UTC)
OF = RunsOf(org_id=str(ORG), workflow_name="orders")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


class Watched:
    """An engine that is watched, beside the world that it is."""

    def __init__(self, here: Ground) -> None:
        assert isinstance(here.runner, WatchedEngine)
        self.engine, self.here = here.runner, here

    async def failed(self, page: str | None = None) -> RunPage | LookFailed:
        return await self.engine.failed_since(OF, SINCE, page, self.here.allowed, within=WITHIN)

    async def unfinished(self) -> RunPage | LookFailed:
        return await self.engine.unfinished(OF, SINCE, None, self.here.allowed, within=WITHIN)

    async def every_page(self) -> list[ListedRun]:
        runs: list[ListedRun] = []
        page: str | None = None
        while True:
            found = await self.failed(page)
            assert isinstance(found, RunPage), found
            runs += found.runs
            page = found.following
            if page is None:
                return runs

    async def failure(self, run_id: str) -> FailureFound:
        listed = ListedRun(run_id=run_id, at=SINCE)
        return await self.engine.failure_of(OF, listed, self.here.allowed, within=WITHIN)


def ask(seen: Seen) -> dict[str, list[str]]:
    return parse_qs(urlsplit(seen.path).query)


def described(kind: str, world: World) -> DescribedRunner:
    watch = {"workflows": [{"name": "orders", "organisation": str(ORG)}]}
    if kind == "airflow":
        more: dict[str, Any] = {"inputs": {"orders.load": {"task": "extract"}}}
        return AirflowRunner.model_validate({"kind": kind, "api": world.url(""), "watch": watch} | more)
    if kind == "conductor":
        return ConductorRunner.model_validate({"kind": kind, "api": world.url(""), "watch": watch})
    if kind == "prefect":
        return PrefectRunner.model_validate({"kind": kind, "api": world.url(""), "watch": watch})
    runs = {
        "url": world.url("/runs?workflow={workflow_name}&org={org_id}&status={status}&since={since}"),
        "at": "/runs",
    }
    look = {"url": world.url("/runs/{run.id}")}
    return MaosRunner.model_validate({"kind": "maos", "look": look, "watch": {**watch, "runs": runs}})


@pytest.fixture(params=["airflow", "conductor", "prefect", "maos"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


LISTS = {
    "airflow": "/dags/orders/dagRuns",
    "conductor": "/workflow/search",
    "prefect": "/flow_runs/filter",
    "maos": "/runs",
}


@pytest.mark.parametrize("lie", LIES)
async def test_no_list_is_read_from_what_is_no_answer(world: World, kind: str, lie: str) -> None:
    if (kind, lie) == ("prefect", "a list"):
        pytest.skip("an empty list is Prefect's answer")
    world.on(LISTS[kind], LIES[lie])
    async with ground(world, described(kind, world)) as here:
        found = await Watched(here).failed()
    assert isinstance(found, LookFailed)
    assert found.reason.startswith("the look: ")


async def test_a_refused_list_says_how_long_to_wait(world: World, kind: str) -> None:
    world.on(LISTS[kind], json_reply({}, 429, headers=(("Retry-After", "7"),)))
    async with ground(world, described(kind, world)) as here:
        found = await Watched(here).failed()
    assert isinstance(found, LookFailed)
    assert (found.dependency_unhealthy, found.after) == (True, timedelta(seconds=7))


# Airflow

RUN = recorded("airflow", "failed")["run"]
LOG = {
    "content": [
        {"event": "::group::Log message source details", "timestamp": None},
        {"timestamp": "2026-11-30T09:46:25Z", "event": "Task failed with exception", "level": "error", "logger": "task",
         "error_detail": [{"exc_type": "TypeError", "exc_value": "'42x' is not of type 'integer'", "exc_notes": [],
                           "syntax_error": None, "is_cause": False, "frames": []}]},
        {"timestamp": "2026-11-30T09:46:26Z", "event": "Task instance in failure state", "level": "info"},
    ],
    "continuation_token": None,
}  # fmt: skip


def dag_run(name: str, ended: datetime) -> dict[str, Any]:
    run: dict[str, Any] = RUN
    return run | {"dag_run_id": name, "end_date": ended.isoformat()}


def airflow_list(runs: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - a script
    """Answer as the server does: filtered by the end, in order of it, from an offset on."""

    def answer(_: int, seen: Seen) -> Reply:
        asked = ask(seen)
        assert asked["state"] == ["failed"]
        assert asked["order_by"] == ["end_date"]
        since = datetime.fromisoformat(asked["end_date_gte"][0])
        found = [run for run in runs if datetime.fromisoformat(run["end_date"]) >= since]
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        return json_reply({"dag_runs": found[offset : offset + limit], "total_entries": len(found)})

    return answer


def serve_failed_run(world: World, run: dict[str, Any], record: str = "failed") -> str:
    found = recorded("airflow", record)
    path = f"/dags/orders/dagRuns/{run['dag_run_id']}"
    tasks = [task | {"dag_run_id": run["dag_run_id"]} for task in found["tasks"]["task_instances"]]
    world.on(path, json_reply(run))
    world.on(f"{path}/taskInstances", json_reply({"task_instances": tasks, "total_entries": len(tasks)}))
    world.on(f"{path}/taskInstances/load/logs/1", json_reply(LOG))
    xcom = {"key": "return_value", "value": {"amount": "42x"}, "task_id": "extract"}
    world.on(f"{path}/taskInstances/extract/xcomEntries/return_value", json_reply(xcom))
    return path


async def test_every_failed_run_of_a_dag_is_listed_though_some_are_healed_while_pages_are_read(world: World) -> None:
    # Three of each moment, so that pages end within one; 30 of the first page are gone before the second is read.
    runs = [dag_run(f"run-{n}", SINCE + timedelta(seconds=n // 3)) for n in range(250)]
    serve = airflow_list(runs)

    def answer(n: int, seen: Seen) -> Reply:
        reply: Reply = serve(n, seen)
        if n == 1:
            del runs[:30]
        return reply

    world.on("/dags/orders/dagRuns", answer)
    async with ground(world, described("airflow", world)) as here:
        found = await Watched(here).every_page()
    assert {one.run_id for one in found} == {f"run-{n}" for n in range(250)}
    assert len(world.calls("/dags/orders/dagRuns")) < 5


async def test_more_runs_of_one_moment_than_a_page_holds_are_all_listed(world: World) -> None:
    runs = [dag_run(f"run-{n}", SINCE + timedelta(seconds=5)) for n in range(250)]
    world.on("/dags/orders/dagRuns", airflow_list(runs))
    async with ground(world, described("airflow", world)) as here:
        found = await Watched(here).every_page()
    assert {one.run_id for one in found} == {f"run-{n}" for n in range(250)}


async def test_airflow_tells_task_try_exception_and_input(world: World) -> None:
    serve_failed_run(world, RUN)
    async with ground(world, described("airflow", world)) as here:
        found = await Watched(here).failure(RUN["dag_run_id"])
        assert here.effects == []
    assert found == RunFailure(
        run=OF.run(RUN["dag_run_id"], epoch=1, step="load"),
        reason="'42x' is not of type 'integer'",
        error_type="TypeError",
        payload=Payload(document={"amount": "42x"}),
    )


async def test_airflow_without_a_log_tells_the_task_all_the_same(world: World) -> None:
    path = serve_failed_run(world, RUN)
    world.on(f"{path}/taskInstances/load/logs/1", json_reply({"detail": "no log"}, 404))
    async with ground(world, described("airflow", world)) as here:
        found = await Watched(here).failure(RUN["dag_run_id"])
    assert isinstance(found, RunFailure)
    assert (found.run.step, found.reason, found.error_type) == ("load", "task load failed at try 1", None)


async def test_a_run_that_was_cleared_meanwhile_is_no_failure(world: World) -> None:
    serve_failed_run(world, RUN | {"state": "running"})
    async with ground(world, described("airflow", world)) as here:
        assert await Watched(here).failure(RUN["dag_run_id"]) == NotFailed(said="the run is running by now")


async def test_unfinished_runs_of_a_dag_are_those_that_began_before(world: World) -> None:
    running = recorded("airflow", "running")["run"] | {"dag_id": "orders"}
    world.on("/dags/orders/dagRuns", json_reply({"dag_runs": [running], "total_entries": 1}))
    async with ground(world, described("airflow", world)) as here:
        found = await Watched(here).unfinished()
    assert isinstance(found, RunPage)
    assert [one.run_id for one in found.runs] == [running["dag_run_id"]]
    asked = ask(world.seen[0])
    assert sorted(asked["state"]) == ["queued", "running"]
    assert asked["start_date_lte"] == ["2026-11-30T09:00:00Z"]


# Conductor


async def test_conductor_is_searched_by_what_changed_last(world: World) -> None:
    summary = {
        "workflowType": "orders", "version": 1, "workflowId": "w-1", "status": "FAILED", "input": "{}", "output": "{}",
        "startTime": "2026-11-30T09:43:04.006Z", "updateTime": "2026-11-30T09:43:17.437Z",
        "endTime": "2026-11-30T09:43:17.437Z", "reasonForIncompletion": "x", "failedReferenceTaskNames": "charge",
    }  # fmt: skip
    world.on("/workflow/search", json_reply({"totalHits": 1, "results": [summary]}))
    async with ground(world, described("conductor", world)) as here:
        found = await Watched(here).failed()
    ended = datetime(2026, 11, 30, 9, 43, 17, 437000, tzinfo=UTC)
    assert found == RunPage(runs=(ListedRun(run_id="w-1", at=ended),))
    asked = ask(world.seen[0])
    since = int(SINCE.timestamp() * 1000) - 1
    assert asked["query"] == [f"workflowType IN (orders) AND status IN (FAILED,TIMED_OUT) AND updateTime>{since}"]
    assert (asked["sort"], asked["freeText"]) == (["updateTime:ASC"], ["*"])


async def test_conductor_tells_task_try_reason_and_input(world: World) -> None:
    failed = recorded("conductor", "failed")
    world.on(f"/workflow/{failed['workflowId']}", json_reply(failed))
    async with ground(world, described("conductor", world)) as here:
        found = await Watched(here).failure(failed["workflowId"])
    assert found == RunFailure(
        run=OF.run(failed["workflowId"], epoch=0, step="charge"),
        reason="'42x' is not of type 'integer'",
        payload=Payload(document={"amount": "42x"}),
    )


async def test_the_call_of_an_http_task_is_told_as_the_request_that_failed(world: World) -> None:
    failed = recorded("conductor", "failed")
    call = {"uri": "https://pay.example.com/v1/charge", "method": "POST", "headers": {"X-Of": "7"}, "body": {"a": 1}}
    failed["tasks"][-1] |= {"taskType": "HTTP", "inputData": {"http_request": call}}
    world.on(f"/workflow/{failed['workflowId']}", json_reply(failed))
    async with ground(world, described("conductor", world)) as here:
        found = await Watched(here).failure(failed["workflowId"])
    assert isinstance(found, RunFailure)
    wanted = {"method": "POST", "url": call["uri"], "headers": {"X-Of": "7"}, "body": {"a": 1}}
    assert (found.request, found.payload) == (wanted, None)


async def test_a_completed_run_of_conductor_is_no_failure(world: World) -> None:
    completed = recorded("conductor", "completed")
    world.on(f"/workflow/{completed['workflowId']}", json_reply(completed))
    async with ground(world, described("conductor", world)) as here:
        assert await Watched(here).failure(completed["workflowId"]) == NotFailed(said="the run is COMPLETED by now")


# Prefect

FLOW_RUN = "7d4e8a30-6f7c-4c52-9d15-0c9f5a8e1b11"


def flow_run(name: str = FLOW_RUN, *, state: str = "FAILED", ended: datetime = SINCE) -> dict[str, Any]:
    message = "Flow run encountered an exception: ValueError: not now"
    return {
        "id": name, "name": "calm-otter", "flow_id": "b3a8", "deployment_id": None, "run_count": 2,
        "parameters": {"order": {"amount": "42x"}}, "start_time": "2026-11-30T08:59:00Z", "end_time": ended.isoformat(),
        "state": {"type": state, "name": state.title(), "message": message, "state_details": {},
                  "timestamp": ended.isoformat()},
    }  # fmt: skip


async def test_prefect_is_filtered_by_flow_state_and_end_and_every_page_is_read(world: World) -> None:
    names = [f"00000000-0000-4000-8000-{n:012d}" for n in range(150)]
    runs = [flow_run(name, ended=SINCE + timedelta(seconds=n)) for n, name in enumerate(names)]

    def answer(_: int, seen: Seen) -> Reply:
        wish = seen.json
        assert wish["flows"] == {"name": {"any_": ["orders"]}}
        assert wish["flow_runs"]["state"] == {"type": {"any_": ["FAILED", "CRASHED"]}}
        ends = wish["flow_runs"]["end_time"]
        after, before = (datetime.fromisoformat(ends[name]) for name in ("after_", "before_"))
        found = [run for run in reversed(runs) if after <= datetime.fromisoformat(run["end_time"]) <= before]
        return json_reply(found[wish["offset"] : wish["offset"] + wish["limit"]])

    world.on("/flow_runs/filter", answer)
    async with ground(world, described("prefect", world)) as here:
        found = await Watched(here).every_page()
    assert {one.run_id for one in found} == set(names)


async def test_prefect_tells_the_task_that_failed_first_and_its_exception(world: World) -> None:
    world.on(f"/flow_runs/{FLOW_RUN}", json_reply(flow_run()))
    said = "Task run encountered an exception: requests.exceptions.ReadTimeout: no answer within 10 s"
    tasks = [
        {"name": "charge-5f2", "end_time": "2026-11-30T08:59:30Z", "state": {"type": "FAILED", "message": said}},
        {"name": "notify-0", "end_time": "2026-11-30T08:59:31Z", "state": {"type": "CRASHED", "message": None}},
    ]
    world.on("/task_runs/filter", json_reply(tasks))
    async with ground(world, described("prefect", world)) as here:
        found = await Watched(here).failure(FLOW_RUN)
    assert found == RunFailure(
        run=OF.run(FLOW_RUN, epoch=2, step="charge"),
        reason="no answer within 10 s",
        error_type="requests.exceptions.ReadTimeout",
        payload=Payload(document={"order": {"amount": "42x"}}),
        others=("notify",),
    )


async def test_a_flow_run_that_goes_on_is_no_failure(world: World) -> None:
    world.on(f"/flow_runs/{FLOW_RUN}", json_reply(flow_run(state="RUNNING")))
    async with ground(world, described("prefect", world)) as here:
        assert await Watched(here).failure(FLOW_RUN) == NotFailed(said="the run is Running by now")


# The platform's own


async def test_the_platforms_runs_are_listed_as_the_catalog_says(world: World) -> None:
    invocations = [
        {"stepId": "read", "status": "completed", "completedAt": "2026-11-30T09:01:00Z"},
        {"stepId": "draw", "status": "failed", "completedAt": "2026-11-30T09:02:00Z", "error": "no such model"},
    ]
    run = {"runId": "run-1", "status": "failed", "epoch": 3, "plan": {"steps": []}, "invocations": invocations}
    old = run | {"runId": "run-0", "invocations": [invocations[1] | {"completedAt": "2026-11-30T08:00:00Z"}]}
    world.on("/runs", json_reply({"runs": [run, old]}))
    world.on("/runs/run-1", json_reply(run))
    async with ground(world, described("maos", world)) as here:
        listed = await Watched(here).failed()
        found = await Watched(here).failure("run-1")
    ended = datetime(2026, 11, 30, 9, 2, tzinfo=UTC)
    assert listed == RunPage(runs=(ListedRun(run_id="run-1", at=ended),))
    assert ask(world.seen[0]) == {
        "workflow": ["orders"], "org": [str(ORG)], "status": ["failed"], "since": ["2026-11-30T09:00:00Z"],
    }  # fmt: skip
    assert found == RunFailure(run=OF.run("run-1", epoch=3, step="draw"), reason="no such model")
