"""An engine that is described in the catalog, asked over real HTTP: what it is sent, and what its answers mean."""

from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from consumer.catalog import Host, HttpRunner, Secret, WorkflowPolicy
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.outbound.calls import open_calls
from consumer.runners.configured import ConfiguredRunners
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Payload,
    Phase,
    Rejected,
    ReplaceDefinition,
    RerunStep,
    ResumeRun,
    Runner,
    RunRef,
    RunState,
    StartRun,
)
from schemas.names import Effect
from tests.support.healing import ORG
from tests.support.worlds.http_world import Reply, Script, World, http_world, json_reply

SECOND = timedelta(seconds=1)
RUN = RunRef(org_id=str(ORG), workflow_name="orders.charge", run_id="run-18", epoch=3, step="charge")
RERUN = RerunStep(run=RUN, payload=Payload(document={"quantity": 3}))
LOOK = "/runs/run-18"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


def described(world: World, **changes: dict[str, Any] | None) -> HttpRunner:
    calls: dict[str, Any] = {
        "rerun_step": {
            "url": world.url("/runs/{run.id}/steps/{run.step}/rerun"),
            "headers": {"authorization": "Bearer secret://RUNS"},
            "body": {"input": "{payload}", "epoch": "{run.epoch}"},
            "effect": "keyed",
            "key_header": "Idempotency-Key",
        },
        "resume_run": {"url": world.url("/runs/{run.id}/resume"), "body": {"epoch": "{run.epoch?}"}},
        "replace_definition": {
            "method": "PUT",
            "url": world.url("/definitions/{workflow_name}"),
            "headers": {"if-match": "{definition.replaces}"},
            "body": "{definition}",
            "effect": "idempotent",
        },
        "start_run": {
            "url": world.url("/definitions/{workflow_name}/runs"),
            "body": {"definition": "{definition}", "of": "{definition.replaces}", "input": "{input}"},
            "effect": "keyed",
            "key_header": "Idempotency-Key",
            "new_run": "/id",
        },
        "look": {
            "url": world.url("/runs/{run.id}"),
            "status": "/state",
            "epoch": "/epoch",
            "progress": "/steps_done",
            "phases": {"COMPLETED": "succeeded", "FAILED": "failed", "RUNNING": "running", "ASKED": "waiting"},
        },
    }
    for name, change in changes.items():
        calls[name] = None if change is None else calls[name] | change
    return HttpRunner.model_validate({"kind": "http", "timeout": "PT5S"} | calls)


def allowing(world: World) -> WorkflowPolicy:
    here = Host(host="127.0.0.1", ports=(world.port,), schemes=("http",), addresses=(ip_network("127.0.0.0/8"),))
    return WorkflowPolicy(name="*", hosts=(here,), secrets=("RUNS",), runner="engine")


async def opened(described: HttpRunner, world: World) -> AsyncIterator[tuple[Runner, WorkflowPolicy]]:
    secrets = {"RUNS": Secret(env="TEST_RUNS_TOKEN", hosts=("127.0.0.1",), methods="*", paths="*", headers="*")}
    async with open_calls(secrets) as calls:
        policy = allowing(world)
        runner = ConfiguredRunners({"engine": described}, calls).of(policy)
        assert runner is not None
        yield runner, policy


@pytest.fixture
async def engine(
    world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Runner, WorkflowPolicy]]:
    monkeypatch.setenv("TEST_RUNS_TOKEN", "t0ken-of-runs")
    async for each in opened(described(world, **getattr(request, "param", {})), world):
        yield each


Engine = tuple[Runner, WorkflowPolicy]


async def give(engine: Engine, order: Any, *, key: str = "k-1", within: timedelta = 5 * SECOND) -> Any:  # noqa: ANN401
    runner, policy = engine
    return await runner.give(order, policy, key=key, within=within)


async def look(engine: Engine, run: RunRef = RUN) -> RunState | LookFailed:
    runner, policy = engine
    return await runner.look(run, policy, within=30 * SECOND)


