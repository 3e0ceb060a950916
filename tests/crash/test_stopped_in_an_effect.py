"""A process that is stopped in the middle of its calls, for longer than its lease, and comes back when others went on.

With `SHW_FAULT_MATRIX=full` it is stopped for two minutes, with the lease and the windows that a deployment has.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import pytest

from tests.support import oracle
from tests.support.pipeline import NEVER_LEFT, SECOND, Process, Site, call, environment_of, event, process, until
from tests.support.shw import shw
from tests.support.worlds.http_world import World, json_reply

FULL: Final = os.environ.get("SHW_FAULT_MATRIX") == "full"
STOPPED_FOR: Final = 120.0 if FULL else 0.0
"""At least; and until the others have settled all."""
WINDOW: Final = "0" if FULL else "1.5"
KINDS: Final = {"idempotent": "GET", "keyed": "POST", "unsafe": "POST"}
DECISIONS: Final = {"none": None, "given": "given_up", "resolved": "resolved"}
NAMES: Final = [f"{kind}-{decision}" for kind in KINDS for decision in DECISIONS]


def path_of(name: str) -> str:
    return f"/{name}"


async def publish(place: Site, world: World, org: UUID) -> None:
    for name in NAMES:
        kind = name.partition("-")[0]
        world.on(path_of(name), json_reply({"done": True}, after=0.2))
        more = {"idempotency_key": name} if kind == "keyed" else {}
        context = call(world.url(path_of(name)), KINDS[kind], error=NEVER_LEFT, **more)
        await place.publish(event(org, name, workflow_name=name, context=context))


async def decide(place: Site) -> None:
    """Give up and resolve while the process stands still, as people do: some over a command, some in SQL."""
    rows = await place.failures()
    given = [str(row["id"]) for name, row in rows.items() if name.endswith("-given")]
    settings = environment_of(place.settings)
    await place.db.execute("UPDATE workflow_failures SET resolved = true WHERE workflow_name LIKE '%-resolved'")
    for one in given:
        ran = await asyncio.to_thread(shw, "give-up", one, "--reason", "enough", settings=settings)
        assert ran.code == 0, ran.err


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the world and the database say at one moment."""

    calls: Counter[str]
    by_the_stopped: int
    attempts: list[asyncpg.Record]
    rows: dict[str, asyncpg.Record]


async def seen(place: Site, world: World, stopped: Process) -> Seen:
    return Seen(
        calls=Counter(one.path.removeprefix("/") for one in world.seen),
        by_the_stopped=sum(one.headers.get("x-process") == str(stopped.pid) for one in world.seen),
        attempts=await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id"),
        rows=await place.failures(),
    )


@pytest.mark.parametrize(
    ("at", "nth"),
    [
        pytest.param("asked", 1, id="before any call was allowed"),
        pytest.param("before", 5, id="between the permission and the first byte, four calls under way"),
        pytest.param("during", 1, id="calls under way, unanswered"),
    ],
)
async def test_who_comes_back_sends_nothing_and_writes_nothing(
    ground: Site, world: World, tmp_path: Path, at: str, nth: int
) -> None:
    place = ground.changed(heal={"lease": 15 * SECOND}) if FULL else ground
    org = await place.organisation("1")
    await publish(place, world, org)
    async with process(place, tmp_path / "log", at=at, nth=str(nth), signal="SIGSTOP", window=WINDOW) as stopped:
        await until(stopped.is_stopped)
        since = time.monotonic()
        await until(lambda: _all_stand(place))
        await decide(place)
        decided = await seen(place, world, stopped)
        async with place.in_another_group().consumer() as successor:
            await successor.settled(len(NAMES))
            await asyncio.sleep(STOPPED_FOR - (time.monotonic() - since))
            before = await seen(place, world, stopped)
            stopped.tell(signal.SIGCONT)
            await until(lambda: _has_lost(stopped))
            stopped.tell(signal.SIGTERM)
            assert await stopped.ended() == 0, stopped.last_lines
            after = await seen(place, world, stopped)
    assert after == before
    assert before.by_the_stopped == decided.by_the_stopped
    for name, row in after.rows.items():
        judge(world, decided, name, row["status"])
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place, [name for name in NAMES if not name.endswith("-none")])
    await oracle.credits_add_up(place, {org: "1"})


def judge(world: World, decided: Seen, name: str, status: str) -> None:
    kind, _, decision = name.partition("-")
    calls = world.calls(path_of(name))
    if kind == "keyed":
        assert {one.key for one in calls} <= {name}
        assert world.performed(path_of(name)) <= 1
    if kind == "unsafe":
        assert len(calls) <= 1
    if decision != "none":
        assert status == DECISIONS[decision]
        assert len(calls) == decided.calls[name]
    elif kind == "unsafe":
        assert status in ("resolved", "needs_person")
        assert calls or status == "needs_person"
    else:
        assert status == "resolved"
        assert calls


async def _all_stand(place: Site) -> bool:
    return await place.count("workflow_failures") == len(NAMES)


async def _has_lost(stopped: Process) -> bool:
    return stopped.said("claim_lost", "settled_by_another")
