"""The runner for the platform's own runs, over runs in the form that the platform documents."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from consumer.catalog import MaosRunner
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Payload,
    Phase,
    Rejected,
    RerunStep,
    RunRef,
    RunState,
    StepPhase,
)
from schemas.names import Effect
from tests.support.healing import ORG
from tests.support.worlds.http_world import World, http_world, json_reply
from tests.support.worlds.recorded import DATE, LIES, Ground, ground

RUN = RunRef(org_id=str(ORG), workflow_name="orders", run_id="run-1", step="draw")
PATH = "/api/runs/run-1"
RERUN = f"{PATH}/steps/draw/rerun"


def step(name: str, *dependencies: str, engine: str = "internal_service") -> dict[str, Any]:
    return {
        "stepId": name,
        "agentName": f"agent of {name}",
        "engineType": engine,
        "action": "act",
        "parameters": {"amount": 42},
        "dependencies": list(dependencies),
    }


def invocation(name: str, status: str, **more: object) -> dict[str, Any]:
    return {"stepId": name, "status": status, "startedAt": "2026-11-30T09:40:00Z", "tokenCostEstimate": 5} | more


def run(status: str, *invocations: dict[str, Any], **changes: object) -> dict[str, Any]:
    plan = {"steps": [step("read"), step("draw", "read", engine="gemini_image"), step("send", "draw")]}
    return {"runId": "run-1", "status": status, "epoch": 1, "plan": plan, "invocations": list(invocations)} | changes


FAILED = run("failed", invocation("read", "completed"), invocation("draw", "failed"))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
async def here(world: World) -> AsyncIterator[Ground]:
    described = MaosRunner.model_validate(
        {
            "kind": "maos",
            "look": {"url": world.url("/api/runs/{run.id}")},
            "rerun_step": {
                "url": world.url("/api/runs/{run.id}/steps/{run.step}/rerun"),
                "body": {"input": "{payload}", "fence": "{run.fence}"},
                "effect": "conditional",
            },
        }
    )
    async with ground(world, described) as opened:
        yield opened


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("pending", Phase.QUEUED),
        ("planning", Phase.RUNNING),
        ("executing", Phase.RUNNING),
        ("completed", Phase.SUCCEEDED),
        ("failed", Phase.FAILED),
        ("cancelled", Phase.CANCELLED),
    ],
)
async def test_every_state_of_a_run_is_mapped(world: World, here: Ground, status: str, phase: Phase) -> None:
    world.on(PATH, json_reply(run(status), headers=(DATE,)))
    seen = await here.seen(RUN)
    assert (seen.phase, seen.said, seen.epoch) == (phase, status, 1)


@pytest.mark.parametrize(
    ("status", "phase", "begun"),
    [
        ("pending", StepPhase.QUEUED, False),
        ("running", StepPhase.RUNNING, True),
        ("completed", StepPhase.SUCCEEDED, True),
        ("failed", StepPhase.FAILED, True),
        ("skipped", StepPhase.SKIPPED, False),
    ],
)
async def test_every_state_of_an_invocation_is_mapped(
    world: World, here: Ground, status: str, phase: StepPhase, begun: bool
) -> None:
    world.on(PATH, json_reply(run("executing", invocation("read", status))))
    found = (await here.seen(RUN)).step("read")
    assert found is not None
    assert (found.phase, found.has_begun) == (phase, begun)


async def test_a_plan_says_what_is_next_and_what_is_blocked(world: World, here: Ground) -> None:
    heard = "2026-11-30T09:41:00Z"
    invocations = (invocation("read", "failed"), invocation("read", "completed", heartbeatAt=heard))
    world.on(PATH, json_reply(run("executing", *invocations)))
    seen = await here.seen(RUN)
    read, draw, send = (seen.step(name) for name in ("read", "draw", "send"))
    assert read is not None
    assert draw is not None
    assert send is not None
    assert (read.attempts, read.completions, read.queue) == (2, 1, "internal_service")
    assert (draw.phase, draw.needs, draw.attempts) == (StepPhase.QUEUED, ("read",), 0)
    assert (send.phase, send.needs) == (StepPhase.BLOCKED, ("draw",))
    assert seen.progress == "1"
    assert str(seen.last_sign_of_life) == "2026-11-30 09:41:00+00:00"
    assert not seen.consumers
    assert not seen.removed


async def test_an_engine_that_is_not_approved_has_no_consumer(world: World, here: Ground) -> None:
    plan = {"steps": [step("read", engine="shell")]}
    world.on(PATH, json_reply(run("executing", plan=plan)))
    assert (await here.seen(RUN)).consumers == {"shell": 0}


async def test_a_dependency_that_the_plan_lacks_is_a_removed_step(world: World, here: Ground) -> None:
    plan = {"steps": [step("draw", "read")]}
    world.on(PATH, json_reply(run("executing", invocation("gone", "completed"), plan=plan)))
    seen = await here.seen(RUN)
    assert seen.removed == {"read": None, "gone": None}


async def test_a_step_is_run_again_over_the_call_that_the_catalog_names(world: World, here: Ground) -> None:
    world.on(PATH, json_reply(FAILED))
    world.on(RERUN, json_reply({"ok": True}))
    fence = (await here.seen(RUN)).fence
    fenced = RunRef(org_id=RUN.org_id, workflow_name="orders", run_id="run-1", step="draw", fence=fence)
    order = RerunStep(run=fenced, payload=Payload(document={"prompt": "x"}))
    assert here.runner.refusal(order, here.allowed) is None
    assert here.runner.effect(order) is Effect.CONDITIONAL
    assert isinstance(await here.give(order), Accepted)
    (sent,) = world.calls(RERUN)
    assert sent.json == {"input": {"prompt": "x"}, "fence": "1:2"}
    world.on(RERUN, json_reply({}, 409))
    moved = await here.give(order)
    assert isinstance(moved, Rejected)
    assert moved.conflict


@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_look_is_believed_nothing(world: World, here: Ground, lie: str) -> None:
    world.on(PATH, LIES[lie])
    assert isinstance(await here.look(RUN), LookFailed)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (run("levitating"), "levitating"),
        (run("executing", invocation("read", "levitating")), "levitating"),
        (run("completed", runId="another"), "another run"),
        (run("completed", plan={"steps": [step("a"), step("a")]}), "two steps of one name"),
        (run("completed", epoch="1"), "unknown form"),
        (run("completed", plan={"steps": [{"stepId": "a"}]}), "unknown form"),
    ],
)
async def test_what_the_platform_does_not_document_says_nothing(
    world: World, here: Ground, document: dict[str, Any], says: str
) -> None:
    world.on(PATH, json_reply(document))
    seen = await here.look(RUN)
    assert isinstance(seen, LookFailed)
    assert says in seen.reason


async def test_a_run_that_the_platform_does_not_know_is_gone(world: World, here: Ground) -> None:
    world.on(PATH, json_reply({"error": "not found"}, 404))
    assert await here.look(RUN) == RunState(phase=Phase.GONE, said="answered 404")
