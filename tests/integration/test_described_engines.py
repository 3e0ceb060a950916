"""Dagster and n8n as `docs/engines.md` describes them, over answers that real ones gave."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumer.catalog import Catalog, HttpRunner, parse_catalog
from consumer.model.call import Ambiguous, EgressRefused
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Payload,
    Phase,
    Rejected,
    RerunStep,
    RunRef,
    StepPhase,
)
from schemas.names import Effect
from tests.support.healing import ORG
from tests.support.paths import ROOT
from tests.support.worlds.http_world import World, http_world, json_reply
from tests.support.worlds.recorded import LIES, Ground, ground, recorded

PAGE = (ROOT / "docs" / "engines.md").read_text()
GRAPHQL = "/graphql"
CONFIG = Payload(document={"ops": {"charge": {"config": {"amount": 42}}}})


def catalog_of(engine: str) -> Catalog:
    """The catalog in the section of an engine."""
    section = PAGE[PAGE.index(f"\n## {engine}\n") :]
    return parse_catalog(section.split("```yaml\n", 1)[1].split("```", 1)[0], f"docs/engines.md, {engine}")


@pytest.mark.parametrize(
    ("engine", "kind"),
    [("Airflow", "airflow"), ("Conductor", "conductor"), ("MAOS", "maos"), ("Dagster", "http"), ("n8n", "http")],
)
def test_each_engine_has_a_catalog_that_can_be_copied(engine: str, kind: str) -> None:
    (runner,) = catalog_of(engine).runners.values()
    assert runner.kind == kind


def test_every_kind_of_engine_has_a_section() -> None:
    rooms = {room.name for room in (ROOT / "consumer" / "runners").iterdir() if (room / "engine.py").is_file()}
    assert rooms == {"airflow", "conductor", "http", "kafka", "maos", "prefect", "temporal"}
    for kind in rooms:
        assert f"`{kind}`" in PAGE


def test_the_page_is_linked_from_the_readme() -> None:
    assert "docs/engines.md" in Path(ROOT / "README.md").read_text()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


def at(world: World, engine: str) -> HttpRunner:
    """The engine's description, at the world instead of its address."""
    (runner,) = catalog_of(engine).runners.values()
    origin = f"https://{engine.lower()}.example.com"
    text = runner.model_dump_json(exclude_unset=True).replace(origin, world.url(""))
    return HttpRunner.model_validate_json(text.replace('"x-n8n-api-key":"secret://N8N_KEY"', '"x-key":"k"'))


@pytest.fixture
async def dagster(world: World) -> AsyncIterator[Ground]:
    async with ground(world, at(world, "Dagster")) as opened:
        yield opened


def dagster_run(name: str) -> RunRef:
    run_id = recorded("dagster", name)["data"]["runOrError"]["runId"]
    return RunRef(org_id=str(ORG), workflow_name="order", run_id=run_id, step="charge")


@pytest.mark.parametrize(("name", "phase", "step"), [
    ("failed", Phase.FAILED, StepPhase.FAILED),
    ("succeeded", Phase.SUCCEEDED, StepPhase.SUCCEEDED),
])  # fmt: skip
async def test_a_run_of_dagster_is_read(
    world: World, dagster: Ground, name: str, phase: Phase, step: StepPhase
) -> None:
    world.on(GRAPHQL, json_reply(recorded("dagster", name)))
    run = dagster_run(name)
    seen = await dagster.seen(run)
    found = seen.step("charge")
    assert found is not None
    assert (seen.phase, found.phase, found.attempts) == (phase, step, 1)
    (asked,) = world.calls(GRAPHQL)
    assert asked.json["variables"] == {"id": run.run_id}
    assert asked.json["query"].count("{") == asked.json["query"].count("}") > 0


async def test_a_run_that_dagster_does_not_know_says_nothing(world: World, dagster: Ground) -> None:
    world.on(GRAPHQL, json_reply(recorded("dagster", "unknown")))
    assert isinstance(await dagster.look(dagster_run("failed")), LookFailed)


async def test_a_run_of_dagster_goes_on_in_another_one(world: World, dagster: Ground) -> None:
    world.on(GRAPHQL, json_reply(recorded("dagster", "launched")))
    run = dagster_run("failed")
    given = await dagster.give(RerunStep(run=run))
    assert isinstance(given, Accepted)
    assert given.run.run_id == recorded("dagster", "launched")["data"]["launchRunReexecution"]["run"]["runId"]
    assert world.seen[0].json["variables"] == {"p": {"parentRunId": run.run_id, "strategy": "FROM_FAILURE"}}
    assert dagster.runner.effect(RerunStep(run=run)) is Effect.UNSAFE


async def test_another_input_is_another_order_of_dagster(world: World, dagster: Ground) -> None:
    world.on(GRAPHQL, json_reply(recorded("dagster", "launched_changed")))
    run = dagster_run("failed")
    assert isinstance(await dagster.give(RerunStep(run=run, payload=CONFIG)), Accepted)
    sent = world.seen[0].json["variables"]["p"]
    assert sent["runConfigData"] == CONFIG.document
    assert sent["stepKeys"] == ["charge"]
    assert sent["executionMetadata"]["tags"][1] == {"key": "shw/order", "value": "k-1"}


