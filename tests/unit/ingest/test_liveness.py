"""Whose fault it is that a member stands still decides whether a clock runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from consumer.ingest import liveness as watch_module
from consumer.ingest.lag import Lag
from consumer.ingest.liveness import IN_DOUBT_AFTER, REJOIN_AFTER, MemberLiveness
from consumer.kafka.reader import PartitionPosition
from consumer.metrics import Metrics, PauseReason
from consumer.model import Partition

HERE = Partition("workflow.failures", 0)
LONG = timedelta(seconds=3 * REJOIN_AFTER)


@dataclass(slots=True)
class World:
    """A member of a group, its broker, and the time."""

    now: float = 1_000.0
    in_touch: bool = True
    answers: bool = True
    position: int | None = 0
    seen_end: int | None = 0
    fetched_at: float | None = None
    """When the client last fetched; None: just now."""
    end: int | None = 0
    came: dict[Partition, float] | None = None
    high_watermark: int | None = None
    in_doubt: bool = False
    looked: int = 0
    asked: int = 0
    condemned: list[str] = field(default_factory=list)

    def assignment(self) -> frozenset[Partition]:
        return frozenset((HERE,))

    def is_in_touch(self) -> bool:
        return self.in_touch

    def standing(self, partition: Partition) -> PartitionPosition | None:  # noqa: ARG002
        seen_at = self.now if self.fetched_at is None else self.fetched_at
        return PartitionPosition(
            position=self.position,
            end=self.seen_end,
            high_watermark=self.high_watermark,
            seen_at=seen_at,
            in_doubt=self.in_doubt,
        )

    async def ends(self, partitions: Iterable[Partition], within: timedelta) -> dict[Partition, int] | None:  # noqa: ARG002
        return None if self.end is None else dict.fromkeys(partitions, self.end)

    async def came_at(
        self,
        positions: Mapping[Partition, int],  # noqa: ARG002
        now: float,  # noqa: ARG002
        within: timedelta,  # noqa: ARG002
    ) -> dict[Partition, float] | None:
        return self.came

    async def look_at_topic(self, within: timedelta) -> None:  # noqa: ARG002
        self.looked += 1

    def request_rebuild(self, why: str) -> None:
        self.condemned.append(why)

    async def is_there(self) -> bool:
        self.asked += 1
        return self.answers

    def time(self) -> float:
        return self.now

    monotonic = time


@dataclass(frozen=True, slots=True)
class Case:
    world: World
    watch: MemberLiveness
    metrics: Metrics

    async def passes(self, span: timedelta) -> None:
        for _ in range(int(span.total_seconds())):
            self.world.now += 1
            await self.watch.look(self.world)

    def age(self, clock: str) -> timedelta:
        return self.watch.ages()[clock]

    def shown(self) -> tuple[float | None, float | None]:
        get = self.metrics.registry.get_sample_value
        return get("shw_consumer_lag_records", {"partition": "0"}), get("shw_consumer_lag_seconds")


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    world, metrics, lag = World(), Metrics(CollectorRegistry()), Lag()
    monkeypatch.setattr(watch_module, "time", world)
    lag.assign([HERE])
    return Case(world, MemberLiveness(metrics, lag, world.is_there), metrics)


async def test_a_member_that_works_has_no_clock_running_and_nobody_is_asked(case: Case) -> None:
    await case.passes(LONG)
    assert set(case.watch.ages().values()) == {timedelta(0)}
    assert case.world.asked == 0


async def test_a_member_out_of_its_group_is_made_anew_and_then_reported(case: Case) -> None:
    case.world.in_touch = False
    await case.passes(timedelta(seconds=REJOIN_AFTER / 2))
    assert case.world.condemned == []
    await case.passes(LONG)
    assert set(case.world.condemned) == {"unassigned"}
    assert 2 <= len(case.world.condemned) <= 4, "not with every look"
    assert case.age("unassigned") > LONG


async def test_while_kafka_answers_nobody_no_clock_runs_for_long(case: Case) -> None:
    case.world.in_touch, case.world.answers, case.watch.refused = False, False, True
    await case.passes(LONG)
    assert max(case.watch.ages().values()) <= timedelta(seconds=IN_DOUBT_AFTER + 1)
    assert case.world.condemned == []
    assert case.watch.kafka_is_away


async def test_after_an_outage_a_member_gets_its_whole_time_again(case: Case) -> None:
    case.world.in_touch, case.world.answers = False, False
    await case.passes(LONG)
    case.world.answers = True
    await case.passes(timedelta(seconds=REJOIN_AFTER - IN_DOUBT_AFTER - 2))
    assert case.world.condemned == []
    case.world.in_touch = True
    await case.passes(timedelta(seconds=1))
    assert case.age("unassigned") == timedelta(0)
    assert not case.watch.kafka_is_away


async def test_commits_that_the_group_does_not_take_are_reported(case: Case) -> None:
    case.watch.refused = True
    await case.passes(LONG)
    assert case.age("uncommitted") >= LONG - timedelta(seconds=1)
    assert set(case.world.condemned) == {"uncommitted"}


async def test_records_that_wait_while_nothing_is_read_are_reported(case: Case) -> None:
    """A dead fetcher: the client has seen no new end, the broker says there is one."""
    case.world.fetched_at, case.world.end = case.world.now, 5
    await case.passes(LONG)
    assert case.age("unread") > timedelta(seconds=REJOIN_AFTER)
    assert set(case.world.condemned) == {"unread"}


async def test_a_backlog_that_is_being_read_is_no_standing_still(case: Case) -> None:
    case.world.end = case.world.seen_end = 1_000_000
    for _ in range(int(LONG.total_seconds())):
        assert case.world.position is not None
        case.world.position += 1
        await case.passes(timedelta(seconds=1))
    assert case.age("unread") <= timedelta(seconds=1)
    assert case.world.condemned == []


async def test_a_partition_whose_last_batch_is_still_being_read_does_not_stand_still(case: Case) -> None:
    """Large records of many partitions share a few workers: a member made anew would only begin again."""
    case.world.position, case.world.seen_end, case.world.end = 5, 9, 9
    case.watch.being_read = frozenset((HERE,))
    await case.passes(LONG)
    assert case.age("unread") == timedelta(0)
    assert case.world.condemned == []
    case.watch.being_read = frozenset()
    await case.passes(LONG)
    assert set(case.world.condemned) == {"unread"}


async def test_what_is_paused_on_purpose_is_no_standing_still_and_lags(case: Case) -> None:
    await case.passes(timedelta(seconds=1))
    case.watch.paused = PauseReason.OPEN_ROWS
    case.world.fetched_at, case.world.end = case.world.now, 7
    await case.passes(LONG)
    assert case.age("unread") == timedelta(0)
    records, seconds = case.shown()
    assert records == 7
    assert seconds == pytest.approx(LONG.total_seconds(), abs=5)


async def test_a_partition_whose_broker_is_down_is_no_fault_of_ours(case: Case) -> None:
    case.world.seen_end = 5
    case.world.end = None
    await case.passes(LONG)
    assert case.age("unread") <= timedelta(seconds=IN_DOUBT_AFTER + 2)
    assert case.world.condemned == []


async def test_after_a_restart_with_a_backlog_the_broker_is_asked_how_old_it_is(case: Case) -> None:
    case.watch.paused = PauseReason.OPEN_ROWS
    case.world.position, case.world.seen_end, case.world.end = 10, 50, 50
    case.world.came = {HERE: case.world.now - 600}
    await case.passes(timedelta(seconds=3))
    assert case.shown() == (40, 603)


async def test_what_waits_behind_an_open_transaction_is_no_fault_of_the_member_and_shows(case: Case) -> None:
    case.world.position, case.world.seen_end, case.world.high_watermark = 5, 5, 9
    await case.passes(LONG)
    assert case.world.condemned == []
    assert case.age("unread") == timedelta(0)
    assert case.shown() == (0, 0)
    get = case.metrics.registry.get_sample_value
    assert get("shw_open_transaction_seconds", {"partition": "0"}) == LONG.total_seconds() - 1
    case.world.position = case.world.seen_end = 6
    await case.passes(timedelta(seconds=2))
    assert get("shw_open_transaction_seconds", {"partition": "0"}) == 1, "the next one is another"
    case.world.position = case.world.seen_end = 9
    await case.passes(timedelta(seconds=1))
    assert get("shw_open_transaction_seconds", {"partition": "0"}) == 0


async def test_an_end_that_was_not_seen_for_long_says_nothing_of_open_transactions(case: Case) -> None:
    case.world.position, case.world.seen_end, case.world.high_watermark = 5, 5, 9
    case.world.end, case.world.fetched_at = 5, case.world.now
    await case.passes(LONG)
    assert case.metrics.registry.get_sample_value("shw_open_transaction_seconds", {"partition": "0"}) == 0


async def test_a_batch_that_is_fetched_again_is_no_fault_of_the_member(case: Case) -> None:
    case.world.position, case.world.seen_end, case.world.end, case.world.in_doubt = 5, 9, 9, True
    await case.passes(LONG)
    assert case.world.condemned == []
    assert case.age("unread") == timedelta(0)
    assert case.shown()[0] == 4, "and it shows as lag"


async def test_the_topic_itself_is_looked_at_every_few_seconds(case: Case) -> None:
    await case.passes(timedelta(seconds=100))
    assert 9 <= case.world.looked <= 11
