"""Watches of runners through the whole service: what failed at the engine is told once, by whichever replica lives."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consumer.errors import LostClaim
from consumer.model import FailureId, Message, OrgId, OwnerId
from consumer.model.runner_watch import SeenRun, WatchCursor, WatchPlace
from consumer.store import runner_watches as store
from consumer.store.pool import open_pool
from tests.support.pipeline import Running, Site, catalog, event, until
from tests.support.worlds.engine_site import told
from tests.support.worlds.http_world import World
from tests.support.worlds.watched_airflow import WatchedAirflow

RUNS = 500
PUBLISHED = 100
HEALS: dict[str, Any] = {
    "auto_retry": {"tries": 2, "timeout": "PT20S", "base": "PT0.01S"},
    "steps": {"load": {"again": "yes"}},
}
FAILED_AT = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def airflow(world: World) -> WatchedAirflow:
    return WatchedAirflow(world=world)


@pytest.fixture
def watched(world: World, catalog_file: Path) -> Callable[..., None]:
    """Declare the world as the engine of all workflows, and have `orders` watched for an organisation."""

    def declare(org: UUID, *, policy: dict[str, Any] | None = None, **watch: object) -> None:
        watch |= {"every": "PT1S", "calls_a_minute": 6000, "workflows": [{"name": "orders", "organisation": str(org)}]}
        runner = {"kind": "airflow", "api": world.url("/api"), "watch": watch}
        more = {"strategies": "[]"} if policy is None else {name: json.dumps(one) for name, one in policy.items()}
        text = catalog(world.port, runner="engine", **more)
        catalog_file.write_text(f"{text}runners: {json.dumps({'engine': runner})}\n")

    return declare


async def looked(running: Running, times: int = 1) -> None:
    """Wait for so many more complete rounds of looks."""
    look = "SELECT looked_at FROM heal_runner_watch WHERE runner = 'engine'"
    for _ in range(times):
        before = await running.place.db.fetchval(look)

        async def moved(before: datetime = before) -> bool:
            return bool(await running.place.db.fetchval(look) != before)

        await until(moved)


async def test_failed_runs_are_told_once_across_a_crash_beside_a_producer_that_tells_some(
    embedded_place: Site, airflow: WatchedAirflow, watched: Callable[..., None]
) -> None:
    place = embedded_place
    org = await place.organisation()
    watched(org)
    for n in range(RUNS):
        airflow.fail(f"run-{n:03}")
    runs = [{"id": f"run-{n:03}", "epoch": 1, "step": "load"} for n in range(0, RUNS, RUNS // PUBLISHED)]
    await place.publish(*(event(org, run["id"], workflow_name="orders", context={"run": run}) for run in runs))
    seen = "SELECT count(*) FROM heal_watch_seen"
    async with place.consumer() as first:

        async def is_halfway() -> bool:
            return bool(150 <= await place.db.fetchval(seen) < RUNS)

        await until(is_halfway)
        await first.abandon()
    assert await place.db.fetchval(seen) < RUNS, "it was to die in the middle"
    async with place.in_another_group().consumer() as second:

        async def is_through() -> bool:
            return bool(await place.db.fetchval(seen) == RUNS)

        await until(is_through)

        async def is_settled() -> bool:
            await second.consumer.publisher.forget_acked()
            return await place.is_settled(RUNS)

        await until(is_settled)
        await looked(second, 2)
    rows = await place.db.fetch("SELECT context #>> '{run,id}' AS run FROM workflow_failures")
    assert sorted(row["run"] for row in rows) == [f"run-{n:03}" for n in range(RUNS)]
    assert await place.count("heal_outbox") == 0
    assert await place.letters() == []


async def test_a_run_that_nobody_reports_is_found_and_healed(
    embedded_place: Site, airflow: WatchedAirflow, watched: Callable[..., None]
) -> None:
    place = embedded_place
    watched(await place.organisation(), policy=HEALS)
    airflow.fail("run-1", error=("requests.exceptions.ReadTimeout", "Read timed out. (read timeout=10)"))
    async with place.consumer() as running:
        rows = await running.settled(1)
        await running.counted("shw_watched_runs_total", 1, found="told")
        await looked(running)
    result = await told(place, "orders")
    assert (result["result"], result["strategy"]) == ("success", "auto-retry"), result
    assert airflow.runs[0]["state"] == "success"
    context = json.loads(rows["orders"]["context"])
    assert context["run"] == {"id": "run-1", "status": "failed", "epoch": 1, "step": "load"}
    assert context["watch"] == {"runner": "engine", "found": "failed"}
    assert rows["orders"]["source"] == "urn:shw:watch:engine"
    assert await place.count("workflow_failures") == 1


@pytest.mark.parametrize("by_producer", [False, True])
async def test_a_run_that_fails_again_before_it_is_healed_stays_one_failure(
    embedded_place: Site, airflow: WatchedAirflow, watched: Callable[..., None], *, by_producer: bool
) -> None:
    place = embedded_place
    org = await place.organisation()
    watched(org)
    if by_producer:
        await place.publish(
            event(org, workflow_name="orders", context={"run": {"id": "run-1", "epoch": 1, "step": "load"}})
        )
    else:
        airflow.fail("run-1")
    async with place.consumer() as running:
        await running.settled(1)
        if by_producer:
            airflow.fail("run-1")
        airflow.tasks["run-1"][1]["try_number"] = 2
        airflow.runs[0]["end_date"] = datetime.now(UTC).isoformat()
        await running.counted("shw_watched_runs_total", 1, found="still_open")
        await looked(running)
    assert await place.count("workflow_failures") == 1


async def test_an_engine_that_refuses_is_left_alone_and_nothing_is_lost(
    embedded_place: Site, airflow: WatchedAirflow, watched: Callable[..., None], world: World
) -> None:
    place = embedded_place
    watched(await place.organisation())
    airflow.away = True
    airflow.fail("run-1")
    async with place.consumer() as running:
        await until(_refused(running))
        asked = len(world.seen)
        airflow.away = False
        await running.settled(1)
    assert asked <= 3


def _refused(running: Running) -> Any:  # noqa: ANN401 - a look
    async def was_refused() -> bool:
        return running.metric("shw_watch_looks_refused_total") > 0

    return was_refused


async def test_what_stands_still_is_told_once_and_what_waits_rightly_is_not(
    embedded_place: Site, airflow: WatchedAirflow, watched: Callable[..., None]
) -> None:
    place = embedded_place
    org = await place.organisation()
    policy = {"strategies": [], "route_repair": {"apart": "PT1S"}}
    watched(org, policy=policy, stalled_after="PT10M")
    airflow.stand("stuck", "unserved", began=timedelta(hours=1))
    airflow.stand("on-a-timer", "deferred", began=timedelta(hours=1))
    async with place.consumer() as running:
        rows = await running.settled(1)
        await looked(running, 2)
    context = json.loads(rows["orders"]["context"])
    assert (context["run"]["id"], context["run"]["step"]) == ("stuck", "ship")
    assert context["watch"]["found"] == "no_consumer"
    assert rows["orders"]["failure_type"] == "workflow_stall"
    assert await place.count("workflow_failures") == 1


async def test_who_has_lost_the_lead_moves_no_cursor_and_tells_nothing(embedded_place: Site) -> None:
    org = OrgId(await embedded_place.organisation())
    first, second = OwnerId("first"), OwnerId("second")
    message = Message(
        id=UUID(int=7), failure_id=None, step=0, rank=0, topic="failures", key=b"r", headers=(), body=b"{}"
    )
    found = SeenRun(seen=b"seen", run=b"run", failure_id=FailureId(UUID(int=7)), message=message)
    async with open_pool(embedded_place.settings.postgres) as pool:
        await pool.execute("INSERT INTO heal_owner (owner, lease_until) VALUES ('first', now()), ('second', now())")
        lead = await store.lead(pool, "engine", first, ())
        assert lead.epoch == 1
        assert (await store.lead(pool, "engine", second, ())).epoch is None
        place = WatchPlace(runner="engine", owner=first, epoch=1, org_id=org, workflow_name="orders")
        cursor = await store.read_cursor(pool, place, timedelta(hours=1))
        assert (await store.lead(pool, "engine", second, (first,))).epoch == 2
        with pytest.raises(LostClaim):
            await store.move_cursor(pool, place, WatchCursor(since=FAILED_AT), [found])
        assert await embedded_place.count("heal_outbox") == 0
        assert await embedded_place.count("heal_watch_seen") == 0
        second_place = WatchPlace(runner="engine", owner=second, epoch=2, org_id=org, workflow_name="orders")
        assert await store.read_cursor(pool, second_place, timedelta(hours=1)) == cursor
        messages, _ = await store.move_cursor(pool, second_place, cursor, [found])
        assert messages == [message]
        # Listed again, as after a crash before the cursor moved: nothing is told twice.
        assert await store.move_cursor(pool, second_place, cursor, [found]) == ([], 0)
        assert await embedded_place.count("heal_outbox") == 1
