"""Stopped as one should: every member goes in the middle of the stream, and nothing is done or told twice."""

import asyncio
import signal
from collections import Counter, defaultdict
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from tests.support import oracle
from tests.support.faults.ground import BUDGET, PARTITIONS, judge
from tests.support.pipeline import Process, Site, process, until
from tests.support.stream import failures_of
from tests.support.worlds.http_world import World

MINUTE = timedelta(minutes=1)
MEMBERS = 2
ROUNDS = 12
PAUSE = 0.1
"""Seconds between two rounds, so that members come and go while events arrive."""


async def test_a_rolling_restart_of_all_members_does_nothing_twice(ground: Site, world: World, tmp_path: Path) -> None:
    org = await ground.organisation(BUDGET)
    async with AsyncExitStack() as stack:
        old = [await stack.enter_async_context(_member(ground, tmp_path / f"old{n}")) for n in range(MEMBERS)]
        await until(lambda: _all_assigned(old))
        all_of_them = list(old)
        publishing = asyncio.create_task(_publish(ground, world, org))
        for n, member in enumerate(old):
            all_of_them.append(await stack.enter_async_context(_member(ground, tmp_path / f"new{n}")))
            await until(lambda: _all_assigned(all_of_them))
            member.tell(signal.SIGTERM)
            assert await member.ended() == 0, member.last_lines
        names = await publishing
        await until(lambda: oracle.at_rest(ground, len(names)))
        await until(ground.all_committed)
    told = Counter(one["id"] for one in await ground.results())
    assert {event_id: times for event_id, times in told.items() if times > 1} == {}, "told twice"
    assert sum(not member.said('"unfinished":0') for member in old) == 0, "a member left with heals unfinished"
    assert not any(member.said("claim_inherited", "outbox_left_over") for member in old)
    made_by: dict[str, set[str]] = defaultdict(set)
    for span in world.spans:
        made_by[span.seen.headers["x-attempt"]].add(span.seen.headers["x-process"])
    assert {attempt: made for attempt, made in made_by.items() if len(made) > 1} == {}, "two processes made one attempt"
    await judge(ground, world, org, names, letters=())


def _member(ground: Site, log: Path) -> AbstractAsyncContextManager[Process]:
    """Start a member that has the time to end what it is at, and is missed by nobody before, on whatever machine."""
    unhurried = ground.changed(
        kafka={"session_timeout": MINUTE, "rebalance_timeout": 3 * MINUTE}, heal={"lease": MINUTE}
    )
    settings = unhurried.settings.model_copy(update={"drain": 2 * MINUTE})
    return process(replace(unhurried, settings=settings), log, patient="yes")


async def _all_assigned(members: list[Process]) -> bool:
    return all(member.said('"partitions_assigned"') for member in members)


async def _publish(ground: Site, world: World, org: UUID) -> list[str]:
    names: list[str] = []
    for n in range(ROUNDS):
        events = failures_of(world, org, n)
        for number, one in enumerate(events.values()):
            await ground.publish(one, partition=number % PARTITIONS)
        names += events
        await asyncio.sleep(PAUSE)
    return names
