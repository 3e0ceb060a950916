"""Amounts are exact: every currency, as whole units and as decimal texts, up to ten to the fifteenth and beyond."""

from decimal import Decimal
from random import Random

import pytest

from consumer.heal.billing_sync.money import UnreadableAmount, currency_of, decimals, exact_json, minor_units, told
from tests.support.worlds.billing_world import CURRENCIES

LARGEST = 10**15


@pytest.mark.parametrize("code", CURRENCIES)
def test_an_amount_is_the_same_in_both_units(code: str) -> None:
    currency, random = currency_of(code), Random(code)
    for units in (0, 1, -1, 999, LARGEST, LARGEST - 1, -LARGEST, *(random.randrange(LARGEST) for _ in range(50))):
        text = told(units, currency).removesuffix(f" {currency}")
        assert minor_units(text, currency, "major") == units
        assert minor_units(exact_json(text.encode()), currency, "major") == units
        assert minor_units(units, currency, "minor") == minor_units(str(units), currency, "minor") == units


def test_there_are_currencies_of_each_kind() -> None:
    kinds = [decimals(code.upper()) for code in CURRENCIES]
    assert len(kinds) >= 40
    assert min(kinds.count(places) for places in (0, 2, 3)) >= 5


def test_sums_of_large_amounts_lose_nothing() -> None:
    assert sum(minor_units(f"{LARGEST}.01", "USD", "major") for _ in range(100)) == 100 * (100 * LARGEST + 1)
    assert told(123456, "KWD") == "123.456 KWD"
    assert told(-5, "USD") == "-0.05 USD"
    assert told(1230, "JPY") == "1230 JPY"


@pytest.mark.parametrize(
    "said",
    [
        None,
        True,
        1.5,
        "",
        "12.345",
        "1e400",
        "NaN",
        "Infinity",
        "1_000",
        " 12.30",
        "١٢",
        "12,30",
        [],
        Decimal("0.001"),
        "9" * 30,
        Decimal("1E+40"),
    ],
    ids=repr,
)
def test_what_is_no_whole_number_of_units_is_refused(said: object) -> None:
    with pytest.raises(UnreadableAmount):
        minor_units(said, "USD", "major")


@pytest.mark.parametrize("said", ["12.00", "0x10", " 1", Decimal("1.5"), 10.0])
def test_minor_units_are_whole(said: object) -> None:
    with pytest.raises(UnreadableAmount):
        minor_units(said, "USD", "minor")


@pytest.mark.parametrize("said", [None, "", "us", "usdt", "U$D", 1])
def test_a_currency_is_a_code(said: object) -> None:
    with pytest.raises(UnreadableAmount):
        currency_of(said)
