"""Where a heal hands over to, or reads back from, is a dependency too: it counts for breaker and quota of its own."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest

from tests.support.pipeline import Running, Site, call, event, until
from tests.support.worlds.http_world import World, http_world, json_reply

EVENTS: Final = 60
OK = json_reply({"done": True})
ILL = json_reply({}, 503)
QUICK: Final = {"probe_every": timedelta(milliseconds=200), "probe_cap": timedelta(milliseconds=200), "first": 5}


@pytest.fixture
async def other() -> AsyncIterator[World]:
    async with http_world() as second:
        yield second


def allow(place: Site, *worlds: World) -> Site:
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(
        "version: 1\nsources: [{source: '*', organisations: '*'}]\nworkflows:\n- name: '*'\n"
        f"  hosts: [{{host: 127.0.0.1, ports: [{', '.join(str(world.port) for world in worlds)}],"
        " schemes: [http], addresses: [127.0.0.0/8]}]\n"
        "  attempts: 20\n  backoff: PT0.1S\n  auto_retry: {tries: 2, timeout: PT2S, base: PT0.01S}\n"
    )
    return place.changed(breaker=QUICK, heal={"waiter_retry": timedelta(minutes=5)})


async def all_resolved(running: Running) -> bool:
    return await running.place.count("workflow_failures WHERE resolved") == EVENTS


async def test_a_host_that_takes_no_hand_over_is_called_a_few_times_and_then_probed(
    embedded_place: Site, world: World, other: World
) -> None:
    place, org = allow(embedded_place, world, other), await embedded_place.organisation()
    world.on("/get", OK)
    other.on("/resume", ILL)
    context = [call(world.url(f"/get?n={n}"), resume={"url": other.url("/resume")}) for n in range(EVENTS)]
    await place.publish(*(event(org, n, workflow_name=f"w{n}", context=one) for n, one in enumerate(context)))
    async with place.consumer() as running:
        await until(lambda: _probed(place, 2))
        assert len(other.calls("/resume")) < EVENTS
        assert len(world.calls("/get")) < EVENTS
        other.on("/resume", OK)
        await until(lambda: all_resolved(running))
        assert running.metric("shw_breaker_changes_total", change="opened") >= 1
    assert await place.count("heal_breaker") == 0


async def test_a_host_that_cannot_be_read_back_from_is_called_a_few_times_and_then_probed(
    embedded_place: Site, world: World, other: World
) -> None:
    place, org = allow(embedded_place, world, other), await embedded_place.organisation()
    world.on("/order", OK)
    other.on("/orders", ILL)
    look = {"url": other.url("/orders"), "expect": {"status": [200]}, "after_seconds": 0}
    context = [call(world.url(f"/order?n={n}"), "POST", read_back=look) for n in range(EVENTS)]
    await place.publish(*(event(org, n, workflow_name=f"w{n}", context=one) for n, one in enumerate(context)))
    async with place.consumer() as running:
        await until(lambda: _probed(place, 2))
        assert len(other.calls("/orders")) < EVENTS
        assert world.calls("/order") == []
        other.on("/orders", OK)
        await until(lambda: all_resolved(running))


async def _probed(place: Site, times: int) -> bool:
    return bool(await place.count(f"heal_breaker WHERE failed_probes >= {times}"))


async def test_a_small_event_pushes_no_flood_of_bytes(embedded_place: Site, world: World, other: World) -> None:
    allowed, answer = 200_000, {"rows": ["x" * 50_000]}
    place = allow(embedded_place, world, other).changed(outbound={"bytes_burst": allowed, "bytes_per_second": 1})
    org = await embedded_place.organisation()
    world.on("/get", json_reply(answer))
    other.on("/resume", OK)
    context = [call(world.url(f"/get?n={n}"), resume={"url": other.url("/resume")}) for n in range(EVENTS)]
    await place.publish(*(event(org, n, workflow_name=f"w{n}", context=one) for n, one in enumerate(context)))
    async with place.consumer() as running:
        rows = await running.settled(EVENTS)
    assert sum(len(seen.body) for seen in other.calls("/resume")) < allowed + 60_000
    states = [row["status"] for row in rows.values()]
    assert set(states) == {"resolved", "deferred"}
    assert len(world.calls("/get")) < EVENTS / 2, "what cannot be handed over is not fetched again and again"
    reason = await place.db.fetchval(
        "SELECT details ->> 'reason' FROM workflow_heal_attempts WHERE details ->> 'code' = 'retry_later' LIMIT 1"
    )
    assert f"organisation {org}" in reason
    assert "SHW_OUTBOUND__" in reason


async def test_calls_beyond_an_organisations_budget_are_made_later(embedded_place: Site, world: World) -> None:
    place = allow(embedded_place, world).changed(outbound={"calls_burst": 7, "calls_per_second": 0.01})
    org, quiet = await embedded_place.organisation(), await embedded_place.organisation()
    world.on("/get", OK)
    await place.publish(
        *(event(org, n, workflow_name=f"w{n}", context=call(world.url(f"/get?n={n}"))) for n in range(EVENTS)),
        event(quiet, "other", workflow_name="quiet", context=call(world.url("/get?quiet"))),
    )
    async with place.consumer() as running:
        rows = await running.settled(EVENTS + 1)
    assert len(world.calls("/get")) == 8
    assert rows["quiet"]["status"] == "resolved"
