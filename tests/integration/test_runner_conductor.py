"""The Conductor runner over answers that a real Conductor 3.32.3 gave, and over some that no honest one gives."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.catalog import ConductorRunner
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
    StartRun,
    StepPhase,
    Terminate,
    WaitsFor,
)
from consumer.runners.definitions import DefinitionReader, EngineDefinition
from schemas.names import Effect
from tests.support.healing import ORG
from tests.support.worlds.http_world import Reply, World, http_world, json_reply
from tests.support.worlds.recorded import LIES, WITHIN, Ground, ground, recorded

PAYLOAD = Payload(document={"amount": 42})
AT = datetime(2026, 11, 30, 9, 43, 30, tzinfo=UTC)
DATE = ("Date", AT.strftime("%a, %d %b %Y %H:%M:%S GMT"))
POLLDATA = "/tasks/queue/polldata/all"


def text_reply(text: str, status: int = 200) -> Reply:
    return Reply(status=status, body=text.encode(), headers=(("Content-Type", "text/plain;charset=UTF-8"),))


def run_of(name: str, step: str | None = None, **more: Any) -> RunRef:  # noqa: ANN401 - whatever a reference has
    run_id = recorded("conductor", name)["workflowId"]
    return RunRef(org_id=str(ORG), workflow_name="orders", run_id=run_id, step=step, **more)


class Server:
    """The recorded run of a name, as the server answers for it, with changes."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.run = world, recorded("conductor", name)
        self.path = f"/workflow/{self.run['workflowId']}"
        self.serve()
        world.on(POLLDATA, json_reply([], headers=(DATE,)))
        world.on(f"{self.path}/rerun", text_reply(self.run["workflowId"]))
        world.on(f"{self.path}/retry", Reply(status=204))

    def serve(self) -> None:
        self.world.on(self.path, json_reply(self.run, headers=(DATE,)))

    def task(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(task for task in self.run["tasks"] if task["referenceTaskName"] == name)
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
async def here(world: World) -> AsyncIterator[Ground]:
    described = ConductorRunner.model_validate({"kind": "conductor", "api": world.url("")})
    async with ground(world, described) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "step", "phase", "waits", "step_phase"),
    [
        ("failed", "charge", Phase.FAILED, None, StepPhase.FAILED),
        ("rerun", "charge", Phase.RUNNING, None, StepPhase.QUEUED),
        ("completed", "charge", Phase.SUCCEEDED, None, StepPhase.SUCCEEDED),
        ("unserved", "ship", Phase.RUNNING, None, StepPhase.QUEUED),
        ("timer", "later", Phase.WAITING, WaitsFor.TIMER, StepPhase.WAITING),
        ("signal", "sign", Phase.WAITING, WaitsFor.SIGNAL, StepPhase.WAITING),
        ("human", "approve", Phase.WAITING, WaitsFor.PERSON, StepPhase.WAITING),
        ("paused", "ship", Phase.WAITING, WaitsFor.PERSON, StepPhase.QUEUED),
        ("terminated", "ship", Phase.CANCELLED, None, StepPhase.CANCELLED),
        ("in_progress", "slow", Phase.RUNNING, None, StepPhase.RUNNING),
        ("worker_lost", "slow", Phase.FAILED, None, StepPhase.FAILED),
    ],
)
async def test_every_state_that_was_recorded_is_read(
    world: World,
    here: Ground,
    name: str,
    step: str,
    phase: Phase,
    waits: WaitsFor | None,
    step_phase: StepPhase,
) -> None:
    Server(world, name)
    seen = await here.seen(run_of(name, step))
    assert (seen.phase, seen.waits_for) == (phase, waits)
    found = seen.step(step)
    assert found is not None
    assert found.phase is step_phase
    assert found.has_begun is (step_phase not in {StepPhase.QUEUED, StepPhase.CANCELLED})
    assert seen.at == AT
    assert seen.last_sign_of_life is not None
    assert here.effects == []


STATUSES = {
    "SCHEDULED": StepPhase.QUEUED,
    "IN_PROGRESS": StepPhase.RUNNING,
    "COMPLETED": StepPhase.SUCCEEDED,
    "COMPLETED_WITH_ERRORS": StepPhase.SUCCEEDED,
    "FAILED": StepPhase.FAILED,
    "FAILED_WITH_TERMINAL_ERROR": StepPhase.FAILED,
    "TIMED_OUT": StepPhase.FAILED,
    "CANCELED": StepPhase.CANCELLED,
    "SKIPPED": StepPhase.SKIPPED,
}
"""Every status of a task that Conductor documents."""


