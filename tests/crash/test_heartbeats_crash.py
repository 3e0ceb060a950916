"""Runs that fall silent while one of two replicas is killed or stopped at each boundary: each told once, no other.

With `SHW_FAULT_MATRIX=full` it is every boundary, and 100 silent runs of 400.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import pytest

from consumer.local.broker import Broker
from tests.support.heartbeats import heartbeat
from tests.support.pipeline import SECOND, Site, catalog, process, site, until

FULL: Final = os.environ.get("SHW_FAULT_MATRIX") == "full"
RUNS: Final = 400 if FULL else 40
STOPPED: Final = 100 if FULL else 10
DEADLINE: Final = 10.0
BEAT_EVERY: Final = 1.0
BOUNDARIES: Final = (
    "beats polled",
    "beats kept",
    "committing",
    "committed",
    "silence looked at",
    "in telling",
    "stall told",
    "published",
)
CELLS: Final = (
    [(number, at) for number in (signal.SIGKILL, signal.SIGSTOP) for at in BOUNDARIES]
    if FULL
    else [(signal.SIGKILL, "in telling"), (signal.SIGSTOP, "stall told")]
)


@dataclass(slots=True)
class Runs:
    """Runs that beat about once a second, until they fall silent."""

    place: Site
    org: UUID
    silent: set[str] = field(default_factory=set)
    longest_gap: float = 0.0
    """Seconds between two rounds of beats: what this process itself was kept from for too long is no one's fault."""

    async def beat(self) -> None:
        """Beat until cancelled."""
        topic, before = self.place.settings.kafka.heartbeats_topic, time.monotonic()
        while True:
            for number in range(RUNS):
                run = f"run-{number}"
                if run not in self.silent:
                    body = json.dumps(heartbeat(self.org, run)).encode()
                    await self.place.producer.send(topic, body, key=run.encode())
            await self.place.producer.flush()
            self.longest_gap, before = max(self.longest_gap, time.monotonic() - before), time.monotonic()
            await asyncio.sleep(BEAT_EVERY)

    async def are_known(self) -> bool:
        return await self.place.count("heal_live_run") == RUNS

    async def are_told(self) -> bool:
        return await self.place.count("workflow_failures") >= STOPPED

    async def were_read_past(self, seconds: float) -> bool:
        read = "SELECT min(read_up_to) > to_timestamp($1) FROM heal_beat_partition"
        return bool(await self.place.db.fetchval(read, seconds))


@asynccontextmanager
async def beating(runs: Runs) -> AsyncIterator[None]:
    sending = asyncio.create_task(runs.beat())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.wait([sending])


@pytest.fixture
async def parted_place(embedded_broker: Broker, database: str, catalog_file: Path) -> AsyncIterator[Site]:
    """A place whose heartbeats two replicas share."""
    rules = f"{{deadline: PT{DEADLINE:.0f}S}}"
    await asyncio.to_thread(
        catalog_file.write_text, catalog(heartbeats=rules, ladders="{workflow_stall: [auto-retry]}")
    )
    async with site(embedded_broker, database, catalog_file, partitions=4) as made:
        yield made


@pytest.mark.parametrize(("number", "at"), CELLS, ids=lambda one: one.name if isinstance(one, signal.Signals) else one)
async def test_each_silent_run_is_told_once_whatever_becomes_of_a_replica(
    parted_place: Site, tmp_path: Path, number: signal.Signals, at: str
) -> None:
    quick = {"read": True, "every": SECOND, "apart": SECOND, "group_id": f"beats.{uuid4().hex[:12]}"}
    place = parted_place.changed(
        kafka={"session_timeout": 3 * SECOND}, heal={"lease": timedelta(seconds=2)}, heartbeats=quick
    )
    runs = Runs(place, await place.organisation())
    async with (
        beating(runs),
        process(place, tmp_path / "log1", at=at, signal=number.name) as struck,
        process(place, tmp_path / "log2"),
    ):
        await until(runs.are_known)
        runs.silent |= {f"run-{number}" for number in range(STOPPED)}
        if number is signal.SIGKILL:
            assert await struck.ended() == -signal.SIGKILL, struck.last_lines
        else:
            await until(struck.is_stopped)
        await until(runs.are_told)
        if number is signal.SIGSTOP:
            struck.tell(signal.SIGCONT)
        past = time.time() + DEADLINE + 5.0
        await until(lambda: runs.were_read_past(past))
    failures = await place.db.fetch("SELECT context #>> '{run,id}' AS run FROM workflow_failures")
    told = sorted(row["run"] for row in failures)
    if runs.longest_gap + BEAT_EVERY < DEADLINE / 2:  # else the others have been silent as well
        assert told == sorted(runs.silent)
    assert len(told) == len(set(told))
    assert runs.silent <= set(told)
    stalls = [
        one.event["id"] for one in await place.read(place.settings.kafka.failures_topic) if b'"stall:' in one.value
    ]
    assert len(set(stalls)) == len(told)
