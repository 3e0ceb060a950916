"""The Airflow runner over answers that a real Airflow 3.3.2 gave, and over some that no honest one gives."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from consumer.catalog import AirflowRunner
from consumer.model.call import Ambiguous, EgressRefused
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    MoveToQueue,
    Order,
    Payload,
    Phase,
    Rejected,
    RemapStep,
    ReplaceDefinition,
    RerunStep,
    ResumeRun,
    RunRef,
    RunState,
    SkipStep,
    StepPhase,
    Terminate,
    WaitsFor,
)
from schemas.names import Effect
from tests.support.healing import ORG
from tests.support.worlds.http_world import Reply, World, http_world, json_reply
from tests.support.worlds.recorded import DATE, LIES, Ground, ground, recorded

PAYLOAD = Payload(document={"amount": 42})


def run_of(name: str, step: str | None = None, **more: Any) -> RunRef:  # noqa: ANN401 - whatever a reference has
    run = recorded("airflow", name)["run"]
    return RunRef(org_id=str(ORG), workflow_name=run["dag_id"], run_id=run["dag_run_id"], step=step, **more)


class Server:
    """The recorded run of a name, as the server answers for it, with changes."""

    def __init__(self, world: World, name: str) -> None:
        record = recorded("airflow", name)
        self.world, self.run, self.tasks = world, record["run"], record["tasks"]["task_instances"]
        self.dag = f"/dags/{self.run['dag_id']}"
        self.path = f"{self.dag}/dagRuns/{self.run['dag_run_id']}"
        self.serve()
        self.is_paused(False)
        pools = [recorded("airflow", "pool"), {"name": "default_pool", "slots": 128}]
        world.on("/pools", json_reply({"pools": pools, "total_entries": 2}))

    def serve(self) -> None:
        self.world.on(self.path, json_reply(self.run, headers=(DATE,)))
        many = {"task_instances": self.tasks, "total_entries": len(self.tasks)}
        self.world.on(f"{self.path}/taskInstances", json_reply(many))
        for task in self.tasks:
            mapped = "" if task["map_index"] < 0 else f"/{task['map_index']}"
            self.world.on(f"{self.path}/taskInstances/{task['task_id']}{mapped}", json_reply(task))

    def is_paused(self, paused: bool) -> None:
        self.world.on(self.dag, json_reply({"dag_id": self.run["dag_id"], "is_paused": paused}))

    def task(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(task for task in self.tasks if task["task_id"] == name)
        return found

    def clears(self, *replies: Reply) -> None:
        self.world.on(f"{self.dag}/clearTaskInstances", *(replies or (json_reply(recorded("airflow", "cleared")),)))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
async def here(world: World) -> AsyncIterator[Ground]:
    described = AirflowRunner.model_validate(
        {"kind": "airflow", "api": world.url(""), "inputs": {"orders.load": {"task": "extract"}}}
    )
    async with ground(world, described) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "step", "phase", "waits", "step_phase", "said"),
    [
        ("failed", "load", Phase.FAILED, None, StepPhase.FAILED, "failed, load: failed"),
        ("cleared_run", "load", Phase.RUNNING, None, StepPhase.QUEUED, "running, load: queued"),
        ("success", "load", Phase.SUCCEEDED, None, StepPhase.SUCCEEDED, "success, load: success"),
        ("unserved", "ship", Phase.RUNNING, None, StepPhase.QUEUED, "running, ship: scheduled"),
        ("deferred", "wait", Phase.WAITING, WaitsFor.SIGNAL, StepPhase.WAITING, "running, wait: deferred"),
        ("asking", "approve", Phase.WAITING, WaitsFor.PERSON, StepPhase.WAITING, "running, approve: awaiting_input"),
        ("polling", "condition", Phase.WAITING, WaitsFor.SIGNAL, StepPhase.WAITING, None),
        ("retrying", "tried", Phase.WAITING, WaitsFor.TIMER, StepPhase.WAITING, "running, tried: up_for_retry"),
        ("running", "charge", Phase.RUNNING, None, StepPhase.RUNNING, "running, charge: running"),
        ("worker_lost", "charge", Phase.FAILED, None, StepPhase.FAILED, "failed, charge: failed"),
        ("mapped", "each[1]", Phase.FAILED, None, StepPhase.FAILED, "failed, each[1]: failed"),
        ("mapped", "each[0]", Phase.FAILED, None, StepPhase.SUCCEEDED, "failed, each[0]: success"),
    ],
)  # fmt: skip
async def test_every_state_that_was_recorded_is_read(
    world: World,
    here: Ground,
    name: str,
    step: str,
    phase: Phase,
    waits: WaitsFor | None,
    step_phase: StepPhase,
    said: str | None,
) -> None:
    Server(world, name)
    seen = await here.seen(run_of(name, step))
    assert (seen.phase, seen.waits_for) == (phase, waits)
    found = seen.step(step)
    assert found is not None
    assert found.phase is step_phase
    assert said in (None, seen.said)
    assert seen.at is not None
    assert seen.last_sign_of_life is not None
    assert here.effects == []


ALL_STATES: dict[str | None, StepPhase] = {
    None: StepPhase.BLOCKED,
    "removed": StepPhase.SKIPPED,
    "scheduled": StepPhase.QUEUED,
    "queued": StepPhase.QUEUED,
    "running": StepPhase.RUNNING,
    "success": StepPhase.SUCCEEDED,
    "restarting": StepPhase.RUNNING,
    "failed": StepPhase.FAILED,
    "up_for_retry": StepPhase.WAITING,
    "up_for_reschedule": StepPhase.WAITING,
    "upstream_failed": StepPhase.BLOCKED,
    "skipped": StepPhase.SKIPPED,
    "deferred": StepPhase.WAITING,
    "awaiting_input": StepPhase.WAITING,
}
"""Every state of a task that Airflow 3.3 documents."""


@pytest.mark.parametrize("state", ALL_STATES)
async def test_every_state_of_a_task_is_mapped(world: World, here: Ground, state: str | None) -> None:
    server = Server(world, "running")
    server.task("charge")["state"] = state
    server.serve()
    seen = await here.seen(run_of("running", "charge"))
    found = seen.step("charge")
    assert found is not None
    assert found.phase is ALL_STATES[state]
    assert found.has_begun is (ALL_STATES[state] not in {StepPhase.BLOCKED, StepPhase.QUEUED, StepPhase.SKIPPED})
    assert (seen.phase is Phase.WAITING) is (ALL_STATES[state] is StepPhase.WAITING)
    assert ("charge" in seen.removed) is (state == "removed")


async def test_a_run_waits_only_where_nothing_else_of_it_is_under_way(world: World, here: Ground) -> None:
    server = Server(world, "running")
    server.task("reserve")["state"] = "awaiting_input"
    server.serve()
    assert (await here.seen(run_of("running"))).phase is Phase.RUNNING
    server.task("charge")["state"] = "deferred"
    server.serve()
    seen = await here.seen(run_of("running"))
    assert (seen.phase, seen.waits_for) == (Phase.WAITING, WaitsFor.PERSON)


async def test_a_run_of_a_paused_dag_waits_for_a_person(world: World, here: Ground) -> None:
    server = Server(world, "unserved")
    server.is_paused(True)
    seen = await here.seen(run_of("unserved", "ship"))
    assert (seen.phase, seen.waits_for) == (Phase.WAITING, WaitsFor.PERSON)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply, id=name)
        for name, reply in (LIES | {"another": json_reply({"dag_id": "another", "is_paused": False})}).items()
    ],
)
async def test_where_nothing_tells_whether_the_dag_is_paused_the_look_says_nothing(
    world: World, here: Ground, answer: Reply
) -> None:
    server = Server(world, "unserved")
    world.on(server.dag, answer)
    assert isinstance(await here.look(run_of("unserved", "ship")), LookFailed)


async def test_a_pool_without_slots_has_no_consumer(world: World, here: Ground) -> None:
    Server(world, "unserved")
    seen = await here.seen(run_of("unserved", "ship"))
    assert seen.consumers == {"closed": 0, "default_pool": 128}
    found = seen.step("ship")
    assert found is not None
    assert (found.queue, found.attempts) == ("closed", 0)


async def test_a_try_has_its_fence_and_its_epoch(world: World, here: Ground) -> None:
    Server(world, "failed")
    failed = await here.seen(run_of("failed", "load"))
    assert (failed.epoch, failed.progress) == (1, "1")
    Server(world, "success")
    success = await here.seen(run_of("success", "load"))
    assert (success.epoch, success.progress) == (2, "2")
    assert success.fence != failed.fence
    # It is the whole run's, whichever step is asked for: an order may be for another one.
    assert {(await here.seen(run_of("success", step))).fence for step in (None, "extract")} == {success.fence}


async def test_a_failed_task_is_cleared_within_its_run(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    server.clears()
    fence = (await here.seen(run_of("failed"))).fence
    run = run_of("failed", "load", fence=fence, epoch=1)
    assert await here.give(RerunStep(run=run)) == Accepted(run=run, said="cleared 1")
    (sent,) = world.calls(f"{server.dag}/clearTaskInstances")
    assert sent.json == {
        "dry_run": False,
        "dag_run_id": run.run_id,
        "only_failed": True,
        "reset_dag_runs": True,
        "task_ids": ["load"],
        "include_downstream": True,
        "note": "cleared by Self-Healing Workflows, order k-1",
    }
    assert here.runner.effect(RerunStep(run=run)) is Effect.CONDITIONAL


async def test_an_older_server_is_asked_again_without_the_note_that_it_does_not_know(
    world: World, here: Ground
) -> None:
    server = Server(world, "failed")
    server.clears(json_reply({"detail": "extra_forbidden"}, 422), json_reply(recorded("airflow", "cleared")))
    assert isinstance(await here.give(RerunStep(run=run_of("failed", "load"))), Accepted)
    first, second = world.calls(f"{server.dag}/clearTaskInstances")
    assert first.json == second.json | {"note": "cleared by Self-Healing Workflows, order k-1"}
    server.clears(json_reply({"detail": "no"}, 422))
    assert isinstance(await here.give(RerunStep(run=run_of("failed", "load"))), Rejected)


async def test_the_id_that_airflow_gives_a_scheduled_run_stands_in_a_path(world: World, here: Ground) -> None:
    run = RunRef(org_id=str(ORG), workflow_name="orders", run_id="scheduled__2026-11-30T00:00:00+00:00")
    assert isinstance(await here.look(run), LookFailed | RunState)
    assert world.seen[0].path == "/dags/orders/dagRuns/scheduled__2026-11-30T00%3A00%3A00%2B00%3A00"


async def test_what_is_to_run_on_the_newest_version_is_cleared_for_that_or_not_at_all(
    world: World, here: Ground
) -> None:
    server = Server(world, "failed")
    server.clears()
    run = run_of("failed", "load")
    assert isinstance(await here.give(RerunStep(run=run, latest=True)), Accepted)
    [clearing] = world.calls(f"{server.dag}/clearTaskInstances")
    assert clearing.json["run_on_latest_version"] is True
    server.clears(json_reply({"detail": "extra_forbidden"}, 422))
    assert isinstance(await here.give(RerunStep(run=run, latest=True)), Rejected)
    assert all(seen.json["run_on_latest_version"] for seen in world.calls(f"{server.dag}/clearTaskInstances"))


async def test_a_mapped_task_is_cleared_by_its_index(world: World, here: Ground) -> None:
    server = Server(world, "mapped")
    failed = next(task for task in server.tasks if task["map_index"] == 1)
    server.clears(json_reply({"task_instances": [failed], "total_entries": 1}))
    assert isinstance(await here.give(RerunStep(run=run_of("mapped", "each[1]"))), Accepted)
    (sent,) = world.calls(f"{server.dag}/clearTaskInstances")
    assert sent.json["task_ids"] == [["each", 1]]


async def test_all_failed_tasks_of_a_run_are_cleared_where_it_is_resumed(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    server.clears()
    assert isinstance(await here.give(ResumeRun(run=run_of("failed"))), Accepted)
    (sent,) = world.calls(f"{server.dag}/clearTaskInstances")
    assert "task_ids" not in sent.json


async def test_another_input_replaces_the_xcom_and_then_the_task_is_cleared(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    server.clears()
    xcom = f"{server.path}/taskInstances/extract/xcomEntries/return_value"
    world.on(xcom, json_reply(recorded("airflow", "xcom_patched")))
    assert isinstance(await here.give(RerunStep(run=run_of("failed", "load"), payload=PAYLOAD)), Accepted)
    assert here.effects == [f"PATCH {xcom}", f"POST {server.dag}/clearTaskInstances"]
    assert world.calls(xcom)[0].json == {"value": {"amount": 42}, "map_index": -1}


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
async def test_where_the_input_is_not_taken_nothing_is_cleared(world: World, here: Ground, status: int) -> None:
    server = Server(world, "failed")
    server.clears()
    world.on(f"{server.path}/taskInstances/extract/xcomEntries/return_value", json_reply({"detail": "no"}, status))
    given = await here.give(RerunStep(run=run_of("failed", "load"), payload=PAYLOAD))
    assert isinstance(given, Ambiguous if status == 500 else Rejected)
    assert not world.calls(f"{server.dag}/clearTaskInstances")


async def test_what_somebody_else_cleared_meanwhile_is_not_done_by_us(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    server.clears(json_reply(recorded("airflow", "nothing_cleared")))
    given = await here.give(RerunStep(run=run_of("failed", "load")))
    assert isinstance(given, Rejected)
    assert given.conflict
    # With another input it is not known whose order runs with it.
    world.on(f"{server.path}/taskInstances/extract/xcomEntries/return_value", json_reply({}))
    assert isinstance(await here.give(RerunStep(run=run_of("failed", "load"), payload=PAYLOAD)), Ambiguous)


@pytest.mark.parametrize("name", ["cleared_run", "success", "running", "deferred", "asking", "unserved"])
async def test_only_a_failed_task_is_cleared(world: World, here: Ground, name: str) -> None:
    server = Server(world, name)
    server.clears()
    step = server.tasks[-1]["task_id"]
    for order in (RerunStep(run=run_of(name, step)), ResumeRun(run=run_of(name))):
        given = await here.give(order)
        assert isinstance(given, Rejected)
        assert given.conflict
    assert here.effects == []


@pytest.mark.parametrize("changes", [{"fence": "another"}, {"epoch": 0}])
async def test_an_order_for_what_was_started_anew_does_nothing(
    world: World, here: Ground, changes: dict[str, Any]
) -> None:
    Server(world, "failed").clears()
    given = await here.give(RerunStep(run=run_of("failed", "load", **changes)))
    assert isinstance(given, Rejected)
    assert given.conflict
    assert here.effects == []


async def test_an_order_that_was_taken_before_is_recognised_by_its_note(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    server.clears()
    server.task("load")["note"] = "cleared by Self-Healing Workflows, order k-1"
    server.serve()
    run = run_of("failed", "load")
    assert await here.give(RerunStep(run=run)) == Accepted(run=run, said="it had taken the order before")
    assert here.effects == []
    assert await here.give(RerunStep(run=run), key="k-2") == Accepted(run=run, said="cleared 1")


async def test_a_task_or_a_run_is_ended(world: World, here: Ground) -> None:
    server = Server(world, "running")
    world.on(f"{server.path}/taskInstances/charge", json_reply(recorded("airflow", "task_set_failed")))
    assert isinstance(await here.give(Terminate(run=run_of("running", "charge"))), Accepted)
    ended = json_reply(recorded("airflow", "run_set_failed"))
    world.on(server.path, lambda _, seen: ended if seen.method == "PATCH" else json_reply(server.run))
    assert isinstance(await here.give(Terminate(run=run_of("running"))), Accepted)
    assert here.effects == [f"PATCH {server.path}/taskInstances/charge", f"PATCH {server.path}"]
    assert [seen.json for seen in world.seen if seen.method == "PATCH"] == [
        {"new_state": "failed"},
        {"state": "failed"},
    ]


@pytest.mark.parametrize("name", ["failed", "success", "worker_lost"])
async def test_what_has_ended_is_not_ended_again(world: World, here: Ground, name: str) -> None:
    server = Server(world, name)
    for run in (run_of(name), run_of(name, server.tasks[-1]["task_id"])):
        given = await here.give(Terminate(run=run))
        assert isinstance(given, Rejected)
        assert given.conflict
    assert here.effects == []


@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_look_is_believed_nothing(world: World, here: Ground, lie: str) -> None:
    server = Server(world, "success")
    run = run_of("success", "load")
    for path in (server.path, f"{server.path}/taskInstances"):
        server.serve()
        world.on(path, LIES[lie])
        assert isinstance(await here.look(run), LookFailed)


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_before_the_order_sends_nothing_and_one_after_it_is_no_success(
    world: World, here: Ground, lie: str
) -> None:
    server = Server(world, "failed")
    server.clears(LIES[lie])
    run = run_of("failed", "load")
    given = await here.give(RerunStep(run=run))
    assert not isinstance(given, Accepted)
    assert isinstance(given, Rejected) == (lie == "a proxy's 404")
    server.clears()
    for path in (server.path, f"{server.path}/taskInstances"):
        server.serve()
        world.on(path, LIES[lie])
        before = len(here.effects)
        assert not isinstance(await here.give(RerunStep(run=run)), Accepted)
        assert len(here.effects) == before


async def test_answers_of_another_run_are_not_believed(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    server.clears()
    run = run_of("failed", "load")
    for whose in (server.run, server.task("load")):
        whose["dag_run_id"], its = "another", whose["dag_run_id"]
        server.serve()
        assert isinstance(await here.look(run), LookFailed)
        given = await here.give(RerunStep(run=run))
        assert isinstance(given, Rejected)
        assert "another run" in given.reason
        whose["dag_run_id"] = its
    server.serve()
    stranger = recorded("airflow", "cleared")
    stranger["task_instances"][0]["dag_run_id"] = "another"
    server.clears(json_reply(stranger))
    assert isinstance(await here.give(RerunStep(run=run)), Ambiguous)


async def test_a_state_that_is_not_documented_says_nothing(world: World, here: Ground) -> None:
    server = Server(world, "running")
    server.task("reserve")["state"] = "levitating"
    server.serve()
    seen = await here.look(run_of("running"))
    assert isinstance(seen, LookFailed)
    assert "levitating" in seen.reason


async def test_a_run_that_airflow_does_not_know_is_gone(world: World, here: Ground) -> None:
    run = run_of("failed", "load")
    world.on(f"/dags/orders/dagRuns/{run.run_id}", json_reply({"detail": "The DagRun was not found"}, 404))
    assert await here.look(run) == RunState(phase=Phase.GONE, said="answered 404")
    assert isinstance(await here.give(RerunStep(run=run)), Rejected)


async def test_a_run_of_many_tasks_is_read_by_pages_and_of_too_many_not(world: World, here: Ground) -> None:
    server = Server(world, "success")
    one = server.tasks[0]
    tasks = [one | {"map_index": n, "id": str(n)} for n in range(250)]
    many = len(tasks)

    def page(_: int, seen: Any) -> Reply:  # noqa: ANN401 - a request
        query = dict(pair.split("=") for pair in seen.path.partition("?")[2].split("&"))
        begin = int(query["offset"])
        return json_reply({"task_instances": tasks[begin : begin + int(query["limit"])], "total_entries": many})

    world.on(f"{server.path}/taskInstances", page)
    assert (await here.seen(run_of("success"))).progress == "250"
    many = 5000
    assert isinstance(await here.look(run_of("success")), LookFailed)


REFUSED: dict[str, tuple[Order, str]] = {
    "no step": (RerunStep(run=run_of("failed")), "no step is named"),
    "no input": (RerunStep(run=run_of("failed", "extract"), payload=PAYLOAD), "name no XCom of orders.extract"),
    "no JSON": (
        RerunStep(run=run_of("failed", "load"), payload=Payload(document={"amount": float("nan")})),
        "no JSON",
    ),
    "a definition": (
        ReplaceDefinition(run=run_of("failed"), definition={}, replaces=None),
        "a DAG is code",
    ),
    "a queue": (MoveToQueue(run=run_of("failed", "load"), queue="q"), "a person has to"),
    "a skip": (SkipStep(run=run_of("failed", "load")), "a person has to"),
    "a name": (RemapStep(run=run_of("failed", "load"), to="x"), "a person has to"),
    "a path": (RerunStep(run=run_of("failed", "../x")), "cannot stand in a URL's path"),
    "dots": (RerunStep(run=run_of("failed", "..")), "cannot stand in a URL's path"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_ordered_is_refused_before_anything_is_sent(world: World, here: Ground, case: str) -> None:
    order, says = REFUSED[case]
    assert says in str(here.runner.refusal(order, here.allowed))
    given = await here.give(order)
    assert isinstance(given, EgressRefused)
    assert says in given.reason
    assert world.seen == []
