"""A heal that only waits holds no room and no probe of its dependency, and no slot: honest heals go on beside it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.store.intake import Taken, take_in
from consumer.store.pool import Pool
from consumer.store.waiters import wake_for_room
from tests.support.patience import PATIENCE
from tests.support.pipeline import NEVER_LEFT, SECOND, Site, call, event, until
from tests.support.worlds.http_world import Reply, World, json_reply

GREEDY = 10


def stubborn(org: UUID, world: World, n: int) -> dict[str, Any]:
    """A call that fails, after which the other side is to be left alone for five minutes before it is read back."""
    look = {"url": world.url("/absent"), "after_seconds": 300}
    context = call(world.url("/broken"), "POST", body={"n": n}, read_back=look, error=NEVER_LEFT)
    return event(org, f"s{n}", workflow_name=f"stubborn.{n:03}", context=context)


def honest(org: UUID, world: World, n: int) -> dict[str, Any]:
    return event(org, f"h{n}", workflow_name=f"honest.{n:03}", context=call(world.url("/works")))


def world_of_both(world: World) -> None:
    world.on("/broken", Reply(status=500))
    world.on("/absent", Reply(status=404))
    world.on("/works", json_reply({"done": True}))


async def waiting(place: Site, world: World, number: int = GREEDY) -> bool:
    """Whether so many have made their call, and looked once for its effect."""
    return len(world.calls("/absent")) >= number and await place.count("heal_claim") >= number


async def healed(place: Site, number: int) -> bool:
    return await place.count("workflow_failures WHERE workflow_name LIKE 'honest.%' AND resolved") == number


async def tried(place: Site, world: World, changes: Mapping[str, Any], *, first: int = GREEDY) -> None:
    place = place.changed(heal={"waiter_retry": timedelta(minutes=5), **changes}, breaker={"first": first})
    world_of_both(world)
    org = await place.organisation()
    async with place.consumer() as running:
        await place.publish(*(stubborn(org, world, n) for n in range(GREEDY)))
        await until(lambda: waiting(place, world, min(first, GREEDY)))
        await place.publish(*(honest(org, world, n) for n in range(5)))
        await until(lambda: healed(place, 5))
        assert await place.count("heal_claim") >= min(first, GREEDY)
        await running.abandon()


async def test_heals_that_wait_hold_no_room_of_their_dependency(embedded_place: Site, world: World) -> None:
    await tried(embedded_place, world, {})


async def test_heals_that_wait_hold_no_slot(embedded_place: Site, world: World) -> None:
    await tried(embedded_place, world, {"slots": 4})


async def test_who_waits_for_room_gets_it_when_a_heal_begins_to_wait(embedded_place: Site, world: World) -> None:
    """More than the dependency has room for: those behind make their call once those before them only wait."""
    place = embedded_place.changed(heal={"waiter_retry": timedelta(minutes=5)}, breaker={"first": 3})
    world_of_both(world)
    org = await place.organisation()
    await place.publish(*(stubborn(org, world, n) for n in range(GREEDY)))
    async with place.consumer() as running:
        await until(lambda: waiting(place, world))
        await running.abandon()


async def test_a_probe_that_waits_leaves_its_place_to_the_next(embedded_place: Site, world: World) -> None:
    breaker = {"first": 3, "strikes": 2, "probe_every": SECOND / 5, "probe_cap": SECOND / 5}
    place = embedded_place.changed(heal={"waiter_retry": timedelta(minutes=5)}, breaker=breaker)
    world_of_both(world)
    org = await place.organisation()
    dead = [event(org, f"d{n}", workflow_name=f"dead.{n}", context=call(world.url("/broken"))) for n in range(2)]
    async with place.consumer() as running:
        await place.publish(*dead)
        await until(lambda: opened(place))
        await place.publish(*(stubborn(org, world, n) for n in range(3)))
        await until(lambda: waiting(place, world, 1))
        await place.publish(honest(org, world, 0))
        await until(lambda: healed(place, 1))
        await running.abandon()


async def opened(place: Site) -> bool:
    return await place.count("heal_breaker WHERE opened_at IS NOT NULL") == 1


async def test_who_comes_to_wait_while_others_look_who_waits_is_woken_within_a_round(
    embedded_place: Site, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round looks between the decision that a failure waits and the transaction that stores it, and finds nobody."""
    looked = asyncio.Event()

    async def told_of_look(pool: Pool, rooms: Mapping[str, int]) -> int:
        woken = await wake_for_room(pool, rooms)
        looked.set()
        return woken

    async def after_look(*args: Any) -> Taken:  # noqa: ANN401 - those of take_in
        if len(args[2]) > 1:
            await asyncio.wait_for(looked.wait(), PATIENCE)
        return await take_in(*args)

    monkeypatch.setattr("consumer.pipeline.resume.wake_for_room", told_of_look)
    monkeypatch.setattr("consumer.pipeline.intake.take_in", after_look)
    place = embedded_place.changed(heal={"waiter_retry": timedelta(minutes=5)}, breaker={"first": 1})
    world_of_both(world)
    org = await place.organisation()
    async with place.consumer():
        await place.publish(*(honest(org, world, n) for n in range(8)))
        await until(lambda: healed(place, 8))
    assert looked.is_set()
