"""Edits that lose or fill in values are asked for exactly, before anything is sent, and made once they are approved."""

import time
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest
from pydantic import SecretStr

from consumer.model import FailureId, JsonObject
from consumer.model.approval import AnswerResult, ChangedPlan, PlanAnswer
from consumer.pipeline.changed_plans import change_plan
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.store.approvals import failure_of
from consumer.store.plan_answers import answer_plan
from consumer.store.pool import transaction
from schemas.heal_result import FAILURE_STATUS_TYPE, FailureStatus
from tests.support import oracle
from tests.support.api import api_of
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, event, until
from tests.support.worlds.http_engine import ORDER, SENT, TAKEN, Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import World

REASON = "Validation failed: '42' is not of type 'integer'"
SECRET = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
JWT_SECRET = "a secret of the tests that is long enough for HS256"
LOSSY = SENT | {"junk": "x"}


@pytest.fixture
def engine(world: World) -> Engine:
    return Engine(world=world)


@pytest.fixture
def declared(world: World, catalog_file: Path) -> Path:
    text = engine_catalog(world, schema=ORDER, grade="lossy", guarded=["/amount"])
    catalog_file.write_text(text.replace("  hosts:", "  approval: {lossy: true, money: true}\n  hosts:", 1))
    return catalog_file


@pytest.fixture
def place(embedded_place: Site, declared: Path) -> Site:
    assert declared.is_file()
    return embedded_place


async def asked(place: Site) -> FailureStatus:
    async def look() -> list[FailureStatus]:
        return [
            FailureStatus.model_validate(told["data"])
            for told in await place.results()
            if told["type"] == FAILURE_STATUS_TYPE and told["data"]["status"] == "awaiting_approval"
        ]

    return (await until(look))[0]


async def answer(
    place: Site, said: FailureStatus, *, approves: bool, changed: ChangedPlan | None = None
) -> AnswerResult:
    assert said.approval is not None
    given = PlanAnswer(
        approves=approves,
        plan_hash=said.approval.plan_hash,
        step=said.step,
        by="ann",
        reason="looked at it",
        changed=changed,
    )
    tell = partial(status_message, outlet=Outlet.of(place.settings.kafka))
    async with transaction(place.db) as connection:
        return (await answer_plan(connection, FailureId(said.failure_id), given, tell)).result


async def stands(place: Site, status: str) -> bool:
    return bool(await place.db.fetchval("SELECT status FROM workflow_failures") == status)


@pytest.mark.parametrize(
    ("payload", "marked"),
    [
        pytest.param(LOSSY, "leaves out", id="a value is left out"),
        pytest.param(SENT, "guarded", id="a guarded field is touched"),
    ],
)
async def test_edits_are_asked_for_before_anything_is_sent_and_made_once_approved(
    place: Site, engine: Engine, payload: dict[str, Any], marked: str
) -> None:
    org = await place.organisation("1")
    engine.run("run-1")
    await place.publish(event(org, "1", failure_reason=REASON, context=refused_payload("run-1", payload)))
    async with place.consumer() as running:
        said = await asked(place)
        await running.settled(1)
        assert said.approval is not None
        assert marked in said.approval.why[0]
        assert said.approval.plan["edits"]["patch"]
        assert engine.inputs["run-1"] == []
        assert await place.db.fetchval("SELECT count(*) FROM heal_claim") == 0
        assert await place.db.fetchval("SELECT attempts FROM workflow_failures") == 0
        assert await answer(place, said, approves=True) is AnswerResult.APPROVED
        await until(lambda: stands(place, "resolved"))
    assert engine.inputs["run-1"] == [TAKEN]
    await oracle.credits_add_up(place, {org: "1"})


async def test_denied_edits_are_never_sent(place: Site, engine: Engine) -> None:
    org = await place.organisation("1")
    engine.run("run-1")
    await place.publish(event(org, "1", failure_reason=REASON, context=refused_payload("run-1", LOSSY)))
    async with place.consumer():
        said = await asked(place)
        assert await answer(place, said, approves=False) is AnswerResult.DENIED
        await until(lambda: stands(place, "given_up"))
    assert engine.inputs["run-1"] == []
    assert engine.orders("run-1") == []


