"""Plans over the API: an owner or admin reads and answers them; a member and a stranger do neither, nor by writing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from consumer.model import FailureId, OrgId
from consumer.model.approval import AskedPlan, PlanRequest
from consumer.store.approvals import ask_plans
from consumer.store.pool import transaction
from schemas.names import StrategyName
from tests.support.api_world import World, error_of, serving

HASH = "ab" * 32


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


async def asked(world: World) -> FailureId:
    """Make a failure whose plan waits for its answer."""
    failure_id = await world.failure(status="awaiting_approval", step=1)
    request = PlanRequest(
        strategy=StrategyName.AUTO_RETRY,
        rung="auto-retry",
        plan={"strategy": "auto-retry"},
        plan_hash=HASH,
        base_hash=HASH,
        why=("marked",),
        asked=1,
        asks=3,
        valid_for=timedelta(hours=1),
        approvers=1,
        self_approval=True,
    )
    plan = AskedPlan(
        failure_id=failure_id,
        org_id=OrgId((await world.row(failure_id))["org_id"]),
        step=1,
        request=request,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    async with transaction(world.pool) as connection:
        await ask_plans(connection, [plan])
    return failure_id


def body(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    return {"planHash": HASH, "step": 1, "reason": "fine"} | changes


async def test_an_admin_reads_the_plan_and_approves_it_and_the_healer_is_woken(world: World) -> None:
    failure_id = await asked(world)
    path = f"/api/healing/failures/{failure_id}/plan"
    plan = await world.get(path)
    assert (plan["planHash"], plan["step"], plan["state"], plan["plan"]) == (
        HASH,
        1,
        "asked",
        {"strategy": "auto-retry"},
    )
    answered = await world.ask("POST", f"{path}/approve", json=body())
    assert answered.status_code == 200, answered.text
    assert answered.json()["result"] == "approved"
    row = await world.row(failure_id)
    assert (row["status"], row["step"]) == ("pending", 2)
    assert (await world.get(path))["answers"][0]["by"] == str(world.people["owner"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"planHash": "0" * 64}, "other_plan", id="another plan"),
        pytest.param({"step": 0}, "other_step", id="another step"),
        pytest.param({"step": "1"}, "invalid_request", id="a step that is a text"),
        pytest.param({"step": True}, "invalid_request", id="a step that is no number"),
    ],
)
async def test_an_answer_to_another_plan_is_refused_with_the_reason(
    world: World, changes: dict[str, Any], code: str
) -> None:
    failure_id = await asked(world)
    path = f"/api/healing/failures/{failure_id}/plan"
    status = 422 if code == "invalid_request" else 409
    assert error_of(await world.ask("POST", f"{path}/approve", json=body(**changes))) == (status, code)
    assert (await world.row(failure_id))["status"] == "awaiting_approval"


async def test_a_denial_passes_the_strategy_over(world: World) -> None:
    failure_id = await asked(world)
    answered = await world.ask("POST", f"/api/healing/failures/{failure_id}/plan/deny", json=body(reason="no"))
    assert answered.json()["result"] == "denied"
    denied = await world.pool.fetchval("SELECT denied ->> 'auto-retry' FROM heal_approval")
    assert denied.endswith("no")


@pytest.mark.parametrize("person", ["member", "stranger"])
async def test_who_administers_nothing_neither_reads_nor_answers_a_plan(world: World, person: str) -> None:
    failure_id = await asked(world)
    path = f"/api/healing/failures/{failure_id}/plan"
    assert error_of(await world.ask("GET", path, person)) == (404, "not_found")
    for verb in ("approve", "deny"):
        assert error_of(await world.ask("POST", f"{path}/{verb}", person, json=body())) == (404, "not_found")
    assert (await world.row(failure_id))["status"] == "awaiting_approval"


@pytest.mark.parametrize("role", ["authenticated", "anon"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE heal_approval SET state = 'approved'",
        "INSERT INTO heal_approval_answer SELECT id, 1, 'me', true, '' FROM workflow_failures",
        "UPDATE workflow_failures SET status = 'pending'",
        "SELECT plan FROM heal_approval",
    ],
)
async def test_no_signed_in_user_approves_by_writing_tables(world: World, role: str, statement: str) -> None:
    await asked(world)
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