@pytest.mark.parametrize("status", STATUSES)
async def test_every_status_of_a_task_is_mapped(world: World, here: Ground, status: str) -> None:
    server = Server(world, "in_progress")
    server.task("slow")["status"] = status
    server.serve()
    found = (await here.seen(run_of("in_progress"))).step("slow")
    assert found is not None
    assert found.phase is STATUSES[status]


RUNS = {
    "RUNNING": Phase.RUNNING,
    "PAUSED": Phase.WAITING,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "TIMED_OUT": Phase.FAILED,
    "TERMINATED": Phase.CANCELLED,
}


@pytest.mark.parametrize("status", RUNS)
async def test_every_status_of_a_run_is_mapped(world: World, here: Ground, status: str) -> None:
    server = Server(world, "in_progress")
    server.run["status"] = status
    server.serve()
    assert (await here.seen(run_of("in_progress"))).phase is RUNS[status]


async def test_a_queue_that_nobody_asks_has_no_consumer(world: World, here: Ground) -> None:
    Server(world, "unserved")
    seen = await here.seen(run_of("unserved", "ship"))
    assert seen.consumers == {"ship": 0}
    found = seen.step("ship")
    assert found is not None
    assert (found.queue, found.attempts) == ("ship", 0)


@pytest.mark.parametrize(("ago", "domain", "consumers"), [(5, None, 1), (3600, None, 0), (5, "eu", 0)])
async def test_a_worker_counts_while_it_asks_for_this_kind(
    world: World, here: Ground, ago: int, domain: str | None, consumers: int
) -> None:
    Server(world, "unserved")
    other = {"queueName": "charge", "workerId": "w-2", "lastPollTime": int(AT.timestamp()) * 1000}
    asked = int(AT.timestamp() - ago) * 1000
    poller = {"queueName": "ship", "workerId": "w-1", "lastPollTime": asked, "domain": domain}
    world.on(POLLDATA, json_reply([poller, other], headers=(DATE,)))
    found = dict((await here.seen(run_of("unserved", "ship"))).consumers)
    assert (found["ship"], found["charge"]) == (consumers, 1)


async def test_a_task_that_was_put_back_waits_for_its_time(world: World, here: Ground) -> None:
    server = Server(world, "unserved")
    server.task("ship")["callbackAfterSeconds"] = 3600
    server.serve()
    seen = await here.seen(run_of("unserved", "ship"))
    assert (seen.phase, seen.waits_for) == (Phase.WAITING, WaitsFor.TIMER)
    server.task("ship")["callbackAfterSeconds"] = 1
    server.task("ship")["scheduledTime"] -= 60_000
    server.serve()
    assert (await here.seen(run_of("unserved", "ship"))).phase is Phase.RUNNING


async def test_a_join_says_what_it_needs(world: World, here: Ground) -> None:
    server = Server(world, "in_progress")
    server.task("slow").update(
        {"taskType": "JOIN", "inputData": {"joinOn": ["a", "b"]}, "workflowTask": {"optional": True}}
    )
    server.serve()
    found = (await here.seen(run_of("in_progress"))).step("slow")
    assert found is not None
    assert (found.needs, found.needs_any, found.optional) == (("a", "b"), False, True)


async def test_a_new_start_has_another_fence(world: World, here: Ground) -> None:
    fences = []
    for name in ("failed", "rerun", "completed"):
        Server(world, name)
        seen = [await here.seen(run_of(name, step)) for step in ("charge", None)]
        fences.append([one.fence for one in seen])
    assert fences[0] != fences[1]
    # It is the whole run's, whichever step is asked for: an order may be for another one.
    assert all(first == second for first, second in fences)
    assert fences[1] == fences[2]


