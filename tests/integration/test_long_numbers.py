"""Documents whose numbers are short as stored, and as text longer than PostgreSQL prints: nothing fails by one."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from consumer.model import FailureId, OrgId
from consumer.store.attempts import attempt_since, attempts_of
from consumer.store.billing_events import last_report
from consumer.store.definitions import StoredRegistry
from consumer.store.ledger import read_ledger
from consumer.store.reports import stored_diagnoses
from schemas.names import Budget
from tests.support.api_world import World, error_of, serving

NUMBERS: Final = f"[{', '.join(['1e131071'] * 9_000)}]"
"""A hundred KB as it is stored, a KB compressed, and 1.2 GB as text."""
SOON: Final = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


async def hostile_failure(world: World, name: str = "numbers", **columns: Any) -> FailureId:  # noqa: ANN401 - any column
    """A failure that came in while no trigger counted its size."""
    failure_id = await world.failure(name, context=f'{{"n": {NUMBERS}}}', **columns)
    await world.pool.execute("UPDATE workflow_failures SET size = 0 WHERE id = $1", failure_id)
    return failure_id


async def attempt(world: World, failure_id: FailureId, step: int | None, details: str) -> None:
    await world.pool.execute(
        "INSERT INTO workflow_heal_attempts (failure_id, strategy, result, step, details)"
        " VALUES ($1, 'auto-retry', 'failed', $2, $3)",
        failure_id,
        step,
        details,
    )


async def test_a_failure_is_listed_shown_and_asked_for_without_them(world: World) -> None:
    failure_id = await hostile_failure(world)
    await world.failure("plain", context='{"a": 1}')
    listed = {one["failureReason"]: one["context"] for one in (await world.get("/api/healing/failures"))["failures"]}
    assert listed["plain"] == {"a": 1}
    assert listed["numbers"].keys() == {"omitted"}
    shown = await world.get(f"/api/healing/failures/{failure_id}")
    assert (shown["status"], shown["context"].keys()) == ("pending", {"unreadable"})
    edited = await world.ask("POST", f"/api/healing/failures/{failure_id}/edit", json={"payload": 1, "reason": "r"})
    assert error_of(edited) == (409, "refused")
    await world.pool.execute("UPDATE workflow_failures SET status = 'resolved', resolved = true, due_at = NULL")
    asked = await world.ask("POST", "/api/healing/heal", json={"failureId": str(failure_id)})
    assert error_of(asked) == (409, "already_resolved")


@pytest.mark.parametrize("context", ["[1]", '{"a":' * 500 + "1" + "}" * 500, None])
async def test_a_context_that_is_no_readable_object_is_not_edited(world: World, context: str | None) -> None:
    failure_id = await world.failure("odd", context=context)
    edited = await world.ask("POST", f"/api/healing/failures/{failure_id}/edit", json={"payload": 1, "reason": "r"})
    assert edited.status_code == (200 if context is None else 409)


async def test_attempts_are_shown_without_them(world: World) -> None:
    failure_id = await world.failure("one")
    await attempt(world, failure_id, 0, f'{{"n": {NUMBERS}}}')
    await attempt(world, failure_id, None, f'{{"n": {NUMBERS}}}')
    await attempt(world, failure_id, None, f'{{"billing": {{"text": {NUMBERS}}}}}')
    await attempt(world, failure_id, None, '{"n": 1}')
    found = (await world.get(f"/api/healing/failures/{failure_id}/attempts"))["attempts"]
    assert [(one["step"], one["details"]) for one in found if one["details"]] == [(None, {"n": 1})]
    assert len(found) == 4
    since = await attempt_since(world.served, failure_id, 0)
    assert (since is not None, since and since.details) == (True, None)
    async with world.served.acquire() as connection:
        assert len(await attempts_of(connection, failure_id)) == 4
        assert await last_report(connection, failure_id) == ()  # a member's own words are no report of ours


async def test_operators_read_the_ledger_the_registry_and_diagnoses_beside_them(world: World) -> None:
    await world.pool.execute("INSERT INTO token_wallets (org_id) VALUES ($1)", world.org_id)
    metadata = f'{{"budget": {NUMBERS}, "debt_of": {NUMBERS}}}'
    await world.pool.execute(
        "INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata)"
        " VALUES ($1, 'topup', 1, 1, $2)",
        world.org_id,
        metadata,
    )
    async with read_ledger(world.served, OrgId(world.org_id), Budget.TEXT, SOON - timedelta(days=9), SOON) as ledger:
        lines = [line async for line in ledger.lines]
    assert [(line.event_type, line.debt_of) for line in lines] == [("topup", None)]
    for name, config in (("numbers", f'{{"steps": {NUMBERS}}}'), ("deep", "[" * 500 + "]" * 500), ("fine", '{"a": 1}')):
        await world.pool.execute(
            "INSERT INTO deep_agent_workflows (org_id, workflow_name, config) VALUES ($1, $2, $3)",
            world.org_id,
            name,
            config,
        )
    registry, org_id = StoredRegistry(world.served), OrgId(world.org_id)
    entries = [await registry.entry(org_id, name) for name in ("numbers", "deep", "fine")]
    assert [None if one is None else one.config for one in entries] == ["too large", "nested too deep", {"a": 1}]
    await hostile_failure(world, failure_type="unknown")
    await world.failure("plain", context=json.dumps({"a": 1}), failure_type="unknown")
    found = stored_diagnoses(world.served, since=SOON - timedelta(days=9), limit=10)
    read = {one.failure.failure_reason: one.failure.context async for one in found}
    assert read == {"numbers": {}, "plain": {"a": 1}}
