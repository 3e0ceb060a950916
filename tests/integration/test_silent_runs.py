"""Looks at silent runs through their runner: what it says decides, two looks have to agree, and one process tells."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from consumer.catalog import Catalogs, parse_catalog
from consumer.metrics import Metrics, SilenceOutcome
from consumer.model import Message, OwnerId
from consumer.model.live_run import LiveRun
from consumer.ownership.clock import Clock
from consumer.pipeline import stalls
from consumer.pipeline.heartbeats import KEPT_AT_ONCE, Heartbeats
from consumer.pipeline.stalls import LOOKS_AT_ONCE, StallRounds
from consumer.results.events import Outlet
from consumer.runners.contract import LookFailed, Phase, RunState
from consumer.settings import HeartbeatSettings, PostgresSettings
from consumer.store import live_runs as store
from consumer.store.pool import Pool, open_pool
from schemas.names import RunStatus
from tests.support.heartbeats import ORG, beat
from tests.support.pipeline import catalog
from tests.support.worlds.scripted_runner import GONE, RUNNING, SUCCEEDED, WAITING, OneRunner, ScriptedRunner, stands

AWAY = LookFailed(reason="it does not answer")
SILENT_FOR = 100.0


@dataclass
class Published:
    """What was offered to be sent."""

    messages: list[Message] = field(default_factory=list)

    def offer(self, messages: Sequence[Message]) -> None:
        self.messages.extend(messages)


@dataclass
class Place:
    """One member with one partition, read to its end; its runs are allowed 30 s."""

    pool: Pool
    rounds: StallRounds
    beats: Heartbeats
    published: Published
    runner: ScriptedRunner
    partitions: tuple[int, ...]

    async def silent(self, *runs: str, partition: int = 0) -> list[LiveRun]:
        """Have runs that were heard a while ago, kept; their partition is read up to now."""
        now = self.beats.now()
        for run in runs:
            one = beat(run, offset=1, partition=partition)
            self.beats.board.absorb(one, received=now - SILENT_FOR, not_before=0.0)
        await self.beats.keep()
        self.read(partition)
        return [self.beats.board.runs[beat(run).name] for run in runs]

    def read(self, *partitions: int) -> None:
        marks = self.beats.marks
        marks.mark(dict.fromkeys(partitions, 1), self.beats.now())
        marks.came_to(dict.fromkeys(partitions, 1))

    async def look(self, times: int = 2) -> None:
        """Look so often; the partitions are read on after each look."""
        for _ in range(times):
            await self.rounds.once()
            self.read(*self.partitions)

    def said(self) -> set[str]:
        counted = self.rounds.metrics.silences
        return {outcome for outcome in SilenceOutcome if counted[outcome]._value.get() > 0}  # noqa: SLF001 - its value


def member(pool: Pool, runner: ScriptedRunner, published: Published, *partitions: int) -> Place:
    rules = "{steps: {fetch: PT30S}}"
    metrics = Metrics(CollectorRegistry())
    beats = Heartbeats(
        pool=pool,
        catalogs=Catalogs(parse_catalog(catalog(heartbeats=rules))),
        clock=Clock(),
        settings=HeartbeatSettings(apart=timedelta(microseconds=1)),
        metrics=metrics,
    )
    beats.marks.assign(partitions or (0,))
    rounds = StallRounds(
        heartbeats=beats,
        runners=OneRunner(runner),
        owner=OwnerId("test"),
        publisher=published,
        outlet=Outlet(results_topic="results", dlq_topic="dlq", max_bytes=900_000),
        failures_topic="failures",
        heartbeats_topic="beats",
        metrics=metrics,
    )
    return Place(pool, rounds, beats, published, runner, partitions or (0,))


@pytest.fixture
async def pool(service_dsn: str) -> AsyncIterator[Pool]:
    async with open_pool(PostgresSettings.model_validate({"dsn": service_dsn, "pool_size": 4})) as opened:
        yield opened


async def outbox(pool: Pool) -> list[asyncpg.Record]:
    return await pool.fetch("SELECT id, topic FROM heal_outbox")


@pytest.mark.parametrize(
    ("looks", "outcome", "stays"),
    [
        ([RUNNING, RUNNING], "stalled", True),
        ([GONE, GONE], "stalled", True),
        ([RUNNING, stands(Phase.FAILED), stands(Phase.FAILED)], "stalled", True),
        ([RUNNING, SUCCEEDED], "over", False),
        ([WAITING, WAITING], "waits", True),
        ([stands(Phase.RUNNING, progress="1"), stands(Phase.RUNNING, progress="2")], "moves", True),
        ([AWAY, AWAY], "look_failed", True),
    ],
)
async def test_what_its_runner_says_decides(
    pool: Pool, looks: list[RunState | LookFailed], outcome: str, *, stays: bool
) -> None:
    place = member(pool, ScriptedRunner(looks=looks), Published())
    await place.silent("run-1")
    await place.look(4)
    await place.beats.keep()
    assert place.said() == {outcome}
    assert len(place.published.messages) == len(await outbox(pool)) == (outcome == "stalled")
    assert bool(await pool.fetchval("SELECT count(*) FROM heal_live_run")) is stays


async def test_a_second_look_counts_only_once_the_partition_was_read_past_the_first(pool: Pool) -> None:
    place = member(pool, ScriptedRunner(looks=[RUNNING]), Published())
    await place.silent("run-1")
    for _ in range(3):
        await place.rounds.once()
    assert place.published.messages == []
    place.read(0)
    await place.rounds.once()
    assert len(place.published.messages) == 1


async def test_an_engine_is_asked_about_a_part_of_many_silent_runs_a_round(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOKS_A_ROUND", 5)
    place = member(pool, ScriptedRunner(looks=[RUNNING]), Published())
    await place.silent(*(f"run-{number}" for number in range(12)))
    await place.look(1)
    assert len(place.runner.looked_at) == 5
    await place.look(10)
    assert len(place.published.messages) == 12


async def test_two_members_that_both_believe_they_read_a_partition_tell_one_stall(pool: Pool) -> None:
    places = [member(pool, ScriptedRunner(looks=[RUNNING]), Published()) for _ in range(2)]
    first, second = places
    await first.silent("run-1")
    await second.beats.load([0])
    second.read(0)
    for _ in range(2):
        await first.look(1)
        await second.look(1)
    assert sum(len(place.published.messages) for place in places) == 1
    assert len(await outbox(pool)) == 1


async def test_a_beat_between_the_second_look_and_the_telling_leaves_nothing_to_tell(pool: Pool) -> None:
    place, other = (member(pool, ScriptedRunner(looks=[RUNNING]), Published()) for _ in range(2))
    await place.silent("run-1")
    await place.look(1)
    await other.beats.load([0])
    other.beats.board.absorb(beat(offset=2), received=other.beats.now(), not_before=other.beats.now())
    await other.beats.keep()
    await place.look(1)
    assert place.published.messages == []
    assert await outbox(pool) == []


async def test_a_run_whose_beats_lie_in_two_partitions_waits_until_both_are_read(pool: Pool) -> None:
    place, other = (member(pool, ScriptedRunner(looks=[RUNNING]), Published(), number) for number in range(2))
    await other.silent("run-1", partition=1)
    await pool.execute("INSERT INTO heal_beat_partition VALUES (1, 1, now() - interval '1 day')")
    await place.silent("run-1", partition=0)
    await place.look(3)
    assert place.published.messages == []
    await other.beats.keep()
    await place.look(3)
    assert len(place.published.messages) == 1


async def test_what_has_been_silent_for_too_long_is_forgotten(pool: Pool) -> None:
    place = member(pool, ScriptedRunner(looks=[RUNNING]), Published())
    await place.silent("run-1", "run-2")
    await store.forget_silent(pool, timedelta(seconds=SILENT_FOR - 20))
    assert await pool.fetchval("SELECT count(*) FROM heal_live_run") == 2  # allowed 30 s, silent for 100
    await store.forget_silent(pool, timedelta(seconds=1))
    assert await pool.fetchval("SELECT count(*) FROM heal_live_run") == 0


async def test_live_runs_are_listed_by_their_deadline(pool: Pool) -> None:
    place = member(pool, ScriptedRunner(looks=[RUNNING]), Published())
    now = place.beats.now()
    place.beats.board.absorb(beat("unknown", 5, step="other"), received=now, not_before=now)
    place.beats.board.absorb(beat("planned", 6, status=RunStatus.PLANNING), received=now, not_before=now)
    await place.silent("late")
    listed: list[Any] = await store.list_runs(pool, org_id=UUID(str(ORG)), stalled=False, limit=10)
    assert [run.beat.name.run_id for run in listed] == ["late", "planned", "unknown"]
    assert [run.due is None for run in listed] == [False, True, True]
    assert await store.list_runs(pool, org_id=None, stalled=True, limit=10) == []
    await place.look(2)
    (told,) = await store.list_runs(pool, org_id=None, stalled=True, limit=10)
    assert told.told is not None


async def test_many_runs_are_kept_in_transactions_of_a_few_each_so_that_none_holds_the_loop(pool: Pool) -> None:
    place = member(pool, ScriptedRunner(looks=[RUNNING]), Published())
    for number in range(3 * KEPT_AT_ONCE):
        place.beats.board.absorb(beat(f"run-{number}", offset=number), received=1000.0, not_before=0.0)
    await place.beats.keep()
    kept = await pool.fetch("SELECT count(*) AS many FROM heal_live_run GROUP BY xmin::text")
    assert [row["many"] for row in kept] == [KEPT_AT_ONCE] * 3


async def test_a_runner_that_is_away_keeps_a_round_from_no_more_runs_than_are_looked_at_at_once(pool: Pool) -> None:
    place = member(pool, runner := ScriptedRunner(looks=[AWAY]), Published())
    await place.silent(*(f"run-{number}" for number in range(20)))
    await place.rounds.once()
    assert len(runner.looked_at) == LOOKS_AT_ONCE
    await place.rounds.once()
    assert len({one.run_id for one in runner.looked_at}) == 2 * LOOKS_AT_ONCE


async def test_a_longer_deadline_holds_for_runs_that_are_silent_and_loaded(pool: Pool) -> None:
    place = member(pool, ScriptedRunner(looks=[RUNNING]), Published())
    await place.silent("run-1")
    place.beats.catalogs.change(parse_catalog(catalog(heartbeats="{steps: {fetch: PT300S}}")))
    await place.beats.load([0])
    place.read(0)
    await place.beats.keep()
    await place.look(3)
    assert place.published.messages == []
    assert await pool.fetchval("SELECT allowed_seconds FROM heal_live_run") == 300.0