async def test_a_run_goes_on_from_its_failed_task(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    run = run_of("failed", "charge")
    assert await here.give(RerunStep(run=run)) == Accepted(run=run, said="retried")
    assert await here.give(ResumeRun(run=run_of("failed"))) == Accepted(run=run_of("failed"), said="retried")
    assert here.effects == [f"POST {server.path}/retry"] * 2
    assert here.runner.effect(RerunStep(run=run)) is Effect.CONDITIONAL


async def test_of_several_failed_tasks_one_alone_is_rerun(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    server.task("reserve")["status"] = "FAILED"
    server.serve()
    run = run_of("failed", "charge")
    assert await here.give(RerunStep(run=run)) == Accepted(run=run, said="rerun from its failed task")
    (sent,) = world.calls(f"{server.path}/rerun")
    assert sent.json == {"reRunFromTaskId": server.task("charge")["taskId"]}


async def test_another_input_goes_with_the_rerun(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    given = await here.give(RerunStep(run=run_of("failed", "charge"), payload=PAYLOAD))
    assert isinstance(given, Accepted)
    (sent,) = world.calls(f"{server.path}/rerun")
    assert sent.json == {"reRunFromTaskId": server.task("charge")["taskId"], "taskInput": {"amount": 42}}


@pytest.mark.parametrize("name", ["completed", "rerun", "paused", "terminated", "timer", "human", "in_progress"])
@pytest.mark.parametrize("payload", [None, PAYLOAD])
async def test_only_a_failed_run_is_ever_touched(
    world: World, here: Ground, name: str, payload: Payload | None
) -> None:
    server = Server(world, name)
    step = server.run["tasks"][-1]["referenceTaskName"]
    for order in (RerunStep(run=run_of(name, step), payload=payload), ResumeRun(run=run_of(name))):
        given = await here.give(order)
        assert isinstance(given, Rejected)
        assert given.conflict
    assert here.effects == []


async def test_a_task_that_did_not_fail_is_not_rerun(world: World, here: Ground) -> None:
    Server(world, "failed")
    for step in ("reserve", "nobody"):
        assert isinstance(await here.give(RerunStep(run=run_of("failed", step), payload=PAYLOAD)), Rejected)
    assert here.effects == []


async def test_an_order_for_what_was_started_anew_does_nothing(world: World, here: Ground) -> None:
    Server(world, "failed")
    fence = (await here.seen(run_of("failed", "charge"))).fence
    server = Server(world, "failed")
    server.task("charge")["scheduledTime"] += 1
    server.serve()
    for order in (RerunStep(run=run_of("failed", "charge", fence=fence), payload=PAYLOAD),):
        given = await here.give(order)
        assert isinstance(given, Rejected)
        assert given.conflict
    assert here.effects == []


@pytest.mark.parametrize(("status", "conflict"), [(409, True), (404, True), (400, False)])
async def test_what_the_server_itself_refuses_is_not_done(
    world: World, here: Ground, status: int, conflict: bool
) -> None:
    server = Server(world, "failed")
    world.on(f"{server.path}/retry", json_reply({"status": status, "message": "no"}, status))
    given = await here.give(RerunStep(run=run_of("failed", "charge")))
    assert isinstance(given, Rejected)
    assert given.conflict is conflict


async def test_the_recorded_conflict_is_one(world: World, here: Ground) -> None:
    server, conflict = Server(world, "failed"), recorded("conductor", "conflict")
    world.on(f"{server.path}/rerun", text_reply(conflict["text"], conflict["status"]))
    given = await here.give(RerunStep(run=run_of("failed", "charge"), payload=PAYLOAD))
    assert isinstance(given, Rejected)
    assert given.conflict


async def test_a_task_is_failed_for_good_and_a_run_terminated(world: World, here: Ground) -> None:
    server = Server(world, "in_progress")
    world.on("/tasks", text_reply(server.task("slow")["taskId"]))
    assert isinstance(await here.give(Terminate(run=run_of("in_progress", "slow"))), Accepted)
    (sent,) = world.calls("/tasks")
    assert sent.json == {
        "workflowInstanceId": server.run["workflowId"],
        "taskId": server.task("slow")["taskId"],
        "status": "FAILED_WITH_TERMINAL_ERROR",
        "reasonForIncompletion": "ended by Self-Healing Workflows, order k-1",
    }
    found = json_reply(server.run, headers=(DATE,))
    world.on(server.path, lambda _, seen: Reply() if seen.method == "DELETE" else found)
    assert isinstance(await here.give(Terminate(run=run_of("in_progress"))), Accepted)
    assert here.effects[-1].startswith(f"DELETE {server.path}?reason=")


@pytest.mark.parametrize("name", ["completed", "failed", "terminated"])
async def test_what_has_ended_is_not_ended_again(world: World, here: Ground, name: str) -> None:
    server = Server(world, name)
    for run in (run_of(name), run_of(name, server.run["tasks"][-1]["referenceTaskName"])):
        assert isinstance(await here.give(Terminate(run=run)), Rejected)
    assert here.effects == []


async def test_a_definition_becomes_the_next_version(world: World, here: Ground) -> None:
    found = recorded("conductor", "definition")
    world.on("/metadata/workflow/orders", json_reply(found))
    world.on("/metadata/workflow", Reply())
    run = run_of("failed")
    order = ReplaceDefinition(run=run, definition=found | {"tasks": found["tasks"][:1]}, replaces="1")
    assert here.runner.effect(order) is Effect.IDEMPOTENT
    assert await here.give(order) == Accepted(run=run, said="version 2")
    (sent,) = world.calls("/metadata/workflow")
    assert (sent.method, sent.json["version"], len(sent.json["tasks"])) == ("POST", 2, 1)
    # Its answer may have been lost: given again, it is recognised.
    world.on("/metadata/workflow/orders", json_reply(sent.json))
    assert await here.give(order) == Accepted(run=run, said="it had taken the order before")
    world.on("/metadata/workflow/orders", json_reply(sent.json | {"tasks": found["tasks"]}))
    moved = await here.give(order)
    assert isinstance(moved, Rejected)
    assert moved.conflict
    world.on("/metadata/workflow/orders", json_reply(found))
    world.on(
        "/metadata/workflow", json_reply({"status": 409, "message": "Workflow with orders.2 already exists!"}, 409)
    )
    raced = await here.give(order)
    assert isinstance(raced, Rejected)
    assert raced.conflict


def start_of(found: dict[str, Any], **more: str) -> StartRun:
    run = RunRef(org_id=str(ORG), workflow_name="orders", run_id="shw-key-1")
    return StartRun(
        run=run, definition=found | {"tasks": found["tasks"][:1]}, given={"amount": 4}, **{"replaces": "1"} | more
    )


CORRELATED = "/workflow/orders/correlated/shw-key-1"


async def test_a_run_of_a_definition_is_started_once_under_its_key_and_nothing_is_registered(
    world: World, here: Ground
) -> None:
    order = start_of(recorded("conductor", "definition"))
    world.on(CORRELATED, json_reply([]))
    world.on("/workflow", text_reply("run-77"))
    taken = await here.give(order)
    assert isinstance(taken, Accepted)
    assert taken.run == replace(order.run, run_id="run-77")
    (sent,) = world.calls("/workflow")
    assert (sent.method, sent.json["correlationId"], sent.json["input"]) == ("POST", "shw-key-1", {"amount": 4})
    assert (sent.json["workflowDef"]["version"], len(sent.json["workflowDef"]["tasks"])) == (2, 1)
    assert world.calls("/metadata/workflow") == []
    # Its answer may have been lost: given again, the run is found by its key.
    world.on(CORRELATED, json_reply([{"workflowId": "run-77", "correlationId": "shw-key-1"}]))
    again = await here.give(order)
    assert isinstance(again, Accepted)
    assert again.run.run_id == "run-77"
    assert len(world.calls("/workflow")) == 1


@pytest.mark.parametrize("lie", sorted(LIES.keys() - {"a list"}))
async def test_a_lie_about_runs_that_were_started_starts_none(world: World, here: Ground, lie: str) -> None:
    world.on(CORRELATED, LIES[lie])
    assert not isinstance(await here.give(start_of(recorded("conductor", "definition"))), Accepted)
    assert here.effects == []


@pytest.mark.parametrize("answer", ["", "<html>\nok</html>/"])
async def test_a_start_that_names_no_run_may_have_been_done(world: World, here: Ground, answer: str) -> None:
    world.on(CORRELATED, json_reply([]))
    world.on("/workflow", text_reply(answer))
    assert isinstance(await here.give(start_of(recorded("conductor", "definition"))), Ambiguous)


async def test_a_run_that_somebody_else_started_is_not_taken_for_ours(world: World, here: Ground) -> None:
    world.on(CORRELATED, json_reply([{"workflowId": "run-77", "correlationId": "another"}]))
    assert isinstance(await here.give(start_of(recorded("conductor", "definition"))), Rejected)
    assert here.effects == []


async def read_definition(here: Ground) -> EngineDefinition | LookFailed:
    assert isinstance(here.runner, DefinitionReader)
    return await here.runner.definition(run_of("failed"), here.allowed, within=WITHIN)


async def test_a_definition_is_read_with_the_version_that_an_order_replaces(world: World, here: Ground) -> None:
    found: dict[str, Any] = {"name": "orders", "version": 3, "tasks": []}
    world.on("/metadata/workflow/orders", json_reply(found))
    assert await read_definition(here) == EngineDefinition(document=found, version="3")
    assert here.effects == []


@pytest.mark.parametrize("lie", [*LIES, "another one", "no version"])
async def test_a_lying_definition_is_believed_nothing(world: World, here: Ground, lie: str) -> None:
    more = {"another one": json_reply({"name": "x", "version": 1}), "no version": json_reply({"name": "orders"})}
    world.on("/metadata/workflow/orders", (LIES | more)[lie])
    assert isinstance(await read_definition(here), LookFailed)


@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_look_is_believed_nothing(world: World, here: Ground, lie: str) -> None:
    server = Server(world, "completed")
    world.on(server.path, LIES[lie])
    assert isinstance(await here.look(run_of("completed", "charge")), LookFailed)


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_before_the_order_sends_nothing_and_one_after_it_is_no_success(
    world: World, here: Ground, lie: str
) -> None:
    server = Server(world, "failed")
    world.on(f"{server.path}/rerun", LIES[lie])
    order = RerunStep(run=run_of("failed", "charge"), payload=PAYLOAD)
    assert not isinstance(await here.give(order), Accepted)
    server = Server(world, "failed")
    world.on(server.path, LIES[lie])
    before = len(here.effects)
    assert not isinstance(await here.give(order), Accepted)
    assert len(here.effects) == before


@pytest.mark.parametrize("text", ["", "another-run", "<html>ok</html>", "262947c7"])
async def test_a_rerun_that_does_not_name_its_run_may_have_been_done(world: World, here: Ground, text: str) -> None:
    server = Server(world, "failed")
    world.on(f"{server.path}/rerun", text_reply(text))
    given = await here.give(RerunStep(run=run_of("failed", "charge"), payload=PAYLOAD))
    assert isinstance(given, Ambiguous)


async def test_answers_of_another_run_are_not_believed(world: World, here: Ground) -> None:
    server = Server(world, "failed")
    run = run_of("failed", "charge")
    for whose, name in ((server.run, "workflowId"), (server.task("charge"), "workflowInstanceId")):
        whose[name], its = "another", whose[name]
        server.serve()
        assert isinstance(await here.look(run), LookFailed)
        given = await here.give(RerunStep(run=run, payload=PAYLOAD))
        assert isinstance(given, Rejected)
        assert "another run" in given.reason
        whose[name] = its
    assert here.effects == []


@pytest.mark.parametrize("which", ["run", "task"])
async def test_a_state_that_is_not_documented_says_nothing(world: World, here: Ground, which: str) -> None:
    server = Server(world, "failed")
    (server.run if which == "run" else server.task("charge"))["status"] = "LEVITATING"
    server.serve()
    seen = await here.look(run_of("failed"))
    assert isinstance(seen, LookFailed)
    assert "LEVITATING" in seen.reason


async def test_a_run_that_conductor_does_not_know_is_gone(world: World, here: Ground) -> None:
    run = run_of("failed", "charge")
    world.on(f"/workflow/{run.run_id}", json_reply({"status": 404, "message": "No such workflow found"}, 404))
    assert await here.look(run) == RunState(phase=Phase.GONE, said="answered 404")


REFUSED: dict[str, tuple[Order, str]] = {
    "no step": (RerunStep(run=run_of("failed")), "no step is named"),
    "no object": (RerunStep(run=run_of("failed", "charge"), payload=Payload(document=[1])), "the payload is none"),
    "no version": (ReplaceDefinition(run=run_of("failed"), definition={}, replaces=None), "whole numbers"),
    "an odd start": (start_of(recorded("conductor", "definition"), replaces="v1"), "whole numbers"),
    "an odd version": (ReplaceDefinition(run=run_of("failed"), definition={}, replaces="v1"), "whole numbers"),
    "a queue": (MoveToQueue(run=run_of("failed", "charge"), queue="q"), "a person has to"),
    "a skip": (SkipStep(run=run_of("failed", "charge")), "a person has to"),
    "a name": (RemapStep(run=run_of("failed", "charge"), to="x"), "a person has to"),
    "a path": (ResumeRun(run=RunRef(org_id=str(ORG), workflow_name="o", run_id="../x")), "cannot stand in a URL"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_ordered_is_refused_before_anything_is_sent(world: World, here: Ground, case: str) -> None:
    order, says = REFUSED[case]
    assert says in str(here.runner.refusal(order, here.allowed))
    given = await here.give(order)
    assert isinstance(given, EgressRefused)
    assert says in given.reason
    assert world.seen == []
