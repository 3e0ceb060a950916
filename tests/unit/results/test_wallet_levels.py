"""How full a wallet is: warned of once for each threshold, until it is filled again."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model import OrgId
from consumer.model.wallet import WalletLevel, WalletReading, WalletWarning
from consumer.results.events import Outlet
from consumer.results.wallet_levels import THRESHOLDS, describe, judge, warning_message
from schemas.names import Budget, BudgetWarningKind

ORG = OrgId(UUID(int=1))
LOW, CRITICAL = BudgetWarningKind.TEXT_LOW, BudgetWarningKind.TEXT_CRITICAL


def reading(
    budget: int | None,
    before: WalletLevel | None = None,
    *,
    held: int = 0,
    spent: int = 0,
    unpaid: int | None = None,
    locked_out: bool = False,
) -> WalletReading:
    return WalletReading(
        org_id=ORG, budget=budget, held=held, locked_out=locked_out, before=before, spent=spent, unpaid=unpaid
    )


FULL = WalletLevel(filled=100, seen=100)


@pytest.mark.parametrize(
    ("left", "warnings"), [(100, ()), (21, ()), (20, (LOW,)), (6, (LOW,)), (5, (LOW, CRITICAL)), (0, (LOW, CRITICAL))]
)
def test_a_wallet_is_warned_of_at_and_below_each_threshold(left: int, warnings: tuple[BudgetWarningKind, ...]) -> None:
    said = judge(reading(left, FULL))
    assert said.warnings == warnings
    assert judge(reading(left, said.level)).warnings == ()


def test_what_heals_under_way_hold_is_not_spent() -> None:
    assert judge(reading(5, FULL, held=90)).warnings == ()


def test_a_wallet_that_is_seen_for_the_first_time_held_what_was_spent_of_it() -> None:
    assert judge(reading(15, spent=85)).warnings == (LOW,)
    assert judge(reading(15)).warnings == ()


def test_a_renewal_closes_and_is_the_new_measure_and_a_refund_is_not() -> None:
    warned = WalletLevel(filled=100, seen=10, warned=20)
    renewed = judge(reading(50, warned))
    assert (renewed.is_filled, renewed.level) == (True, WalletLevel(filled=50, seen=50))
    refunded = judge(reading(14, warned))
    assert (refunded.is_filled, refunded.level.warned, refunded.level.filled) == (False, 20, 100)


def test_a_failure_is_paid_for_only_where_nothing_forbids_it() -> None:
    assert judge(reading(50, FULL, unpaid=50)).can_pay
    assert judge(reading(50, WalletLevel(filled=100, seen=0, unpaid=30), unpaid=60)).can_pay
    assert not judge(reading(49, FULL, unpaid=50)).can_pay
    assert not judge(reading(50, FULL, unpaid=50, locked_out=True)).can_pay
    assert not judge(reading(50, FULL)).can_pay
    nothing = judge(reading(None, unpaid=50))
    assert (nothing.can_pay, nothing.level.unpaid, nothing.warnings) == (False, 50, ())


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), max_size=30))
def test_no_threshold_is_warned_of_twice_without_a_filling_between(steps: list[tuple[int, int]]) -> None:
    level: WalletLevel | None = None
    since_filled: list[BudgetWarningKind] = []
    for budget, held in steps:
        said = judge(reading(budget, level, held=held))
        if level is not None and said.level.warned > level.warned:
            since_filled.clear()
        since_filled += said.warnings
        assert len(set(since_filled)) == len(since_filled)
        of_text = THRESHOLDS[Budget.TEXT]
        assert {kind for kind, percent in of_text.items() if percent >= said.level.warned} == set(since_filled)
        level = said.level


def test_the_event_of_a_warning_says_what_is_left() -> None:
    level = WalletLevel(filled=50_000_000, seen=9_950_000, warned=20)
    warning = WalletWarning(id=UUID(int=7), org_id=ORG, kind=LOW, level=level, at=datetime(2026, 3, 1, tzinfo=UTC))
    message = warning_message(warning, Outlet(results_topic="results", dlq_topic="dlq", max_bytes=1000))
    assert (message.id, message.topic, message.key) == (UUID(int=7), "results", str(ORG).encode())
    assert message.body is not None
    said = json.loads(message.body)
    data = said.get("data", said)
    assert (data["warning_type"], data["threshold_percent"]) == ("text_low", 20)
    assert (data["remaining"], data["filled"]) == ("9.95", "50")
    assert data["message"] == describe(LOW, level)[1] == "9.95 AUD of 50 are left of the text budget: 20 % or less"
