"""What comes after a person's yes: one canary run, the definition in force, a watch, and a rollback on a relapse."""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from consumer.model import FailureId, OrgId
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.definitions import StoredRegistry
from consumer.store.plan_answers import answer_plan
from consumer.store.pool import open_pool, transaction
from schemas.definition_change import DEFINITION_CHANGE_TYPE
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE
from tests.support import oracle
from tests.support.pipeline import Site, event, until
from tests.support.worlds.chat_world import ChatWorld
from tests.support.worlds.http_world import World
from tests.support.worlds.rewrite_world import (
    REASON,
    WORKFLOW,
    Model,
    RunsEngine,
    failed_context,
    register,
    registered,
    rewrite_catalog,
)

REWRITE: Final = "DeepAgent-full-workflow-rewrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A place whose catalog has an agent and an engine."""

    place: Site
    chat: ChatWorld
    runs: RunsEngine
    org: UUID

    async def fail(self, n: int = 1) -> None:
        context = failed_context()
        await self.place.publish(event(self.org, n, workflow_name=WORKFLOW, failure_reason=REASON, context=context))

    async def asked(self) -> dict[str, Any]:
        async def look() -> list[dict[str, Any]]:
            told = [one["data"] for one in await self.place.results() if one["type"] == FAILURE_STATUS_TYPE]
            return [one for one in told if one["status"] == "awaiting_approval"]

        return (await until(look))[-1]

    async def approve(self) -> dict[str, Any]:
        said = await self.asked()
        given = PlanAnswer(
            approves=True, plan_hash=said["approval"]["plan_hash"], step=said["step"], by="ann", reason="looked at it"
        )
        tell = partial(status_message, outlet=Outlet.of(self.place.settings.kafka))
        async with transaction(self.place.db) as connection:
            answered = await answer_plan(connection, FailureId(UUID(said["failure_id"])), given, tell)
        assert answered.result is AnswerResult.APPROVED
        return said

    async def configs(self) -> list[dict[str, Any]]:
        rows = await self.place.db.fetch("SELECT config FROM deep_agent_workflows ORDER BY created_at")
        return [json.loads(row["config"]) for row in rows]

    async def watch(self) -> Any:  # noqa: ANN401 - a record
        return await self.place.db.fetchrow("SELECT * FROM heal_definition_watch")

    async def watched(self, state: str) -> Any:  # noqa: ANN401 - a record
        async def look() -> Any:  # noqa: ANN401
            row = await self.watch()
            return row if row is not None and row["state"] == state else None

        return await until(look)

    async def told(self, kind: str = HEAL_RESULT_TYPE) -> list[dict[str, Any]]:
        return [one["data"] for one in await self.place.results() if one["type"] == kind]

    async def in_force(self) -> None:
        """Have a rewrite put in force."""
        await self.fail()
        async with self.place.consumer() as running:
            await self.approve()
            row = (await running.settled(1))[WORKFLOW]
        assert row["status"] == "resolved"


@pytest.fixture
def canary() -> str:
    """How long a canary may take."""
    return "PT30M"


@pytest.fixture
def scripted(world: World, catalog_file: Path, canary: str) -> tuple[ChatWorld, RunsEngine]:
    chat, runs = ChatWorld(world=world, talk=Model()), RunsEngine(world=world)
    catalog_file.write_text(rewrite_catalog(chat, runs, canary=canary))
    return chat, runs


@pytest.fixture
async def stage(embedded_place: Site, scripted: tuple[ChatWorld, RunsEngine]) -> Stage:
    chat, runs = scripted
    org = await embedded_place.organisation("1")
    await register(embedded_place.db, org)
    return Stage(place=embedded_place, chat=chat, runs=runs, org=org)


def mended() -> dict[str, Any]:
    config = registered()
    steps = [dict(step) for step in config["definition"]["steps"]]
    steps[2]["retries"] = 2
    return {**config, "definition": {**config["definition"], "steps": steps}}


def same_steps(left: dict[str, Any], right: dict[str, Any]) -> bool:
    kept = [{**step} for step in left["definition"]["steps"]]
    for step in kept:
        for empty in ("parameters", "dependencies"):
            if not step.get(empty):
                step.pop(empty, None)
    return bool(kept == right["definition"]["steps"])


async def test_what_is_approved_runs_once_and_is_put_in_force_beside_what_it_replaces(stage: Stage) -> None:
    stage.runs.looks = 1  # it is suspended meanwhile
    await stage.fail()
    async with stage.place.consumer() as running:
        said = await stage.approve()
        row = (await running.settled(1))[WORKFLOW]
        changes = partial(running.metric, "shw_definition_changes_total")
        assert (changes(state="watching"), changes(state="rolled_back")) == (1, 0)
    assert said["approval"]["plan"]["edits"]["canary"]["input"] == failed_context()["workflow"]["failing_run"]["input"]
    assert row["status"] == "resolved"
    (order,) = stage.runs.started
    assert order["definition"]["steps"][2]["retries"] == 2
    before, after = await stage.configs()
    assert before == registered()
    assert same_steps(after, mended())
    assert after["goodRuns"] == before["goodRuns"]
    told = (await stage.told())[-1]
    assert (told["strategy"], told["result"], told["evidence"][0]["oracle"]) == (REWRITE, "success", "canary")
    assert told["details"]["canary"]["run"] == "run-1"
    watch = await stage.watch()
    assert (watch["state"], watch["failure_id"]) == ("watching", row["id"])
    assert watch["watch_until"] - watch["changed_at"] > timedelta(days=6)
    [change] = await stage.told(DEFINITION_CHANGE_TYPE)
    assert (change["state"], change["attempt_id"]) == ("watching", told["attempt_id"])
    await oracle.credits_add_up(stage.place, {stage.org: "1"})


