"""A plan is approved with another input, by a signed command and by `shw approve`: of a repair, and of a request."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.heal_result import FAILURE_STATUS_TYPE, FailureStatus
from tests.support.commander import Commander, answers, command, send, write_keys
from tests.support.pipeline import Site, catalog, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.http_engine import ORDER, SENT, TAKEN, Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import Reply, Seen, World, json_reply

OTHER = TAKEN | {"amount": 43}
LOSSY = SENT | {"junk": "x"}
REASON = "Validation failed: '42' is not of type 'integer'"


@pytest.fixture
def maos() -> Commander:
    return Commander.new()


@pytest.fixture
def place(embedded_place: Site, tmp_path: Path, maos: Commander) -> Site:
    keys = write_keys(tmp_path / "keys.yaml", maos.entry())
    return embedded_place.changed(commands={"keys_file": keys, "group_id": f"commands.{uuid4().hex[:12]}"})


def write_catalog(place: Site, text: str) -> None:
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(text)


async def asked(place: Site, status: str = "awaiting_approval") -> FailureStatus:
    async def look() -> list[FailureStatus]:
        told = [one["data"] for one in await place.results() if one["type"] == FAILURE_STATUS_TYPE]
        return [FailureStatus.model_validate(one) for one in told if one["status"] == status]

    return (await until(look))[-1]


async def stands(place: Site, status: str) -> bool:
    return bool(await place.db.fetchval("SELECT status FROM workflow_failures") == status)


def approval(said: FailureStatus, changes: Mapping[str, Any]) -> dict[str, Any]:
    assert said.approval is not None
    answer = {"plan_hash": said.approval.plan_hash, "step": said.step, "changes": dict(changes)}
    return command("approve", said.org_id, said.failure_id, reason="43 it is", **answer)


async def run_approve(place: Site, said: FailureStatus, changes: Path) -> Ran:
    assert said.approval is not None
    plan = ("--hash", said.approval.plan_hash, "--step", str(said.step))
    words = ("approve", str(said.failure_id), *plan, "--reason", "43 it is", "--changes", str(changes))
    return await asyncio.to_thread(shw, *words, settings=environment_of(place.settings))


def declare_repairs(place: Site, world: World) -> None:
    text = engine_catalog(world, schema=ORDER, grade="lossy")
    write_catalog(place, text.replace("  hosts:", "  approval: {lossy: true}\n  hosts:", 1))


def declare_calls(place: Site, world: World) -> None:
    write_catalog(place, catalog(world.port, approval="{strategies: [auto-retry]}"))


async def a_lossy_repair(place: Site, world: World) -> tuple[Engine, FailureStatus]:
    """Publish a failure whose repair is asked for, and give the engine that takes another payload."""
    engine = Engine(world=world)
    engine.run("run-1", takes=lambda given: bool(given == OTHER))
    org = await place.organisation("1")
    await place.publish(event(org, "1", failure_reason=REASON, context=refused_payload("run-1", LOSSY)))
    return engine, await asked(place)


def orders(_n: int, seen: Seen) -> Reply:
    return (
        json_reply({"id": "o-17"}, 201) if seen.json == {"order": 43} else json_reply({"error": "no such order"}, 422)
    )


def request(world: World, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    return {
        "method": "POST",
        "url": world.url("/orders"),
        "body": {"order": 42},
        "idempotency_key": "key-1",
        "expect": {"status": [201]},
    } | changes


async def a_marked_call(place: Site, world: World) -> FailureStatus:
    """Publish a failed call whose plan is asked for; the other side takes another body only."""
    world.on("/orders", orders)
    await place.publish(event(await place.organisation("1"), "1", context={"request": request(world)}))
    return await asked(place)


async def test_a_supervisor_approves_another_payload(place: Site, world: World, maos: Commander) -> None:
    declare_repairs(place, world)
    async with place.consumer():
        engine, said = await a_lossy_repair(place, world)
        await send(place, maos.token(approval(said, {"payload": OTHER}), "cmd-1"))
        (answer,) = await answers(place, 1)
        await until(lambda: stands(place, "resolved"))
    assert answer["data"]["outcome"] == "accepted", answer
    assert said.approval is not None
    told = (await asked(place, "pending")).approval
    assert told is not None
    assert answer["data"]["plan_hash"] == told.plan_hash != said.approval.plan_hash
    assert engine.inputs["run-1"] == [OTHER]


async def test_a_supervisor_approves_another_input_of_a_request(place: Site, world: World, maos: Commander) -> None:
    declare_calls(place, world)
    async with place.consumer():
        said = await a_marked_call(place, world)
        await send(place, maos.token(approval(said, {"request": request(world, body={"order": 43})}), "cmd-1"))
        (answer,) = await answers(place, 1)
        await until(lambda: stands(place, "resolved"))
    assert answer["data"]["outcome"] == "accepted", answer
    assert [(seen.json, seen.key) for seen in world.calls("/orders")] == [({"order": 43}, "key-1")]


async def test_changes_that_a_command_may_not_make_are_refused_and_the_plan_stands(
    place: Site, world: World, maos: Commander
) -> None:
    declare_calls(place, world)
    async with place.consumer():
        said = await a_marked_call(place, world)
        wrong: dict[str, dict[str, Any]] = {
            "may not be changed": {"request": request(world, idempotency_key="key-2")},
            "evil.example": {"request": request(world, url="http://evil.example/orders")},
            "expect": {"request": request(world, expect={"status": [201, 422]})},
            "only another request": {"payload": {"order": 43}},
            "hold a secret": {"request": request(world, headers={"authorization": "Bearer sk_live_4eC39HqLyjWDarj"})},
        }
        for number, changes in enumerate(wrong.values()):
            await send(place, maos.token(approval(said, changes), f"cmd-{number}"))
        found = await answers(place, len(wrong))
        assert [one["data"]["outcome"] for one in found] == ["refused"] * len(wrong)
        assert [why for why, one in zip(wrong, found, strict=True) if why not in one["data"]["reason"]] == []
        assert await stands(place, "awaiting_approval")
        assert world.calls("/orders") == []
        await send(place, maos.token(approval(said, {"request": request(world, body={"order": 43})}), "cmd-9"))
        await until(lambda: stands(place, "resolved"))


async def test_an_operator_approves_with_a_file_of_changes(place: Site, world: World, tmp_path: Path) -> None:
    file = tmp_path / "changes.json"
    declare_repairs(place, world)
    async with place.consumer():
        engine, said = await a_lossy_repair(place, world)
        file.write_text(json.dumps({"payload": {"order_id": 7}}))
        refused = await run_approve(place, said, file)
        assert (refused.code, "does not follow its schema" in refused.err) == (1, True), refused.err
        file.write_text("[1, 2")
        unreadable = await run_approve(place, said, file)
        assert (unreadable.code, "is no JSON" in unreadable.err) == (2, True), unreadable.err
        assert await stands(place, "awaiting_approval")
        file.write_text(json.dumps({"payload": OTHER}))
        ran = await run_approve(place, said, file)
        assert ran.code == 0, ran.err
        await until(lambda: stands(place, "resolved"))
    told = (await asked(place, "pending")).approval
    assert told is not None
    assert told.plan_hash in ran.err
    assert engine.inputs["run-1"] == [OTHER]


async def test_an_operator_approves_another_input_of_a_request(place: Site, world: World, tmp_path: Path) -> None:
    file = tmp_path / "changes.json"
    declare_calls(place, world)
    async with place.consumer():
        said = await a_marked_call(place, world)
        file.write_text(json.dumps({"request": request(world, body={"order": 43})}))
        ran = await run_approve(place, said, file)
        assert ran.code == 0, ran.err
        await until(lambda: stands(place, "resolved"))
    assert [seen.json for seen in world.calls("/orders")] == [{"order": 43}]
    by = await place.db.fetchval("SELECT details -> 'approval' -> 'by' FROM workflow_heal_attempts")
    assert by is not None


async def test_a_command_with_changes_of_another_organisation_finds_nothing(
    place: Site, world: World, maos: Commander
) -> None:
    declare_calls(place, world)
    async with place.consumer():
        said = await a_marked_call(place, world)
        stranger = approval(said, {"request": request(world)}) | {"org_id": str(UUID(int=7))}
        await send(place, maos.token(stranger, "cmd-1"))
        (answer,) = await answers(place, 1)
    assert answer["data"]["outcome"] == "not_found"