async def test_a_200_of_dagster_that_says_no_is_a_no(world: World, dagster: Ground) -> None:
    world.on(GRAPHQL, json_reply(recorded("dagster", "refused")))
    given = await dagster.give(RerunStep(run=dagster_run("failed"), payload=CONFIG))
    assert isinstance(given, Rejected)
    assert "RunConfigValidationInvalid" in given.reason


@pytest.mark.parametrize("word", ["PythonError", "", None])
async def test_a_200_of_dagster_that_says_something_else_may_have_been_done(
    world: World, dagster: Ground, word: str | None
) -> None:
    world.on(GRAPHQL, json_reply({"data": {"launchRunReexecution": {"__typename": word}}}))
    given = await dagster.give(RerunStep(run=dagster_run("failed")))
    assert isinstance(given, Ambiguous)


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("engine", ["Dagster", "n8n"])
async def test_a_lying_engine_is_believed_nothing(world: World, engine: str, lie: str) -> None:
    run = RunRef(org_id=str(ORG), workflow_name="order", run_id="7", step="charge")
    for path in (GRAPHQL, "/api/v1/executions/7", "/api/v1/executions/7/retry"):
        world.on(path, LIES[lie])
    async with ground(world, at(world, engine)) as opened:
        seen = await opened.look(run)
        given = await opened.give(RerunStep(run=run))
    assert isinstance(seen, LookFailed) or (seen.phase is Phase.GONE and lie == "a proxy's 404")
    assert not isinstance(given, Accepted)


async def test_n8n_takes_no_input(world: World) -> None:
    run = RunRef(org_id=str(ORG), workflow_name="order", run_id="7", step="Charge")
    async with ground(world, at(world, "n8n")) as opened:
        order = RerunStep(run=run, payload=CONFIG)
        assert "no place for a payload" in str(opened.runner.refusal(order, opened.allowed))
        assert isinstance(await opened.give(order), EgressRefused)
    assert world.seen == []


@pytest.mark.parametrize(
    ("name", "phase", "said"),
    [
        ("failed", Phase.FAILED, "error"),
        ("succeeded", Phase.SUCCEEDED, "success"),
        ("healed", Phase.SUCCEEDED, "error, healed by 2"),
    ],
)
async def test_an_execution_of_n8n_is_read_with_what_came_of_its_retries(
    world: World, name: str, phase: Phase, said: str
) -> None:
    execution = recorded("n8n", name)
    world.on(f"/api/v1/executions/{execution['id']}", json_reply(execution))
    run = RunRef(org_id=str(ORG), workflow_name="order", run_id=execution["id"])
    async with ground(world, at(world, "n8n")) as opened:
        seen = await opened.seen(run)
    assert (seen.phase, seen.said) == (phase, said)


async def test_an_execution_of_n8n_goes_on_in_another_one(world: World) -> None:
    execution, retried = recorded("n8n", "failed"), recorded("n8n", "retried")
    path = f"/api/v1/executions/{execution['id']}/retry"
    world.on(path, json_reply(retried))
    run = RunRef(org_id=str(ORG), workflow_name="order", run_id=execution["id"], step="Charge")
    async with ground(world, at(world, "n8n")) as opened:
        given = await opened.give(RerunStep(run=run))
        assert opened.runner.effect(RerunStep(run=run)) is Effect.UNSAFE
    assert isinstance(given, Accepted)
    assert given.run.run_id == retried["id"] != run.run_id
    (sent,) = world.calls(path)
    assert (sent.json, sent.headers["x-key"]) == ({"loadWorkflow": False}, "k")


N8N_STATES = {
    "new": Phase.QUEUED,
    "running": Phase.RUNNING,
    "waiting": Phase.WAITING,
    "success": Phase.SUCCEEDED,
    "error": Phase.FAILED,
    "crashed": Phase.FAILED,
    "canceled": Phase.CANCELLED,
}


@pytest.mark.parametrize("status", [*N8N_STATES, "unknown"])
async def test_every_status_of_n8n_is_mapped_and_unknown_says_nothing(world: World, status: str) -> None:
    execution = recorded("n8n", "failed") | {"status": status}
    world.on("/api/v1/executions/1", json_reply(execution))
    async with ground(world, at(world, "n8n")) as opened:
        seen = await opened.look(RunRef(org_id=str(ORG), workflow_name="order", run_id="1"))
    expected = N8N_STATES.get(status)
    assert (None if isinstance(seen, LookFailed) else seen.phase) is expected


DAGSTER_STATES = {
    "QUEUED": Phase.QUEUED,
    "NOT_STARTED": Phase.QUEUED,
    "STARTING": Phase.QUEUED,
    "MANAGED": Phase.RUNNING,
    "STARTED": Phase.RUNNING,
    "CANCELING": Phase.CANCELLING,
    "SUCCESS": Phase.SUCCEEDED,
    "FAILURE": Phase.FAILED,
    "CANCELED": Phase.CANCELLED,
}


@pytest.mark.parametrize("status", DAGSTER_STATES)
async def test_every_status_of_dagster_is_mapped(world: World, dagster: Ground, status: str) -> None:
    answer = recorded("dagster", "failed")
    answer["data"]["runOrError"]["status"] = status
    world.on(GRAPHQL, json_reply(answer))
    assert (await dagster.seen(dagster_run("failed"))).phase is DAGSTER_STATES[status]