async def test_a_step_is_run_again_with_its_repaired_payload(world: World, engine: Engine) -> None:
    world.on("/runs/run-18/steps/charge/rerun", json_reply({"ok": True}, 202))
    given = await give(engine, RERUN)
    (seen,) = world.seen
    assert given == Accepted(run=RUN, said="answered 202")
    assert seen.method == "POST"
    assert seen.json == {"input": {"quantity": 3}, "epoch": 3}
    assert seen.headers["authorization"] == "Bearer t0ken-of-runs"
    assert seen.headers["content-type"] == "application/json"
    assert seen.key == "k-1"


async def test_without_a_payload_the_engine_takes_the_old_one(world: World, engine: Engine) -> None:
    world.on("/runs/run-18/steps/charge/rerun", json_reply({}))
    assert isinstance(await give(engine, RerunStep(run=RUN)), Accepted)
    assert world.seen[0].json == {"epoch": 3}


async def test_a_run_is_resumed_and_a_definition_replaced(world: World, engine: Engine) -> None:
    world.on("/runs/run-18/resume", json_reply({}))
    world.on("/definitions/orders.charge", json_reply({}))
    replace = ReplaceDefinition(run=RUN, definition={"steps": ["a"]}, replaces="v7")
    assert isinstance(await give(engine, ResumeRun(run=RUN)), Accepted)
    assert isinstance(await give(engine, replace), Accepted)
    resumed, replaced = world.seen
    assert resumed.json == {"epoch": 3}
    assert (replaced.method, replaced.json, replaced.headers["if-match"]) == ("PUT", {"steps": ["a"]}, "v7")


async def test_a_run_of_a_definition_that_is_not_in_force_is_started(world: World, engine: Engine) -> None:
    world.on("/definitions/orders.charge/runs", json_reply({"id": "run-19"}))
    run = RunRef(org_id=str(ORG), workflow_name="orders.charge", run_id="k-1")
    order = StartRun(run=run, definition={"steps": ["a"]}, replaces="v7", given={"quantity": 3})
    given = await give(engine, order)
    assert isinstance(given, Accepted)
    assert given.run.run_id == "run-19"
    (seen,) = world.seen
    assert seen.json == {"definition": {"steps": ["a"]}, "of": "v7", "input": {"quantity": 3}}
    assert seen.key == "k-1"


@pytest.mark.parametrize("engine", [{"rerun_step": {"new_run": "/run/id"}}], indirect=True)
async def test_an_engine_that_makes_a_new_run_is_looked_at_there(world: World, engine: Engine) -> None:
    world.on("/runs/run-18/steps/charge/rerun", json_reply({"run": {"id": 77}}))
    world.on("/runs/77", json_reply({"state": "RUNNING", "epoch": 0}))
    given = await give(engine, RERUN)
    assert given.run.run_id == "77"
    assert given.run.epoch is None
    seen = await look(engine, given.run)
    assert isinstance(seen, RunState)
    assert seen.phase is Phase.RUNNING


@pytest.mark.parametrize("engine", [{"rerun_step": {"new_run": "/run/id"}}], indirect=True)
@pytest.mark.parametrize("answer", [{}, {"run": {"id": None}}, {"run": {"id": ["a"]}}, {"run": {"id": ""}}])
async def test_a_new_run_without_a_name_is_no_success(world: World, engine: Engine, answer: object) -> None:
    world.on("/runs/run-18/steps/charge/rerun", json_reply(answer))
    assert isinstance(await give(engine, RERUN), Ambiguous)


