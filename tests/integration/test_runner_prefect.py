"""A real Prefect: runs that really failed are really healed, and nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from consumer.catalog import Host, PrefectRunner, WorkflowPolicy
from consumer.heal.schema_autofix.strategy import SchemaAutofix
from consumer.model import Healed, Json
from consumer.model.call import EgressRefused
from consumer.outbound.calls import open_calls
from consumer.redact import redact_json
from consumer.repair.worker_pool import repair_worker_pool
from consumer.runners.configured import ConfiguredRunners
from consumer.runners.contract import (
    Accepted,
    Order,
    Payload,
    Phase,
    Rejected,
    ReplaceDefinition,
    RerunStep,
    ResumeRun,
    Runner,
    Runners,
    RunRef,
    RunState,
)
from tests.support.healing import ORG, Gate, failure, heal_to_its_end, task
from tests.support.patience import PATIENCE
from tests.support.worlds.http_world import Reply, Seen, World, http_world, json_reply
from tests.support.worlds.prefect_engine import Prefect

WITHIN = timedelta(seconds=60)


class Engine:
    """The runner under test beside the engine itself."""

    def __init__(self, prefect: Prefect, runners: Runners, policy: WorkflowPolicy) -> None:
        self.prefect, self.runners, self.policy = prefect, runners, policy

    @property
    def runner(self) -> Runner:
        found = self.runners.of(self.policy)
        assert found is not None
        return found

    async def give(self, order: Order, key: str = "k-1") -> object:
        assert self.runner.refusal(order, self.policy) is None
        return await self.runner.give(order, self.policy, key=key, within=WITHIN)

    async def look(self, run: RunRef) -> RunState:
        seen = await self.runner.look(run, self.policy, within=WITHIN)
        assert isinstance(seen, RunState), seen
        return seen

    async def until(self, run: RunRef, *phases: Phase) -> RunState:
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = await self.look(run)
                if seen.phase in phases:
                    return seen
                await asyncio.sleep(0.2)

    async def failed(self, world: World, **parameters: object) -> RunRef:
        """Have a run really fail, and give it as a failure event would name it."""
        run_id = await self.prefect.run(world=world.url(""), **parameters)
        run = RunRef(org_id=str(ORG), workflow_name="orders", run_id=run_id, epoch=1, step="charge")
        assert (await self.until(run, Phase.FAILED, Phase.SUCCEEDED)).phase is Phase.FAILED
        return run


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
async def engine(prefect: Prefect) -> AsyncIterator[Engine]:
    here = Host(host="127.0.0.1", ports=(prefect.port,), schemes=("http",), addresses=(ip_network("127.0.0.0/8"),))
    policy = WorkflowPolicy(name="*", hosts=(here,), runner="flows")
    async with open_calls({}) as calls:
        flows = PrefectRunner(kind="prefect", api=prefect.api, timeout=WITHIN)
        yield Engine(prefect, ConfiguredRunners({"flows": flows}, calls), policy)


async def test_a_run_whose_upstream_was_down_goes_on_from_its_failed_step(world: World, engine: Engine) -> None:
    world.on("/reserve", json_reply({}))
    world.on("/charge", json_reply({}, 500))
    run = await engine.failed(world, order=17)
    assert (world.performed("/reserve"), world.performed("/charge")) == (1, 0)

    early = await engine.give(ResumeRun(run=RunRef(org_id=run.org_id, workflow_name="o", run_id=run.run_id, epoch=2)))
    assert isinstance(early, Rejected)
    assert early.conflict

    world.on("/charge", json_reply({}))
    assert await engine.give(ResumeRun(run=run)) == Accepted(run=run, said="scheduled the run again")
    # The order's answer may have been lost: given again with its key, it starts nothing.
    assert await engine.give(ResumeRun(run=run)) == Accepted(run=run, said="it had taken the order before")
    healed = await engine.until(run, Phase.SUCCEEDED, Phase.FAILED)

    assert (healed.phase, healed.epoch) == (Phase.SUCCEEDED, 2)
    assert (world.performed("/reserve"), world.performed("/charge")) == (1, 1)
    assert len(world.calls("/reserve")) == 1
    assert await engine.give(ResumeRun(run=run)) == Accepted(run=run, said="it had taken the order before")
    another = await engine.give(ResumeRun(run=run), key="k-2")
    assert isinstance(another, Rejected)
    assert another.conflict
    assert await engine.prefect.state(run.run_id) == "COMPLETED"


async def test_a_run_with_a_broken_payload_is_healed_by_schema_autofix(world: World, engine: Engine) -> None:
    def charge(_: int, seen: Seen) -> Reply:
        return json_reply({}, 200 if type(seen.json["quantity"]) is int else 422)

    world.on("/reserve", json_reply({}))
    world.on("/charge", charge)
    run = await engine.failed(world, order=18, quantity="3")
    parameters: dict[str, Json] = {"world": world.url(""), "order": 18, "quantity": "3"}
    schema = {"type": "object", "properties": {"quantity": {"type": "integer"}, "order": {"type": "integer"}}}
    broken = failure(
        {
            "run": {"id": run.run_id, "epoch": 1, "step": "charge"},
            "payload": parameters,
            "schema": schema,
        }
    )
    async with repair_worker_pool() as room:
        strategy = SchemaAutofix(engine.runners, room, redact_json)
        planned = task(strategy, broken, engine.policy)
        # A busy engine starts the run later than a heal watches at once: it goes on when it is due.
        async with asyncio.timeout(PATIENCE):
            outcome = await heal_to_its_end(strategy, planned, Gate(left=timedelta(minutes=5)), asyncio.sleep)

    assert isinstance(outcome, Healed), outcome
    assert [seen.json["quantity"] for seen in world.calls("/charge")] == ["3", 3]
    assert len(world.calls("/reserve")) == 1
    assert (await engine.look(run)).phase is Phase.FAILED
    # The same order once more, under the key that the strategy gave it, finds the run that was made.
    made = await engine.prefect.made_for(run.run_id)
    order = RerunStep(run=run, payload=Payload(document=parameters | {"quantity": 3}))
    again = await engine.give(order, made["idempotency_key"])
    assert again == Accepted(run=replace(run, run_id=made["id"], epoch=None), said="made another run")
    assert len(world.calls("/charge")) == 2


async def test_a_payload_that_the_server_would_evaluate_is_never_sent(world: World, engine: Engine) -> None:
    """The control shows that it would: with it a payload could read the server's own variables."""
    trap: dict[str, Json] = {"__prefect_kind": "jinja", "template": "{{ 6 * 7 }}"}
    deployment = f"/deployments/{engine.prefect.deployment}/create_flow_run"
    wish = {"parameters": {"world": world.url(""), "order": 1, "quantity": trap}, "state": {"type": "PAUSED"}}
    made = await engine.prefect.ask("POST", deployment, wish)
    assert made["parameters"]["quantity"] == "42"

    run = RunRef(org_id=str(ORG), workflow_name="orders", run_id=made["id"])
    order = RerunStep(run=run, payload=Payload(document={"a": [{"b": trap}]}))
    assert "evaluate" in str(engine.runner.refusal(order, engine.policy))
    given = await engine.runner.give(order, engine.policy, key="k", within=WITHIN)
    assert isinstance(given, EgressRefused)
    # Paused: a person's to let go on, not ours.
    assert (await engine.look(run)).phase is Phase.WAITING
    assert isinstance(await engine.give(ResumeRun(run=run)), Rejected)
    assert world.seen == []


async def test_what_prefect_does_not_know_or_cannot_do_is_said(engine: Engine) -> None:
    nobody = RunRef(org_id=str(ORG), workflow_name="orders", run_id="00000000-0000-4000-8000-000000000000")
    assert (await engine.look(nobody)).phase is Phase.GONE
    assert isinstance(await engine.give(ResumeRun(run=nobody)), Rejected)
    replace = ReplaceDefinition(run=nobody, definition={}, replaces=None)
    assert "a flow is code" in str(engine.runner.refusal(replace, engine.policy))
