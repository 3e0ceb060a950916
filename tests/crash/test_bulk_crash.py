"""A bulk whose consumers are killed in the middle, again and again: each is healed once, and its progress is right.

With `SHW_FAULT_MATRIX=full` it is one of 10,000 failures, that is stopped in the middle as well.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from schemas.bulk import BulkProgress
from tests.support.pipeline import SECOND, Site, catalog, environment_of, process, until
from tests.support.shw import shw
from tests.support.worlds.http_world import World, json_reply

FULL: Final = os.environ.get("SHW_FAULT_MATRIX") == "full"
NUMBER: Final = 10_000 if FULL else 150
RATE: Final = 200 if FULL else 20
KILLS: Final = 4
WINDOW: Final = "3"
"""Seconds of a claim's window: what a killed process had claimed is taken over after it."""

INSERT = """
INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context, status, due_at, failure_type)
SELECT $1, 'w' || n, 'request timeout', jsonb_build_object('request', jsonb_build_object('method', 'GET',
       'url', $2::text || n)), 'deferred', clock_timestamp() + interval '1 day', 'api_timeout'
  FROM generate_series(1, $3::int) AS n
"""


async def run(place: Site, *arguments: str) -> str:
    ran = await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))
    assert ran.code == 0, ran.err
    return ran.out.decode().strip()


async def done(place: Site) -> int:
    return await place.count("heal_bulk_item WHERE outcome IS NOT NULL")


@pytest.fixture
def _many_attempts(world: World, catalog_file: Path) -> None:
    """A busy machine costs an attempt its window: what is tried is who does it, not how many tries it takes."""
    catalog_file.write_text(catalog(world.port, attempts="20"))


@pytest.mark.usefixtures("_many_attempts")
async def test_a_bulk_through_kills_heals_each_once(embedded_place: Site, world: World, tmp_path: Path) -> None:
    place = embedded_place.changed(kafka={"session_timeout": SECOND}, heal={"lease": SECOND})
    org = await place.organisation(budget=str(NUMBER))
    for n in range(1, NUMBER + 1):
        world.on(f"/{n}", json_reply({"n": n}))
    await place.db.execute(INSERT, org, world.url("/"), NUMBER)
    said = ("--action", "heal", "--org", str(org), "--type", "api_timeout", "--reason", "back", "--rate", str(RATE))
    bulk_id = await run(place, "bulk", "preview", *said)
    await run(place, "bulk", "start", bulk_id)
    for kill in range(1, KILLS + 1):
        enough = kill * NUMBER // (KILLS + 2)

        async def came_so_far(enough: int = enough) -> bool:
            return await done(place) >= enough

        async with process(place.in_another_group(), tmp_path / f"log{kill}", window=WINDOW) as killed:
            await until(came_so_far)
            os.kill(killed.pid, signal.SIGKILL)
            assert await killed.ended() == -signal.SIGKILL
    assert await done(place) < NUMBER
    if FULL:
        await run(place, "bulk", "stop", bulk_id)
        await run(place, "bulk", "start", bulk_id)

    async def is_done() -> bool:
        return bool(await place.count("heal_bulk WHERE state = 'done'"))

    async def has_told_all() -> bool:
        return await place.count("heal_outbox") == 0

    async with process(place.in_another_group(), tmp_path / "log", window=WINDOW):
        await until(is_done)
        await until(has_told_all)
        results = [one for one in await place.results() if one["type"] == "workflow.bulk_progress.v1"]
    assert await place.count("workflow_failures WHERE resolved") == NUMBER
    attempts = await place.db.fetch("SELECT failure_id FROM workflow_heal_attempts WHERE result = 'success'")
    assert set(Counter(row["failure_id"] for row in attempts).values()) == {1}
    told = {one["id"]: BulkProgress.model_validate(one["data"]) for one in results}
    last = max(told.values(), key=lambda one: one.number)
    assert (last.state, last.failures, last.waiting, last.under_way) == ("done", NUMBER, 0, 0)
    assert last.accepted + last.already == NUMBER
    assert last.refused == 0
    assert sorted(one.number for one in told.values()) == list(range(1, last.number + 1))
    assert {one.failure_id for each in told.values() for one in each.outcomes} == {
        row["failure_id"] for row in attempts
    }
    assert json.loads(await run(place, "bulk", "show", bulk_id, "--json"))["state"] == "done"
