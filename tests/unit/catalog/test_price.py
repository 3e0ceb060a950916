"""What a call of a generator did cost: what its answer tells is believed within reason, and calculated in no time."""

import time
from decimal import Decimal

import pytest

from consumer.catalog.generators.price import Price

BY_UNIT = Price(unit_aud=Decimal("0.00002"), most_aud=Decimal("0.10"))
BY_TOKEN = Price(input_token_aud=Decimal("0.000008"), output_token_aud=Decimal("0.00006"), most_aud=Decimal("0.20"))
MOST, MOST_BY_TOKEN = 100_000, 200_000


@pytest.mark.parametrize(
    ("units", "cost"),
    [
        ("5", 100),
        ("0", 0),
        ("1e-999999", 1),
        ("50000", 1_000_000),  # ten times the most: the list may be behind
        ("600000", MOST),
        ("1E+308", MOST),
        ("1E+999990", MOST),
        ("1E+999999999", MOST),
    ],
)
def test_units_are_believed_within_reason(units: str, cost: int) -> None:
    begun = time.thread_time()
    assert BY_UNIT.cost(10, units=Decimal(units)) == cost
    assert time.thread_time() - begun < 0.05


@pytest.mark.parametrize(
    ("into", "out", "cost"),
    [
        (100, 1000, 60_800),
        (0, 0, 0),
        (None, 1000, MOST_BY_TOKEN),
        (100, None, MOST_BY_TOKEN),
        (10**400, 1, MOST_BY_TOKEN),
        (1, 10**400, MOST_BY_TOKEN),
    ],
)
def test_tokens_are_believed_within_reason_and_only_together(into: int | None, out: int | None, cost: int) -> None:
    assert BY_TOKEN.cost(10, input_tokens=into, output_tokens=out) == cost
