"""What moves is told to who may see it, without a gap over lost connections, and never at the cost of the others."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from consumer.api.server import STOP_WITHIN
from consumer.console.session import NAME
from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving
from tests.support.patience import PATIENCE
from tests.support.pipeline import until

STREAM = "/api/healing/stream"
STEP = "UPDATE workflow_failures SET step = step + 1 WHERE id = $1"


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000) as served:
        yield served


@dataclass
class Heard:
    """One event."""

    kind: str
    id: str
    told: dict[str, Any]


@asynccontextmanager
async def listening(
    world: World, person: str = "owner", path: str = STREAM, last: str | None = None, exp: int | None = None
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[Heard]]]:
    token = world.signed(person) if exp is None else world.signed(person, exp=exp)
    headers = {"Cookie": f"{NAME}={token.removeprefix('Bearer ')}"} if path == "/live" else {"Authorization": token}
    headers |= {"Last-Event-ID": last} if last else {}
    async with (
        httpx.AsyncClient(
            base_url=world.url, timeout=PATIENCE, headers=headers, trust_env=False, verify=False
        ) as client,
        client.stream("GET", path) as answer,
    ):
        yield answer, events_of(answer)


async def events_of(answer: httpx.Response) -> AsyncIterator[Heard]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Heard(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}


async def hear(events: AsyncIterator[Heard]) -> Heard:
    async with asyncio.timeout(PATIENCE):
        return await anext(events)


@pytest.mark.parametrize("path", [STREAM, "/live"])
async def test_what_moves_is_told_and_a_lost_connection_goes_on_without_a_gap(world: World, path: str) -> None:
    one = await world.failure("one")
    async with listening(world, "admin") as (_, others):  # whoever else watches keeps the moments
        await hear(others)
        async with listening(world, path=path) as (answer, events):
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["Cache-Control"] == "no-store"
            first = await hear(events)
            assert (first.kind, first.told["counts"]["byStatus"]["pending"]) == ("snapshot", 1)
            two = await world.failure("two")
            heard = await hear(events)
            assert (heard.kind, [line["id"] for line in heard.told["changed"]]) == ("moved", [str(two)])
            assert heard.told["counts"]["byStatus"]["pending"] == 2
        assert (await hear(others)).id == heard.id
        await world.pool.execute(STEP, one)
        assert [line["id"] for line in (await hear(others)).told["changed"]] == [str(one)]
        async with listening(world, path=path, last=heard.id) as (_, again):
            missed = await hear(again)
            assert (missed.kind, [line["id"] for line in missed.told["changed"]]) == ("moved", [str(one)])
            await world.pool.execute(STEP, two)
            assert [line["id"] for line in (await hear(again)).told["changed"]] == [str(two)]
    async with listening(world, path=path, last=heard.id) as (_, late):
        assert (await hear(late)).kind == "snapshot"  # nobody watched meanwhile: read anew


async def test_one_failure_is_watched_by_who_may_see_it_alone(world: World) -> None:
    mine, other = await world.failure("mine"), await world.failure("other")
    elsewhere = uuid4()
    await world.pool.execute("INSERT INTO organizations (id) VALUES ($1)", elsewhere)
    theirs = await world.failure("theirs", org_id=elsewhere)
    for person, failure in (("owner", theirs), *((person, mine) for person in OTHERS), ("owner", uuid4())):
        refused = await world.ask("GET", f"{STREAM}?failureId={failure}", person)
        assert error_of(refused) == (404, "not_found")
    assert (await world.ask("GET", STREAM, None)).status_code == 401
    async with listening(world, path=f"{STREAM}?failureId={mine}") as (_, events):
        assert (await hear(events)).told["counts"] is None
        for one in (other, theirs, mine):
            await world.pool.execute(STEP, one)
        assert [line["id"] for line in (await hear(events)).told["changed"]] == [str(mine)]


@pytest.mark.parametrize("person", [*LEADERS, *OTHERS])
async def test_each_hears_of_the_organisations_that_they_lead(world: World, person: str) -> None:
    await world.failure("one")
    async with listening(world, person) as (_, events):
        counts = (await hear(events)).told["counts"]
    assert (counts is not None) == (person in LEADERS)


async def test_a_viewer_too_many_is_turned_away_and_one_who_leaves_makes_room(database: str) -> None:
    async with serving(database, user_burst=1000, streams=3, streams_per_organisation=2) as world:
        async with listening(world) as (_, first), listening(world, "admin") as (_, second):
            await hear(first)
            await hear(second)
            refused = await world.ask("GET", STREAM)
            assert error_of(refused) == (429, "too_many_streams")
            assert int(refused.headers["Retry-After"]) >= 1
            async with listening(world, "stranger") as (_, third):  # in no organisation, so below that cap
                await hear(third)
                assert error_of(await world.ask("GET", STREAM, "stranger")) == (429, "too_many_streams")
        assert await until(lambda: room_again(world))
    async with serving(database, streams_per_address=1) as world, listening(world) as (_, only):
        await hear(only)
        assert error_of(await world.ask("GET", STREAM, "admin")) == (429, "too_many_streams")


async def room_again(world: World) -> bool:
    async with listening(world) as (answer, _):
        return answer.status_code == 200


async def test_a_stream_ends_with_the_token_of_its_viewer(world: World) -> None:
    began = time.monotonic()
    async with listening(world, exp=int(time.time()) + 2) as (_, events):
        kinds = [heard.kind async for heard in events]
    assert kinds == ["snapshot"]
    assert time.monotonic() - began < PATIENCE


async def test_a_stream_lasts_beyond_the_time_of_a_request_and_a_stop_ends_it_at_once(database: str) -> None:
    short = dict.fromkeys(("header_timeout", "body_timeout", "request_timeout", "heal_wait"), timedelta(seconds=0.3))
    async with AsyncExitStack() as outer:
        async with serving(database, **short) as world:
            one = await world.failure("one")
            _, events = await outer.enter_async_context(listening(world))
            await hear(events)
            began = time.monotonic()
            while time.monotonic() - began < 3:  # a request has 0.9 s, and its answer 0.3
                await world.pool.execute(STEP, one)
                assert (await hear(events)).kind == "moved"
            began = time.monotonic()
        assert time.monotonic() - began < STOP_WITHIN.total_seconds()
        assert [heard async for heard in events] == []
