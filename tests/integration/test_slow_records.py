"""Records that cost much, in the whole service: each is read in its budget or a dead letter, and holds up nobody."""

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from consumer.errors import NoWorkerStarts
from consumer.ingest import record_worker
from consumer.workers.pool import WorkerPool
from tests.support.adversarial_records import BUILDERS, hostile_event
from tests.support.loop_holds import loop_holds
from tests.support.patience import BEYOND_PATIENCE
from tests.support.pipeline import Site, event, until

LONGEST = 900_000


def hostile(org: UUID, builder: str = "keys passwordN", number: int = 1, size: int = LONGEST) -> bytes:
    parts = BUILDERS[builder](size) | {"org_id": str(org), "workflow_name": f"hostile{number}"}
    return hostile_event(parts, number)


async def test_a_record_that_takes_too_long_is_one_dead_letter_also_after_a_restart(embedded_place: Site) -> None:
    place = embedded_place.changed(intake={"record_budget": timedelta(milliseconds=20)})
    org = await place.organisation()
    await place.publish(hostile(org), event(org, 2, workflow_name="honest"))
    for _ in range(2):
        async with place.consumer() as running:
            await running.settled(1)
            await until(place.all_committed)
    letters = await place.letters()
    assert [letter.headers["shw_dlq_reason"] for letter in letters] == [b"took_too_long"]


async def test_records_that_end_their_worker_by_whatever_means_never_loop(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place
    org = await place.organisation()
    ended = 0
    begin = WorkerPool._ready  # noqa: SLF001 - where a child is at hand

    async def kill_soon(self: WorkerPool, place_: object) -> object:
        nonlocal ended
        child = await begin(self, place_)  # type: ignore[arg-type]
        if Path(record_worker.__file__).name in str(self._script):
            ended += 1
            os.kill(child.pid, signal.SIGKILL)
        return child

    monkeypatch.setattr(WorkerPool, "_ready", kill_soon)
    await place.publish(hostile(org), event(org, 2, workflow_name="honest"))
    async with place.consumer() as running:
        await running.settled(1)
        await until(place.all_committed)
    assert ended == 2
    assert [letter.headers["shw_dlq_reason"] for letter in await place.letters()] == [b"took_too_long"]


async def test_a_record_that_is_long_in_being_read_delays_nobody_behind_it_in_its_partition(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, may_begin = embedded_place, asyncio.Event()
    org = await place.organisation()
    begin = WorkerPool._ready  # noqa: SLF001 - where a child is at hand

    async def begin_late(self: WorkerPool, place_: object) -> object:
        if Path(record_worker.__file__).name in str(self._script):
            await may_begin.wait()
        return await begin(self, place_)  # type: ignore[arg-type]

    monkeypatch.setattr(WorkerPool, "_ready", begin_late)
    await place.publish(
        hostile(org, "long keys", size=40_000), *(event(org, n, workflow_name=f"honest{n}") for n in (2, 3))
    )
    async with place.consumer() as running:
        await running.settled(2)
        assert await place.committed() == 0, "its offset waits for what is still being read"
        may_begin.set()
        await running.settled(3)
        await until(lambda: _is_committed(place, 3))
    assert [*await place.failures()] == ["honest2", "honest3", "hostile1"]


async def _is_committed(place: Site, offset: int) -> bool:
    return await place.committed() == offset


async def test_a_machine_that_starts_no_worker_loses_nothing_and_writes_no_letter(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place.changed(intake={"record_budget": BEYOND_PATIENCE})
    org = await place.organisation()
    tried = 0
    start = WorkerPool._start  # noqa: SLF001 - what forks

    async def no_fork(self: WorkerPool) -> object:
        nonlocal tried
        tried += 1
        if tried <= 2:
            raise NoWorkerStarts("Resource temporarily unavailable")
        return await start(self)

    monkeypatch.setattr(WorkerPool, "_start", no_fork)
    await place.publish(hostile(org))
    async with place.consumer() as running:
        await running.settled(1)
    assert tried > 2
    assert await place.letters() == []


async def test_large_records_hold_the_loop_for_a_moment_at_most(embedded_place: Site) -> None:
    place = embedded_place.changed(intake={"record_budget": BEYOND_PATIENCE})
    org = await place.organisation()
    names = ("keys passwordN", "keys that collide after redaction", "lists of secrets", "one list in a list")
    async with place.consumer() as running, loop_holds() as holds:
        await place.publish(*(hostile(org, name, number, LONGEST // 2) for number, name in enumerate(names)))
        await running.settled(len(names))
    assert max(holds) < 0.5


async def test_a_member_s_row_that_takes_too_long_is_given_up_and_its_content_goes(embedded_place: Site) -> None:
    place = embedded_place.changed(intake={"record_budget": timedelta(milliseconds=5)})
    org = await place.organisation()
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context)"
        " SELECT $1, 'mine', 'timed out', jsonb_object_agg('password' || n, 'hunter2') FROM generate_series(1, 3000) n",
        org,
    )
    async with place.consumer() as running:
        row = await running.settled(1)
    [given_up] = row.values()
    assert given_up["status"] == "given_up"
    assert "hunter2" not in str(given_up["context"])