async def test_a_canary_that_fails_has_replaced_nothing(stage: Stage) -> None:
    stage.runs.always = "failed"
    await stage.fail()
    async with stage.place.consumer() as running:
        await stage.approve()

        async def canary_failed() -> bool:
            return any("canary" in told["details"].get("reason", "") for told in await stage.told())

        await until(canary_failed)
        await running.settled(1)
    assert await stage.configs() == [registered()]
    assert await stage.watch() is None
    assert len(stage.runs.started) == 1
    assert await stage.told(DEFINITION_CHANGE_TYPE) == []


@pytest.mark.parametrize("canary", ["PT1S"])
async def test_a_canary_without_an_end_is_ended(stage: Stage) -> None:
    stage.runs.looks = 1000
    await stage.fail()
    async with stage.place.consumer() as running:
        await stage.approve()
        await until(partial(_list, stage.runs.ended))
        await running.settled(1)
    assert await stage.configs() == [registered()]


async def _list(found: list[str]) -> list[str]:
    return found


async def test_a_relapse_within_the_window_puts_back_what_stood_there(stage: Stage) -> None:
    await stage.in_force()
    stage.chat.talk = Model(gives_up_at="understand")
    await stage.fail(2)
    async with stage.place.consumer():
        watch = await stage.watched("rolled_back")
    assert watch["relapse_id"] is not None
    before, mended_one, back = await stage.configs()
    assert same_steps(back, before)
    assert not same_steps(mended_one, before)
    first, second = await stage.told(DEFINITION_CHANGE_TYPE)
    assert (first["state"], second["state"]) == ("watching", "rolled_back")
    assert second["relapse_failure_id"] == str(watch["relapse_id"])


async def test_a_window_without_a_relapse_keeps_it(stage: Stage) -> None:
    await stage.in_force()
    await stage.place.db.execute(
        "UPDATE heal_definition_watch SET watch_until = now() - interval '1 s', look_due = now() - interval '1 s'"
    )
    await stage.fail(2)  # too late for the window
    async with stage.place.consumer():
        await stage.watched("kept")
    assert len(await stage.configs()) == 2


@pytest.mark.parametrize("broken_off", ["promoting", "rolling_back", "rolling_back after its call"])
async def test_what_was_broken_off_is_brought_to_an_end(stage: Stage, broken_off: str) -> None:
    """A process died in the middle: nobody has a claim on it any more."""
    await stage.in_force()
    if broken_off.endswith("after its call"):
        await register(stage.place.db, stage.org)
    state = broken_off.partition(" ")[0]
    await stage.place.db.execute("UPDATE heal_definition_watch SET state = $1, look_due = now()", state)
    async with stage.place.consumer():
        await stage.watched("rolled_back")
    assert same_steps((await stage.configs())[-1], registered())
    assert len(await stage.configs()) == 3


async def test_what_somebody_else_has_put_there_since_is_not_undone(stage: Stage) -> None:
    await stage.in_force()
    theirs = registered()
    theirs["definition"] = {**theirs["definition"], "budget": {"maxCost": 61}}
    await register(stage.place.db, stage.org, theirs)
    await stage.place.db.execute("UPDATE heal_definition_watch SET state = 'rolling_back', look_due = now()")
    async with stage.place.consumer():
        await stage.watched("superseded")
    assert (await stage.configs())[-1] == theirs


async def test_of_two_who_replace_one_version_one_does(embedded_place: Site) -> None:
    org = OrgId(await embedded_place.organisation("1"))
    await register(embedded_place.db, org)
    async with open_pool(embedded_place.settings.postgres) as pool:
        registry = StoredRegistry(pool)
        found = await registry.entry(org, WORKFLOW)
        assert found is not None
        mine, theirs = uuid4(), uuid4()
        first = await registry.put(org, WORKFLOW, {"a": 1}, replaces=found.version, row_id=mine)
        assert first is not None
        assert first.version.startswith(str(mine))
        assert await registry.put(org, WORKFLOW, {"a": 1}, replaces=found.version, row_id=mine) == first
        second = await registry.put(org, WORKFLOW, {"b": 2}, replaces=found.version, row_id=theirs)
        assert second == first
        # What somebody wrote over is another version, though its row is the same.
        await embedded_place.db.execute("UPDATE deep_agent_workflows SET config = '{}' WHERE id = $1", mine)
        assert await registry.put(org, WORKFLOW, {"c": 3}, replaces=first.version, row_id=uuid4()) != first
        assert await embedded_place.db.fetchval("SELECT count(*) FROM deep_agent_workflows") == 2
