"""`shw replay` beside consumers that are busy: nothing is lost, nothing is healed twice, and the counts add up."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from schemas.rfc3339 import format_time
from tests.support import oracle
from tests.support.pipeline import NEVER_LEFT, Running, Site, call, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.http_world import World, json_reply

PAST, LOST, OPEN, LIVE = 150, 50, 30, 150
TWICE, POISON = 30, 20


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n:03}" for n in range(count)]


def failures(world: World, org: UUID, wanted: list[str]) -> list[dict[str, Any]]:
    """Every third is an un-keyed call, every third a keyed one, the others read."""
    made = []
    for n, name in enumerate(wanted):
        more = {"idempotency_key": name} if n % 3 == 1 else {}
        context = call(world.url(f"/{name}"), ("GET", "POST", "POST")[n % 3], error=NEVER_LEFT, **more)
        made.append(event(org, name, workflow_name=name, context=context))
    return made


async def replayed(place: Site) -> Ran:
    since = format_time(datetime(2026, 1, 1, tzinfo=UTC))
    return await asyncio.to_thread(shw, "replay", "--since", since, settings=environment_of(place.settings))


def accepted(*consumers: Running) -> int:
    return int(sum(one.metric("shw_events_total", outcome="accepted") for one in consumers))


async def test_two_replays_beside_two_busy_consumers_lose_nothing_and_heal_nothing_twice(
    kafka_place: Site, world: World
) -> None:
    place = kafka_place
    org, poor = await place.organisation("1000"), await place.organisation("0")
    past, waiting, live = names("past", PAST), names("open", OPEN), names("live", LIVE)
    for name in (*past, *live):
        world.on(f"/{name}", json_reply({"done": True}))
    before = failures(world, org, past)
    await place.publish(*before, *before[:TWICE], *(b"poison %d" % n for n in range(POISON)))
    await place.publish(*failures(world, poor, waiting))
    async with place.consumer() as one, place.consumer() as other:
        await one.settled(PAST + OPEN)
        # As after a restore: the offsets are committed, and these failures are not there.
        lost = past[:LOST]
        await place.db.execute(
            "DELETE FROM token_usage_events WHERE attempt_id IN (SELECT a.id FROM workflow_heal_attempts a"
            " JOIN workflow_failures f ON f.id = a.failure_id WHERE f.workflow_name = ANY($1::text[]))",
            lost,
        )
        await place.db.execute("DELETE FROM workflow_failures WHERE workflow_name = ANY($1::text[])", lost)
        rows = await place.failures()
        called, stored = Counter(seen.path for seen in world.seen), accepted(one, other)
        first, second, _ = await asyncio.gather(
            replayed(place), replayed(place), place.publish(*failures(world, org, live), *(b"more", b"poison"))
        )
        await one.settled(PAST + OPEN + LIVE)
        await until(lambda: _lag_is_gone(one, other))
        stored = accepted(one, other) - stored
    for ran in (first, second):
        assert ran.code == 0, ran.err
        (told,) = ran.json
        assert told["read"] == sum(told.values()) - told["read"]
        assert told["conflicting"] == 0
        assert told["read"] >= PAST + TWICE + POISON + OPEN
        assert told["dead_letters"] in range(POISON, POISON + 3)
    # Each failure that came anew was stored by one of the four.
    assert stored + first.json[0]["new"] + second.json[0]["new"] == LOST + LIVE
    now = await place.failures()
    assert sorted(now) == sorted([*past, *waiting, *live])
    assert {name: now[name] for name in past[LOST:]} == {name: rows[name] for name in past[LOST:]}
    assert {now[name]["status"] for name in (*past, *live)} == {"resolved"}
    assert {now[name]["status"] for name in waiting} == {"deferred"}
    made = Counter(seen.path for seen in world.seen) - called
    assert made == Counter(f"/{name}" for name in (*lost, *live))
    assert len(await place.letters()) == POISON + 2
    await oracle.one_attempt_per_step(place)


async def _lag_is_gone(*consumers: Running) -> bool:
    return sum(one.metric("shw_consumer_lag_records", partition="0") for one in consumers) == 0
