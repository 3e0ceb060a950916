"""A rolling deploy: the release before and this one side by side, in one group, on this one's schema."""

import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from consumer.local.broker import Broker
from consumer.settings import ApiSettings
from consumer.store.migrate import EXPECTED_SCHEMA, check_schema
from tests.support import oracle
from tests.support.paths import ROOT
from tests.support.pipeline import (
    NEVER_LEFT,
    SECOND,
    Process,
    Running,
    Site,
    call,
    event,
    site,
    start_process,
    until,
)
from tests.support.worlds.http_world import Reply, World, json_reply

BEFORE: Final = "62f86da"
"""The last commit of the release before: its code runs here as it was."""
NEWER: Final = 999
OK: Final = json_reply({"done": True})
FAILURES: Final = 60


@pytest.fixture(scope="module")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the release before, from the history of this checkout."""
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"the history of this checkout does not reach back to {BEFORE}")
    home = tmp_path_factory.mktemp("release-before")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(home, filter="data")
    return home


@asynccontextmanager
async def replica(place: Site, code: Path, log: Path) -> AsyncIterator[Process]:
    """A consumer of a release in a process of its own; ended cleanly at the end if it is still there."""
    if code != ROOT:
        place = place.changed(api={"request_timeout": ApiSettings().request_timeout})  # which it does not know
    started = await start_process((sys.executable, "-m", "consumer", "run"), place, log, home=code)
    one = Process(process=started, log=log)
    try:
        yield one
    finally:
        if started.returncode is None:
            with suppress(ProcessLookupError):
                started.terminate()
            assert await one.ended() == 0, one.last_lines


async def publish(place: Site, world: World, org: UUID, numbers: range) -> None:
    for n in numbers:
        name, path = f"w{n:03}", f"/it/{n}"
        world.on(path, OK)
        keyed = call(world.url(path), "POST", error=NEVER_LEFT, idempotency_key=f"key-{n}")
        await place.publish(event(org, name, workflow_name=name, context=keyed), partition=n % 2)


async def ended_as_promised(place: Site, world: World, org: UUID, total: int) -> None:
    rows = await place.settled(total)
    names = sorted(rows)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    for n in range(total):
        assert world.effects[f"/it/{n}", f"key-{n}"] == 1, n
    await oracle.every_event_has_one_row(place, names)
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "10"})


async def test_two_releases_share_one_group_and_one_schema(
    kafka_broker: Broker, database: str, catalog_file: Path, world: World, release_before: Path, tmp_path: Path
) -> None:
    async with site(kafka_broker, database, catalog_file, partitions=2) as place:
        org = await place.organisation()
        async with replica(place, release_before, tmp_path / "old") as old:
            await publish(place, world, org, range(FAILURES // 3))
            await until(lambda: says(old, "heal_settled"))
            async with replica(place, ROOT, tmp_path / "new") as new:
                await until(lambda: says(new, "partitions_assigned"))
                await publish(place, world, org, range(FAILURES // 3, 2 * FAILURES // 3))
                await until(lambda: says(new, "heal_settled"))
                await ended_as_promised(place, world, org, 2 * FAILURES // 3)
                old.tell(signal.SIGTERM)
                assert await old.ended() == 0, old.last_lines
                await publish(place, world, org, range(2 * FAILURES // 3, FAILURES))
                await ended_as_promised(place, world, org, FAILURES)


async def was_called(world: World, path: str) -> bool:
    return bool(world.calls(path))


async def says(one: Process, what: str) -> bool:
    return one.said(what)


@pytest.mark.parametrize("dies", ["old", "new"])
async def test_each_release_takes_over_what_the_other_left(
    kafka_broker: Broker,
    database: str,
    catalog_file: Path,
    world: World,
    release_before: Path,
    tmp_path: Path,
    dies: str,
) -> None:
    code = {"old": release_before, "new": ROOT}
    other = {"old": "new", "new": "old"}[dies]
    async with site(kafka_broker, database, catalog_file, partitions=2) as made:
        place = made.changed(kafka={"session_timeout": SECOND})
        org = await place.organisation()
        await publish(place, world, org, range(12))
        world.on("/it/4", Reply(never=True), OK)
        async with replica(place, code[dies], tmp_path / dies) as dead:
            await until(lambda: was_called(world, "/it/4"))
            dead.tell(signal.SIGKILL)
            assert await dead.ended() == -signal.SIGKILL
        await place.time_passes()
        async with replica(place, code[other], tmp_path / other) as heir:
            await ended_as_promised(place, world, org, 12)
            assert heir.said("claim_inherited")


async def test_a_newer_schema_is_no_reason_not_to_start(embedded_place: Site) -> None:
    assert int(EXPECTED_SCHEMA) < NEWER
    await embedded_place.db.execute("INSERT INTO shw_migrations (version) VALUES ($1)", str(NEWER))
    await check_schema(embedded_place.db)


async def _of_a_newer_release(place: Site, org: UUID) -> Mapping[str, Any]:
    """What the next release may have written: a status, a failure type and a strategy that nobody here knows."""
    await place.db.execute("INSERT INTO shw_migrations (version) VALUES ('999')")
    await place.db.execute("ALTER TABLE workflow_failures DROP CONSTRAINT workflow_failures_status_known")
    await place.db.execute("ALTER TABLE workflow_failures ADD COLUMN of_tomorrow text NOT NULL DEFAULT 'x'")
    await place.db.execute("ALTER TABLE heal_claim ADD COLUMN of_tomorrow text NOT NULL DEFAULT 'x'")
    insert = (
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, status, due_at, failure_type,"
        " disposition) VALUES ($1, $2, $3, 'timeout', $4, clock_timestamp() - interval '1 min', 'newer', 'newer')"
    )
    ids = {name: uuid4() for name in ("strange", "claimed", "known")}
    await place.db.execute(insert, ids["strange"], org, "strange", "of_tomorrow")
    await place.db.execute(insert, ids["claimed"], org, "claimed", "pending")
    await place.db.execute(insert, ids["known"], org, "known", "pending")
    await place.db.execute(
        "INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, owner, effect_deadline)"
        " VALUES ('s', $1, $2, 0, $3, 'of-tomorrow', 'none', 'dead', clock_timestamp() - interval '1 hour')",
        ids["claimed"],
        uuid4(),
        org,
    )
    return ids


async def test_what_a_newer_release_wrote_stops_no_loop_and_is_left_to_it(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    await _of_a_newer_release(place, org)
    async with place.consumer() as running:
        await place.publish(event(org, "mine", workflow_name="mine", failure_reason="voice is silent"))

        async def mine_ended() -> bool:
            rows = await place.failures()
            return rows["known"]["status"] != "pending" and "mine" in rows and rows["mine"]["status"] == "given_up"

        await until(mine_ended)
        await until(lambda: counts_one(running))
        rows = await place.failures()
        assert rows["strange"]["status"] == "of_tomorrow"
        assert await place.count("heal_claim WHERE owner = 'dead'") == 1


async def counts_one(running: Running) -> bool:
    return running.metric("shw_open_failures", status="pending") == 1
