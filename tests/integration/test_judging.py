"""Answers judged by callers' schemas in the whole service: honest ones all, hostile ones at nobody else's expense."""

from typing import Any
from uuid import UUID

from tests.support.pipeline import Site, call, event, until
from tests.support.worlds.http_world import World, json_reply


def judged(org: UUID, name: str, url: str, pattern: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"v": {"pattern": pattern}}}
    return event(org, name, workflow_name=name, context=call(url, expect={"schema": schema}))


async def test_a_hundred_honest_schemas_at_once_are_all_healed(embedded_place: Site, world: World) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/order", json_reply({"v": "ord-17"}))
    await place.publish(*(judged(org, f"w{n}", world.url(f"/order?{n}"), "^ord-[0-9]+$") for n in range(100)))
    async with place.consumer() as running:
        rows = await running.settled(100)
    assert {row["status"] for row in rows.values()} == {"resolved"}


async def test_hostile_schemas_of_one_organisation_spoil_no_heal_of_another(embedded_place: Site, world: World) -> None:
    place = embedded_place
    hostile, honest = await place.organisation(), await place.organisation()
    world.on("/a", json_reply({"v": "a" * 64 + "!"}))
    world.on("/b", json_reply({"v": "ord-17"}))
    await place.publish(*(judged(hostile, f"a{n}", world.url(f"/a?{n}"), "^(a+)+$") for n in range(40)))
    await place.publish(*(judged(honest, f"b{n}", world.url(f"/b?{n}"), "^ord-[0-9]+$") for n in range(20)))

    async def healed() -> bool:
        return await place.count("workflow_failures WHERE workflow_name LIKE 'b%' AND resolved") == 20

    async with place.consumer():
        await until(healed)
    codes = await place.db.fetch(
        "SELECT DISTINCT a.details->>'code' AS code FROM workflow_heal_attempts a"
        " JOIN workflow_failures f ON f.id = a.failure_id WHERE f.workflow_name LIKE 'a%'"
    )
    assert {row["code"] for row in codes} <= {"unverified", "retry_later"}


async def test_long_answers_of_many_heals_wait_for_their_room_and_are_all_healed(
    embedded_place: Site, world: World
) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/long", json_reply({"text": "x" * 3_000_000}))
    await place.publish(
        *(event(org, n, workflow_name=f"w{n}", context=call(world.url(f"/long?{n}"))) for n in range(24))
    )

    async def healed() -> bool:
        return await place.count("workflow_failures WHERE resolved") == 24

    async with place.consumer():
        await until(healed)