@pytest.mark.parametrize("engine", [{"rerun_step": {"new_run": "/id"}}], indirect=True)
async def test_a_hostile_new_run_leads_nowhere_else(world: World, engine: Engine) -> None:
    world.on("/runs/run-18/steps/charge/rerun", json_reply({"id": "../admin"}))
    given = await give(engine, RERUN)
    assert isinstance(await look(engine, given.run), LookFailed)
    assert len(world.seen) == 1


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (json_reply({}, 409), Rejected(reason="the engine answered 409: it has moved on", conflict=True)),
        (json_reply({}, 412), Rejected(reason="the engine answered 412: it has moved on", conflict=True)),
        (json_reply({}, 404), Rejected(reason="the engine answered 404")),
        (json_reply({}, 501), Rejected(reason="the engine answered 501")),
        (json_reply({}, 307), Rejected(reason="the engine answered 307")),
        (
            json_reply({}, 429, headers=(("Retry-After", "7"),)),
            Rejected(reason="the engine answered 429", dependency_unhealthy=True, after=7 * SECOND),
        ),
        (
            json_reply({}, 503, headers=(("Retry-After", "2"),)),
            Rejected(reason="the engine answered 503", dependency_unhealthy=True, after=2 * SECOND),
        ),
        (json_reply({}, 503), Rejected(reason="the engine answered 503", dependency_unhealthy=True)),
    ],
    ids=lambda each: str(each.status) if isinstance(each, Reply) else "",
)
async def test_what_the_engine_did_not_do_is_rejected(
    world: World, engine: Engine, reply: Reply, means: Rejected
) -> None:
    world.on("/runs/run-18/steps/charge/rerun", reply)
    assert await give(engine, RERUN) == means


@pytest.mark.parametrize("status", [500, 502, 504, 302, 303, 408])
async def test_an_answer_that_may_hide_an_effect_is_no_rejection(world: World, engine: Engine, status: int) -> None:
    world.on("/runs/run-18/steps/charge/rerun", json_reply({}, status))
    assert isinstance(await give(engine, RERUN), Ambiguous)


async def test_an_unsafe_order_trusts_a_503_only_if_it_names_a_time(world: World, engine: Engine) -> None:
    world.on("/runs/run-18/resume", json_reply({}, 503), json_reply({}, 503, headers=(("Retry-After", "1"),)))
    assert isinstance(await give(engine, ResumeRun(run=RUN)), Ambiguous)
    assert isinstance(await give(engine, ResumeRun(run=RUN)), Rejected)


@pytest.mark.parametrize("engine", [{"rerun_step": {"accepted": [303]}}], indirect=True)
async def test_only_a_declared_status_is_acceptance_and_another_2xx_is_a_doubt(world: World, engine: Engine) -> None:
    world.on("/runs/run-18/steps/charge/rerun", json_reply({}, 303), json_reply({}, 200))
    assert isinstance(await give(engine, RERUN), Accepted)
    assert isinstance(await give(engine, RERUN), Ambiguous)


async def test_a_lost_answer_is_ambiguous_and_an_engine_that_is_not_there_was_sent_nothing(
    world: World, engine: Engine
) -> None:
    world.on("/runs/run-18/steps/charge/rerun", Reply(drop=True))
    assert isinstance(await give(engine, RERUN), Ambiguous)
    assert isinstance(await give(engine, RERUN, within=timedelta(0)), NotSent)
    assert len(world.seen) == 1


@pytest.mark.parametrize("engine", [{"rerun_step": {"body": {"epoch": "{run.epoch}"}}}], indirect=True)
async def test_a_payload_without_a_place_is_refused_and_never_dropped(world: World, engine: Engine) -> None:
    runner, policy = engine
    assert "no place for a payload" in str(runner.refusal(RERUN, policy))
    assert isinstance(await give(engine, RERUN), EgressRefused)
    assert runner.refusal(RerunStep(run=RUN), policy) is None
    assert world.seen == []


@pytest.mark.parametrize("engine", [{"resume_run": None}], indirect=True)
async def test_what_is_not_described_is_refused(world: World, engine: Engine) -> None:
    runner, policy = engine
    order = ResumeRun(run=RUN)
    assert "no `resume_run`" in str(runner.refusal(order, policy))
    assert runner.effect(order) is Effect.UNSAFE
    assert isinstance(await give(engine, order), EgressRefused)
    assert world.seen == []


