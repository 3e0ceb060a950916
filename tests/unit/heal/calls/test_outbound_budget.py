"""What an organisation and a source may have the healer call and send is bounded, and refills."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from consumer.heal.calls.outbound_budget import FREE_BYTES, OutboundBudget
from consumer.model import Failure, OrgId
from consumer.settings import OutboundSettings
from tests.support.healing import failure

LIMITS = OutboundSettings(calls_per_second=1, calls_burst=3, bytes_per_second=1000, bytes_burst=10_000)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def mine(source: str | None = "urn:a", size: int = 0) -> Failure:
    return replace(failure({}), source=source, size=size)


def test_calls_run_out_for_the_source_and_for_its_organisation_and_refill() -> None:
    time = Time()
    budget = OutboundBudget(LIMITS, time)
    assert [budget.wait_to_begin(mine()) for _ in range(3)] == [None] * 3
    over = budget.wait_to_begin(mine())
    assert over is not None
    assert over[0] == timedelta(seconds=1)
    assert "called as often as SHW_OUTBOUND__" in over[1]
    assert budget.wait_to_begin(mine("urn:b")) is not None, "another source of the same organisation"
    assert budget.wait_to_begin(replace(mine(), org_id=OrgId(uuid4()))) is None
    time.now = 1
    assert budget.wait_to_begin(mine()) is None


def test_further_calls_of_a_heal_are_a_debt_that_the_next_heals_wait_for() -> None:
    budget = OutboundBudget(LIMITS, Time())
    assert budget.wait_to_begin(mine()) is None
    for _ in range(5):
        budget.called(mine())
    over = budget.wait_to_begin(mine())
    assert over is not None
    assert over[0] == timedelta(seconds=4)


def test_bytes_that_the_event_brought_itself_are_free() -> None:
    budget = OutboundBudget(LIMITS, Time())
    for _ in range(100):
        assert budget.wait_to_send(mine(size=9000), 9000) is None
        assert budget.wait_to_send(mine(), FREE_BYTES) is None
    assert budget.wait_to_send(mine(size=9000), 9000 + 10_000) is None
    over = budget.wait_to_send(mine(size=9000), 9000 + 1000)
    assert over is not None
    assert over[0] == timedelta(milliseconds=1)


def test_what_is_larger_than_what_is_left_is_a_debt_that_the_next_wait_for() -> None:
    time = Time()
    budget = OutboundBudget(LIMITS, time)
    assert budget.wait_to_send(mine(), 50_000) is None
    over = budget.wait_to_begin(mine())
    assert over is not None
    assert over[0] > timedelta(seconds=30)
    time.now = 60
    assert budget.wait_to_send(mine(), 50_000) is None


def test_a_row_without_a_source_counts_for_its_organisation() -> None:
    budget = OutboundBudget(LIMITS, Time())
    assert [budget.wait_to_begin(mine(None)) for _ in range(3)] == [None] * 3
    assert budget.wait_to_begin(mine(None)) is not None
