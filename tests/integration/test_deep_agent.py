"""The agent through the whole service: a patch is proposed, proven, asked for, and handed over once approved."""

import json
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from consumer.model import FailureId
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.plan_answers import answer_plan
from consumer.store.pool import transaction
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE, FailureStatus
from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import Site, event, until
from tests.support.workflows.orders import DEFINITION, TEXT
from tests.support.worlds.chat_world import ChatWorld, Said, lost
from tests.support.worlds.http_world import World, json_reply
from tests.support.worlds.rewrite_world import (
    MENDED,
    REASON,
    REMOVES_ASSERTION,
    WORKFLOW,
    Model,
    failed_context,
    register,
    registered,
    rewrite_catalog,
)

REWRITE: Final = "DeepAgent-full-workflow-rewrite"


@pytest.fixture
def chat(world: World) -> ChatWorld:
    return ChatWorld(world=world, talk=Model())


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, chat: ChatWorld) -> Site:
    catalog_file.write_text(rewrite_catalog(chat))
    return embedded_place


@pytest.fixture
def tried_once(place: Site, catalog_file: Path, chat: ChatWorld) -> Site:
    catalog_file.write_text(rewrite_catalog(chat).replace("attempts: 3", "attempts: 1"))
    return place


async def broken(place: Site, reason: str = REASON, **more: Any) -> UUID:  # noqa: ANN401 - JSON is anything
    """Publish a failure of a workflow that the registry has."""
    org = await place.organisation("1")
    await register(place.db, org)
    await publish(place, org, reason, **more)
    return org


async def publish(place: Site, org: UUID, reason: str = REASON, n: int = 1, **more: Any) -> None:  # noqa: ANN401
    context = failed_context(**more)
    await place.publish(event(org, n, workflow_name=WORKFLOW, failure_reason=reason, context=context))


async def asked(place: Site) -> FailureStatus:
    async def look() -> list[FailureStatus]:
        return [
            FailureStatus.model_validate(told["data"])
            for told in await place.results()
            if told["type"] == FAILURE_STATUS_TYPE and told["data"]["status"] == "awaiting_approval"
        ]

    return (await until(look))[-1]


async def answer(place: Site, said: FailureStatus, *, approves: bool = True) -> AnswerResult:
    assert said.approval is not None
    given = PlanAnswer(
        approves=approves, plan_hash=said.approval.plan_hash, step=said.step, by="ann", reason="looked at it"
    )
    tell = partial(status_message, outlet=Outlet.of(place.settings.kafka))
    async with transaction(place.db) as connection:
        return (await answer_plan(connection, FailureId(said.failure_id), given, tell)).result


async def results(place: Site) -> list[dict[str, Any]]:
    return [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]


async def test_a_patch_is_proposed_proven_asked_for_and_handed_over_once_approved(place: Site, chat: ChatWorld) -> None:
    org = await broken(place)
    async with place.consumer() as running:
        said = await asked(place)
        assert said.approval is not None
        edits = said.approval.plan["edits"]
        assert edits["patch"] == MENDED
        assert edits["good_runs"] == 1
        told = (await results(place))[-1]
        assert (told["strategy"], told["code"]) == (REWRITE, "awaiting_approval")
        assert told["details"]["agent"]["prompts"] == edits["prompts"]
        assert told["credits"]["spent"] != "0"
        calls = len(chat.asked)
        assert await answer(place, said) is AnswerResult.APPROVED
        row = (await running.settled(1))[WORKFLOW]
    assert row["status"] == "needs_person"
    last = (await results(place))[-1]
    assert (last["strategy"], last["code"], last["details"]["patch"]) == (REWRITE, "needs_person", MENDED)
    assert len(chat.asked) == calls, "what is approved is asked of no model again"
    config = await place.db.fetchval("SELECT config FROM deep_agent_workflows")
    assert json.loads(config) == registered(), "no definition is replaced"
    await oracle.credits_add_up(place, {org: "1"})


async def test_what_is_denied_is_proposed_no_more(place: Site, chat: ChatWorld) -> None:
    await broken(place)
    async with place.consumer() as running:
        said = await asked(place)
        calls = len(chat.asked)
        assert await answer(place, said, approves=False) is AnswerResult.DENIED
        row = (await running.settled(1))[WORKFLOW]
    assert row["status"] == "given_up"
    assert len(chat.asked) == calls