async def change(place: Site, running: Running, said: FailureStatus, changes: JsonObject) -> ChangedPlan | str:
    async with transaction(place.db) as connection:
        failure = await failure_of(connection, FailureId(said.failure_id))
    assert failure is not None
    stages = running.consumer.stages
    return await change_plan(failure, changes, stages.catalogs.current, stages.strategies, stages.clock.now())


async def test_an_approval_with_another_payload_covers_the_plan_of_that_payload_and_tells_it(
    place: Site, engine: Engine
) -> None:
    other = TAKEN | {"amount": 43}
    org = await place.organisation("1")
    engine.run("run-1", takes=lambda given: bool(given == other))
    await place.publish(event(org, "1", failure_reason=REASON, context=refused_payload("run-1", LOSSY)))
    async with place.consumer() as running:
        said = await asked(place)
        assert said.approval is not None
        changed = await change(place, running, said, {"payload": other})
        assert isinstance(changed, ChangedPlan)
        assert changed.plan_hash != said.approval.plan_hash
        assert await answer(place, said, approves=True, changed=changed) is AnswerResult.APPROVED
        await until(lambda: stands(place, "resolved"))
        told = [one["data"] for one in await place.results() if one["data"].get("approval")][-1]
    assert engine.inputs["run-1"] == [other]
    assert (told["status"], told["approval"]["plan_hash"]) == ("pending", changed.plan_hash)
    assert told["approval"]["plan"]["order"]["payload"] == other
    acted = await place.db.fetchval(
        "SELECT details -> 'approval' ->> 'planHash' FROM workflow_heal_attempts WHERE result = 'success'"
    )
    assert acted == changed.plan_hash


async def test_an_owner_approves_another_payload_over_the_api(place: Site, engine: Engine) -> None:
    other, user, org = TAKEN | {"amount": 43}, uuid4(), await place.organisation("1")
    await place.db.execute("INSERT INTO user_organizations VALUES ($1, $2, 'owner')", user, org)
    claims = {"sub": str(user), "aud": "authenticated", "exp": int(time.time()) + 600}
    signed = {"Authorization": f"Bearer {jwt.encode(claims, JWT_SECRET, algorithm='HS256')}"}
    engine.run("run-1", takes=lambda given: bool(given == other))
    await place.publish(event(org, "1", failure_reason=REASON, context=refused_payload("run-1", LOSSY)))
    signing = place.changed(api={"jwt_secret": SecretStr(JWT_SECRET)})
    async with (
        signing.consumer() as running,
        api_of(running) as address,
        httpx2.AsyncClient(base_url=address, headers=signed, timeout=PATIENCE) as client,
    ):
        said = await asked(place)
        assert said.approval is not None
        path = f"/api/healing/failures/{said.failure_id}/plan/approve"
        given = {"planHash": said.approval.plan_hash, "step": said.step, "reason": "43 it is"}
        secret = given | {"changes": {"payload": TAKEN | {"order_id": SECRET}}}
        refused = await client.post(path, json=secret)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "changes_refused"), refused.text
        answered = await client.post(path, json=given | {"changes": {"payload": other}})
        assert (answered.status_code, answered.json()["result"]) == (200, "approved"), answered.text
        assert answered.json()["planHash"] != said.approval.plan_hash
        await until(lambda: stands(place, "resolved"))
    assert engine.inputs["run-1"] == [other]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"payload": {"order_id": 7}}, "does not follow its schema", id="against its schema"),
        pytest.param({"run": {"id": "another", "step": "charge"}}, "only another payload", id="another run"),
        pytest.param({"payload": TAKEN | {"order_id": SECRET}}, "secret", id="a secret"),
    ],
)
async def test_changes_that_may_not_be_made_are_refused_and_say_why(
    place: Site, engine: Engine, changes: JsonObject, why: str
) -> None:
    org = await place.organisation("1")
    engine.run("run-1")
    await place.publish(event(org, "1", failure_reason=REASON, context=refused_payload("run-1", LOSSY)))
    async with place.consumer() as running:
        refused = await change(place, running, await asked(place), changes)
    assert isinstance(refused, str)
    assert why in refused
    assert engine.orders("run-1") == []
