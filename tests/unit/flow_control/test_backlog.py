"""When intake has to wait for what is open, and how seldom that is counted when counting is slow."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from consumer.errors import TransientError
from consumer.flow_control import backlog as pressure_module
from consumer.flow_control.backlog import BacklogLimit
from consumer.metrics import EventOutcome, Metrics, PauseReason
from consumer.settings import IntakeSettings, Settings
from consumer.store.backlog import BacklogCounts
from schemas.names import FailureType, Result, Status, StrategyName

NO_POOL: Any = None


def census(rows: int, *, size: int = 100, replicas: int = 1, strange: int = 0) -> BacklogCounts:
    return BacklogCounts(
        open_failures={Status.PENDING: rows - strange},
        other_open_rows=strange,
        open_bytes=rows * size,
        oldest_pending=1.0,
        live_claims=0,
        outbox_depth=0,
        outbox_oldest=0.0,
        replicas=replicas,
    )


@dataclass(slots=True)
class Database:
    """Says what is told, takes as long as is told, and keeps the time."""

    now: float = 100.0
    takes: float = 0.0
    answer: BacklogCounts | None = field(default_factory=lambda: census(0))
    counts: int = 0

    def monotonic(self) -> float:
        return self.now

    async def count(self, _pool: object) -> BacklogCounts:
        self.counts += 1
        self.now += self.takes
        if self.answer is None:
            raise TransientError("too slow")
        return self.answer


Look = Callable[[], Awaitable[PauseReason | None]]


@dataclass(frozen=True, slots=True)
class Case:
    database: Database
    metrics: Metrics
    pressure: BacklogLimit

    async def look(self, after: float = 2.0) -> PauseReason | None:
        self.database.now += after
        await self.pressure.look(NO_POOL)
        return self.pressure.full()

    def take_in(self, failures: int) -> None:
        self.metrics.events[EventOutcome.ACCEPTED].inc(failures)

    def heal(self, failures: int) -> None:
        key = (FailureType.API_TIMEOUT, StrategyName.AUTO_RETRY, Result.SUCCESS, None)
        self.metrics.attempts[key].inc(failures)


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    database, metrics = Database(), Metrics(CollectorRegistry())
    monkeypatch.setattr(pressure_module, "count", database.count)
    monkeypatch.setattr(pressure_module, "time", database)
    settings = Settings(intake=IntakeSettings(open_rows_cap=1_000, open_bytes_cap=1_000_000))
    return Case(database, metrics, BacklogLimit(settings, metrics))


async def test_a_cap_holds_until_it_has_fallen_well_below(case: Case) -> None:
    for rows, why in [(999, None), (1_000, PauseReason.OPEN_ROWS), (800, PauseReason.OPEN_ROWS), (799, None)]:
        case.database.answer = census(rows)
        assert await case.look() is why, rows


async def test_bytes_have_a_cap_of_their_own(case: Case) -> None:
    case.database.answer = census(10, size=100_000)
    assert await case.look() is PauseReason.OPEN_BYTES


async def test_rows_of_a_status_that_only_a_newer_release_knows_count_too(case: Case) -> None:
    case.database.answer = census(1_000, strange=900)
    assert await case.look() is PauseReason.OPEN_ROWS
    assert case.metrics.registry.get_sample_value("shw_open_failures", {"status": "pending"}) == 100


async def test_a_slow_count_is_done_seldom_and_the_more_replicas_count_the_less(case: Case) -> None:
    case.database.takes, case.database.answer = 1.0, census(10, replicas=3)
    await case.look()
    seconds = 0
    while case.database.counts == 1:
        await case.look(after=1.0)
        seconds += 1
    assert seconds == pytest.approx(150, abs=2), "one second of counting, by three, is to be 2 % of the time"


async def test_a_quick_count_is_done_each_time(case: Case) -> None:
    for _ in range(10):
        await case.look()
    assert case.database.counts == 10


async def test_between_two_counts_what_was_taken_in_is_reckoned_up(case: Case) -> None:
    case.database.takes, case.database.answer = 10.0, census(500, replicas=2)
    await case.look()
    case.take_in(400)
    case.heal(200)
    assert await case.look() is None
    case.take_in(60)
    assert await case.look() is PauseReason.OPEN_ROWS, "260 of ours and as many of the other's"
    assert case.database.counts == 1


async def test_with_a_database_that_cannot_count_in_time_the_reckoning_goes_on(case: Case) -> None:
    case.database.answer = census(500)
    await case.look()
    case.database.answer, case.database.takes = None, 30.0
    await case.look()
    case.take_in(500)
    assert await case.look() is PauseReason.OPEN_ROWS
    assert case.database.counts == 2