@pytest.mark.parametrize("run_id", ["..", "../../admin", "a/b", "", "a\r\nb"])
async def test_a_run_id_that_points_elsewhere_is_refused_before_anything_is_sent(
    world: World, engine: Engine, run_id: str
) -> None:
    runner, policy = engine
    order = RerunStep(run=RunRef(org_id=str(ORG), workflow_name="w", run_id=run_id, epoch=1, step="s"))
    assert "run.id" in str(runner.refusal(order, policy))
    assert isinstance(await give(engine, order), EgressRefused)
    assert isinstance(await look(engine, order.run), LookFailed)
    assert world.seen == []


async def test_a_host_or_a_secret_that_the_workflow_may_not_use_is_refused(world: World, engine: Engine) -> None:
    runner, policy = engine
    order = RerunStep(run=RUN)
    assert "is not allowed" in str(runner.refusal(order, policy.model_copy(update={"hosts": ()})))
    assert "secret://RUNS is not allowed" in str(runner.refusal(order, policy.model_copy(update={"secrets": ()})))
    given = await runner.give(order, policy.model_copy(update={"hosts": ()}), key="k", within=SECOND)
    assert isinstance(given, EgressRefused)
    assert world.seen == []


async def test_what_it_depends_on_and_does_is_the_catalogs_word(world: World, engine: Engine) -> None:
    runner, _ = engine
    assert runner.dependency() == f"http://127.0.0.1:{world.port}"
    assert runner.effect(RERUN) is Effect.KEYED
    assert runner.effect(ResumeRun(run=RUN)) is Effect.UNSAFE


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (
            json_reply({"state": "COMPLETED", "epoch": 4, "steps_done": ["a", "b"]}),
            RunState(phase=Phase.SUCCEEDED, said="COMPLETED", epoch=4, progress="2"),
        ),
        (
            json_reply({"state": "ASKED", "epoch": 4, "steps_done": 9}),
            RunState(phase=Phase.WAITING, said="ASKED", epoch=4, progress="9"),
        ),
        (json_reply({"error": "who?"}, 404), RunState(phase=Phase.GONE, said="answered 404")),
        (
            json_reply({"state": "ODD", "epoch": 4}),
            LookFailed(reason="the look: the state 'ODD' is not listed under `phases`"),
        ),
        (json_reply({"epoch": 4}), LookFailed(reason="the look: there is no state at /state of the answer")),
        (json_reply([]), LookFailed(reason="the look: there is no state at /state of the answer")),
        (
            json_reply({"state": "RUNNING", "epoch": "4"}),
            LookFailed(reason="the look: there is no whole number at /epoch of the answer"),
        ),
        (
            json_reply({"state": "COMPLETED", "epoch": 4}, 503, headers=(("Retry-After", "3"),)),
            LookFailed(reason="the look: answered 503", dependency_unhealthy=True, after=3 * SECOND),
        ),
        (json_reply({"state": "COMPLETED", "epoch": 4}, 401), LookFailed(reason="the look: answered 401")),
        (Reply(body=b"<html>COMPLETED"), LookFailed(reason="the look: there is no state at /state of the answer")),
        (
            json_reply({"state": "COMPLETED", "epoch": 4, "x": "y" * 2_000_000}),
            LookFailed(reason="the look: an answer too long to be read"),
        ),
    ],
    ids=[
        "done",
        "asked",
        "gone",
        "odd word",
        "no word",
        "no object",
        "odd epoch",
        "dependency_unhealthy",
        "not allowed",
        "page",
        "long",
    ],
)
async def test_a_look_tells_what_the_answer_says_and_nothing_more(
    world: World, engine: Engine, reply: Reply | Script, means: RunState | LookFailed
) -> None:
    world.on(LOOK, reply)
    assert await look(engine) == means


async def test_a_look_that_no_answer_comes_to_tells_nothing(world: World, engine: Engine) -> None:
    world.on(LOOK, Reply(drop=True))
    seen = await look(engine)
    assert isinstance(seen, LookFailed)
    assert seen.dependency_unhealthy