async def test_a_definition_that_has_changed_since_needs_another_patch_and_another_yes(
    place: Site, chat: ChatWorld
) -> None:
    org = await broken(place)
    async with place.consumer() as running:
        first = await asked(place)
        changed = registered()
        changed["definition"] = DEFINITION | {"budget": {"maxCost": 61}}
        await register(place.db, org, changed)
        await answer(place, first)

        async def another() -> bool:
            return (await asked(place)).step > first.step

        await until(another)
        assert (await running.settled(1))[WORKFLOW]["status"] == "awaiting_approval"
    second = await asked(place)
    assert first.approval is not None
    assert second.approval is not None
    assert second.approval.plan_hash != first.approval.plan_hash
    assert isinstance(chat.talk, Model)
    assert chat.talk.states.count("propose") == 2


async def test_the_checks_refuse_what_the_agent_must_not_do_and_tell_it_why(place: Site, chat: ChatWorld) -> None:
    chat.talk = Model(patches=[REMOVES_ASSERTION, MENDED])
    await broken(place)
    async with place.consumer():
        said = await asked(place)
    assert said.approval is not None
    assert said.approval.plan["edits"]["patch"] == MENDED
    [told] = await results(place)
    first, second = told["details"]["patches"]
    assert first["findings"]
    assert not second["findings"]
    assert "assertion" in json.dumps(chat.asked[-2])


async def test_a_hostile_failure_text_gets_nothing(place: Site, chat: ChatWorld) -> None:
    hostile: list[dict[str, Any]] = [
        {"op": "replace", "path": "/steps/2/parameters/account", "value": "acct-evil-77"},
        {"op": "replace", "path": "/steps/2/parameters/amount", "value": 98765},
        {"op": "add", "path": "/steps/2/parameters/url", "value": "https://pay.attacker.example/"},
    ]
    chat.talk = Model(patches=[[one, *MENDED] for one in hostile])
    await broken(place, note=TEXT)
    async with place.consumer() as running:
        row = (await running.settled(1))[WORKFLOW]
    assert row["status"] == "given_up"
    assert row, await results(place)
    tried = [one for told in await results(place) for one in told.get("details", {}).get("patches", ())]
    assert len(tried) >= len(hostile)
    assert all(one["findings"] for one in tried)
    assert await place.db.fetchval("SELECT count(*) FROM heal_rewrite") == 0


async def test_controls_without_a_fault_end_in_giving_up(place: Site, chat: ChatWorld) -> None:
    chat.talk = Model(gives_up_at="understand")
    org, controls = await place.organisation("9"), 30 if FULL else 3
    for n in range(controls):
        await register(place.db, org, name=f"{WORKFLOW}.{n}")
        await place.publish(
            event(org, n, workflow_name=f"{WORKFLOW}.{n}", failure_reason=REASON, context=failed_context())
        )
    async with place.consumer() as running:
        rows = await running.settled(controls)
    assert {row["status"] for row in rows.values()} == {"given_up"}
    assert all("gives up" in told["details"]["reason"] for told in await results(place))
    assert await place.db.fetchval("SELECT count(*) FROM heal_rewrite") == 0


@pytest.mark.parametrize("mishap", ["lost", "refused", "nonsense", "prose"])
async def test_a_providers_trouble_costs_what_it_cost_and_ends_clean(
    tried_once: Site, chat: ChatWorld, mishap: str
) -> None:
    place = tried_once
    if mishap == "lost":
        chat.mishap = lost
    elif mishap == "refused":
        chat.talk = lambda _, __: json_reply({"error": {"message": "no"}}, 401)
    elif mishap == "nonsense":
        chat.talk = lambda _, __: json_reply({"choices": "none"})
    else:
        chat.talk = lambda _, __: Said(text="Certainly! Here is what I would do.")
    org = await broken(place)
    async with place.consumer() as running:
        row = (await running.settled(1))[WORKFLOW]
    assert row["status"] == "given_up"
    [told] = await results(place)
    assert (told["strategy"], told["result"]) == (REWRITE, "failed")
    spent = float(told["credits"]["spent"])
    assert (spent == 0) is (mishap == "refused")
    await oracle.credits_add_up(place, {org: "1"})


async def test_without_a_registered_definition_or_good_runs_no_model_is_asked(place: Site, chat: ChatWorld) -> None:
    org = await place.organisation("1")
    await register(place.db, org, {"definition": DEFINITION})
    await publish(place, org)
    async with place.consumer() as running:
        await running.settled(1)
    [told] = await results(place)
    assert "recorded good runs" in told["details"]["reason"]
    assert not chat.asked
