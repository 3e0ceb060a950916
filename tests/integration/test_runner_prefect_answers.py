"""What the Prefect runner makes of answers that a healthy server seldom gives."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from consumer.catalog import PrefectRunner, Secret, WorkflowPolicy
from consumer.model import Json
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.outbound.calls import open_calls
from consumer.runners.configured import ConfiguredRunners
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Order,
    OrderResult,
    Payload,
    Phase,
    Rejected,
    RerunStep,
    ResumeRun,
    Runner,
    RunRef,
    RunState,
    WaitsFor,
)
from schemas.names import Effect
from tests.support.healing import ORG, policy
from tests.support.worlds.http_world import Reply, World, http_world, json_reply

RUN_ID = "84d059a4-14f3-4f70-bc13-b4836291d942"
DEPLOYMENT = "5b1f8d1e-2a6c-4d0e-9a43-0f4f6c1f7a11"
RUN = RunRef(org_id=str(ORG), workflow_name="orders", run_id=RUN_ID, epoch=1, step="charge")
ANEW = RerunStep(run=RUN, payload=Payload(document={"order": 18}))
HISTORY = "/api/flow_run_states/"
FLOW_RUN = f"/api/flow_runs/{RUN_ID}"
SET_STATE = f"{FLOW_RUN}/set_state"
CREATE = f"/api/deployments/{DEPLOYMENT}/create_flow_run"
SECOND = timedelta(seconds=1)
Engine = tuple[Runner, WorkflowPolicy]


def flow_run(state: str = "FAILED", **changes: object) -> dict[str, Any]:
    return {
        "id": RUN_ID,
        "state": {"type": state, "name": state.title(), "state_details": {"scheduled_time": None}},
        "run_count": 1,
        "deployment_id": DEPLOYMENT,
        "parameters": {"order": "18", "note": "n"},
    } | changes


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        running.on(HISTORY, json_reply([]))
        running.on(FLOW_RUN, json_reply(flow_run()))
        running.on(SET_STATE, json_reply({"status": "ACCEPT", "details": {}}, 201))
        running.on(CREATE, json_reply({"id": DEPLOYMENT}, 201))
        yield running


@pytest.fixture
async def engine(
    world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Engine]:
    monkeypatch.setenv("TEST_PREFECT_TOKEN", "t0ken-of-prefect")
    described = {"kind": "prefect", "api": world.url("/api/"), "headers": {"authorization": "Bearer secret://PREFECT"}}
    flows = PrefectRunner.model_validate(described | getattr(request, "param", {}))
    async with open_calls(
        {"PREFECT": Secret(env="TEST_PREFECT_TOKEN", hosts=("127.0.0.1",), methods="*", paths="*", headers="*")}
    ) as calls:
        allowed = policy(world.port, secrets=("PREFECT",)).model_copy(update={"runner": "flows"})
        runner = ConfiguredRunners({"flows": flows}, calls).of(allowed)
        assert runner is not None
        yield runner, allowed


async def give(engine: Engine, order: Order, *, within: timedelta = 5 * SECOND) -> OrderResult:
    runner, allowed = engine
    return await runner.give(order, allowed, key="k-1", within=within)


async def look(engine: Engine, run: RunRef = RUN) -> RunState | LookFailed:
    runner, allowed = engine
    return await runner.look(run, allowed, within=30 * SECOND)


def effects(world: World) -> list[str]:
    return [seen.path for seen in world.seen if seen.method != "GET"]


async def test_a_run_is_scheduled_again_without_force_and_with_the_orders_own_id(world: World, engine: Engine) -> None:
    assert await give(engine, ResumeRun(run=RUN)) == Accepted(run=RUN, said="scheduled the run again")
    assert await give(engine, RerunStep(run=RUN)) == Accepted(run=RUN, said="scheduled the run again")
    first, second = world.calls(SET_STATE)
    assert first.json == second.json
    assert first.json["force"] is False
    assert (first.json["state"]["type"], first.json["state"]["name"]) == ("SCHEDULED", "AwaitingRetry")
    assert {seen.headers["authorization"] for seen in world.seen} == {"Bearer t0ken-of-prefect"}


@pytest.mark.parametrize("engine", [{"parameter": "order"}], indirect=True)
async def test_a_payload_can_be_one_parameter_beside_those_of_the_failed_run(world: World, engine: Engine) -> None:
    given = await give(engine, RerunStep(run=RUN, payload=Payload(document=18)))
    assert isinstance(given, Accepted)
    assert given.run == RunRef(org_id=RUN.org_id, workflow_name="orders", run_id=DEPLOYMENT, step="charge")
    (made,) = world.calls(CREATE)
    assert made.json["parameters"] == {"order": 18, "note": "n"}
    assert made.json["idempotency_key"] == "k-1"


@pytest.mark.parametrize("engine", [{"parameter": "order"}], indirect=True)
async def test_what_the_server_would_evaluate_is_not_copied_from_the_failed_run_either(
    world: World, engine: Engine
) -> None:
    world.on(FLOW_RUN, json_reply(flow_run(parameters={"note": [{"__prefect_kind": "jinja"}]})))
    assert isinstance(await give(engine, ANEW), Rejected)
    assert effects(world) == []


async def test_a_payload_that_the_server_would_evaluate_is_refused_at_any_depth(world: World, engine: Engine) -> None:
    runner, allowed = engine
    deep: Json = {"__prefect_kind": "workspace_variable"}
    for _ in range(5000):
        deep = [deep]
    order = RerunStep(run=RUN, payload=Payload(document={"order": deep}))
    assert "evaluate" in str(runner.refusal(order, allowed))
    assert isinstance(await give(engine, order), EgressRefused)
    assert world.seen == []


async def test_a_payload_that_cannot_be_written_is_refused(world: World, engine: Engine) -> None:
    runner, allowed = engine
    order = RerunStep(run=RUN, payload=Payload(document={"order": float("nan")}))
    assert "no JSON" in str(runner.refusal(order, allowed))
    assert isinstance(await give(engine, order), EgressRefused)
    assert world.seen == []


async def test_an_order_that_the_runs_history_shows_is_not_given_again(world: World, engine: Engine) -> None:
    await give(engine, ResumeRun(run=RUN))
    (first,) = world.calls(SET_STATE)
    later = {"type": "FAILED", "name": "Failed", "state_details": {}}
    world.on(HISTORY, json_reply([first.json["state"], later]))
    world.on(FLOW_RUN, json_reply(flow_run(run_count=2)))
    assert await give(engine, ResumeRun(run=RUN)) == Accepted(run=RUN, said="it had taken the order before")
    assert len(world.calls(SET_STATE)) == 1


async def test_a_payload_that_is_no_object_needs_a_parameter(world: World, engine: Engine) -> None:
    runner, allowed = engine
    order = RerunStep(run=RUN, payload=Payload(document=[1]))
    assert "name its `parameter`" in str(runner.refusal(order, allowed))
    assert isinstance(await give(engine, order), EgressRefused)
    assert world.seen == []


@pytest.mark.parametrize("run_id", ["", "..", "run-18", f"{RUN_ID}/set_state", f"{RUN_ID}?x=1", f"{RUN_ID}\r\nx: 1"])
async def test_what_is_no_flow_runs_id_is_never_sent(world: World, engine: Engine, run_id: str) -> None:
    runner, allowed = engine
    run = RunRef(org_id=str(ORG), workflow_name="orders", run_id=run_id)
    assert "UUID" in str(runner.refusal(ResumeRun(run=run), allowed))
    assert isinstance(await give(engine, ResumeRun(run=run)), EgressRefused)
    assert isinstance(await look(engine, run), LookFailed)
    assert world.seen == []


@pytest.mark.parametrize("order", [ResumeRun(run=RUN), ANEW], ids=["again", "anew"])
@pytest.mark.parametrize(
    "found",
    [
        *(flow_run(state) for state in ("COMPLETED", "RUNNING", "PENDING", "SCHEDULED", "PAUSED")),
        flow_run(run_count=2),
    ],
    ids=lambda found: f"{found['state']['type']}-{found['run_count']}",
)
async def test_only_the_failed_run_that_the_order_was_made_from_is_touched(
    world: World, engine: Engine, order: Order, found: dict[str, Any]
) -> None:
    world.on(FLOW_RUN, json_reply(found))
    given = await give(engine, order)
    assert isinstance(given, Rejected)
    assert given.conflict
    assert effects(world) == []


async def test_a_run_that_a_person_cancelled_stays_so(world: World, engine: Engine) -> None:
    world.on(FLOW_RUN, json_reply(flow_run("CANCELLED")))
    assert await give(engine, ResumeRun(run=RUN)) == Rejected(reason="the run was cancelled: it is not run again")
    assert effects(world) == []


@pytest.mark.parametrize("order", [ResumeRun(run=RUN), ANEW], ids=["again", "anew"])
@pytest.mark.parametrize(
    "reply",
    [json_reply({}, 500), json_reply({}, 401), json_reply({}, 404), json_reply({}), Reply(body=b"<html>")],
    ids=["500", "401", "404", "no run", "page"],
)
async def test_what_cannot_be_read_before_the_order_ends_it_without_effect(
    world: World, engine: Engine, order: Order, reply: Reply
) -> None:
    world.on(FLOW_RUN, reply)
    given = await give(engine, order)
    assert isinstance(given, Rejected)
    assert given.dependency_unhealthy is (reply.status == 500)
    assert effects(world) == []


async def test_a_lost_answer_before_the_order_means_that_nothing_was_sent(world: World, engine: Engine) -> None:
    world.on(FLOW_RUN, Reply(drop=True))
    assert isinstance(await give(engine, ResumeRun(run=RUN)), NotSent)
    assert isinstance(await give(engine, ResumeRun(run=RUN), within=timedelta(0)), NotSent)
    assert effects(world) == []


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (
            json_reply({"status": "ABORT", "details": {"reason": "no deployment"}}),
            Rejected(reason="Prefect says ABORT: no deployment"),
        ),
        (
            json_reply({"status": "REJECT", "details": {"reason": "Run is already COMPLETED."}}),
            Rejected(reason="Prefect says REJECT: Run is already COMPLETED."),
        ),
        (
            json_reply({"status": "WAIT", "details": {"delay_seconds": 30, "reason": "slots"}}),
            Rejected(reason="Prefect says WAIT: slots", after=30 * SECOND),
        ),
        (
            json_reply({}, 429, headers=(("Retry-After", "4"),)),
            Rejected(reason="the engine answered 429", dependency_unhealthy=True, after=4 * SECOND),
        ),
        (json_reply({}, 403), Rejected(reason="the engine answered 403")),
    ],
    ids=["abort", "reject", "wait", "429", "403"],
)
async def test_what_prefect_does_not_do_is_rejected(
    world: World, engine: Engine, reply: Reply, means: Rejected
) -> None:
    world.on(SET_STATE, reply)
    assert await give(engine, ResumeRun(run=RUN)) == means


@pytest.mark.parametrize(
    "reply", [json_reply({}, 500), Reply(drop=True), Reply(body=b"?"), json_reply([])], ids=["500", "lost", "?", "[]"]
)
@pytest.mark.parametrize(("order", "path"), [(ResumeRun(run=RUN), SET_STATE), (ANEW, CREATE)], ids=["again", "anew"])
async def test_what_it_may_have_done_is_a_doubt(
    world: World, engine: Engine, order: Order, path: str, reply: Reply
) -> None:
    world.on(path, reply)
    assert isinstance(await give(engine, order), Ambiguous)


async def test_parameters_that_the_deployment_does_not_take_are_no_conflict(world: World, engine: Engine) -> None:
    world.on(CREATE, json_reply({"detail": "not of type integer"}, 409))
    given = await give(engine, ANEW)
    assert given == Rejected(reason="the deployment's own schema does not take the parameters")


async def test_a_run_without_a_deployment_cannot_be_made_anew(world: World, engine: Engine) -> None:
    world.on(FLOW_RUN, json_reply(flow_run(deployment_id=None)))
    assert isinstance(await give(engine, ANEW), Rejected)
    assert effects(world) == []


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", Phase.QUEUED),
        ("RUNNING", Phase.RUNNING),
        ("CANCELLING", Phase.CANCELLING),
        ("PAUSED", Phase.WAITING),
        ("COMPLETED", Phase.SUCCEEDED),
        ("FAILED", Phase.FAILED),
        ("CRASHED", Phase.FAILED),
        ("CANCELLED", Phase.CANCELLED),
    ],
)
async def test_each_state_has_its_phase(world: World, engine: Engine, state: str, phase: Phase) -> None:
    world.on(FLOW_RUN, json_reply(flow_run(state, run_count=3)))
    seen = await look(engine)
    assert isinstance(seen, RunState)
    assert (seen.phase, seen.said, seen.epoch, seen.fence) == (phase, state.title(), 3, "3")
    assert (seen.waits_for is WaitsFor.PERSON) == (phase is Phase.WAITING)


@pytest.mark.parametrize(
    ("until", "phase"),
    [("2026-03-01T12:00:00Z", Phase.QUEUED), ("2026-03-01T12:05:00Z", Phase.WAITING), (None, Phase.QUEUED)],
    ids=["due", "later", "no time"],
)
async def test_a_scheduled_run_waits_until_its_time_by_the_servers_clock(
    world: World, engine: Engine, until: str | None, phase: Phase
) -> None:
    state = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry", "state_details": {"scheduled_time": until}}}
    clock = (("Date", "Sun, 01 Mar 2026 12:00:00 GMT"),)
    world.on(FLOW_RUN, json_reply(flow_run() | state, headers=clock))
    seen = await look(engine)
    assert isinstance(seen, RunState)
    assert seen.phase is phase


@pytest.mark.parametrize(
    "reply",
    [json_reply(flow_run("ODD")), json_reply({}), json_reply(flow_run(), 500), Reply(drop=True)],
    ids=["odd state", "no run", "500", "lost"],
)
async def test_what_is_not_known_tells_nothing(world: World, engine: Engine, reply: Reply) -> None:
    world.on(FLOW_RUN, reply)
    assert isinstance(await look(engine), LookFailed)


async def test_its_orders_are_keyed_and_it_depends_on_its_server(world: World, engine: Engine) -> None:
    runner, _ = engine
    assert {runner.effect(ANEW), runner.effect(ResumeRun(run=RUN))} == {Effect.KEYED}
    assert runner.dependency() == f"http://127.0.0.1:{world.port}"
