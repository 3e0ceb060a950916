"""Which keys are slips of the keyboard, and which are words of their own."""

import pytest

from consumer.repair.key_names import is_recased, may_mean, near, plain, slips, variants
from consumer.repair.known_words import are_opposites, are_variants, is_known
from consumer.repair.repair import repair_document
from consumer.repair.values import Json, RefusalCause
from schemas.names import Grade
from tests.support.damaged.key_pairs import Pair, keyboard_slips, other_meanings

MEANINGS = list(dict.fromkeys(other_meanings()))
SLIPS = list(keyboard_slips(7))


def test_there_are_hundreds_of_each() -> None:
    assert len(MEANINGS) > 200
    assert len(SLIPS) > 150


@pytest.mark.parametrize("most", list(Grade))
def test_a_key_of_another_meaning_is_never_taken_for_the_one_that_is_wanted(most: Grade) -> None:
    wrong: list[tuple[Pair, bool]] = []
    for written, wanted in MEANINGS:
        for closed in (True, False):
            schema: Json = {
                "properties": {wanted: {}, "k": {}},
                "required": [wanted],
                "additionalProperties": not closed,
            }
            repair = repair_document({written: 5, "k": 1}, schema, most=most)
            if repair.cause not in {RefusalCause.AMBIGUOUS, RefusalCause.MISSING_REQUIRED, RefusalCause.NEEDS_MORE}:
                wrong.append(((written, wanted), closed))
    assert not wrong


def test_nor_is_it_dropped_while_a_default_takes_its_place() -> None:
    wrong = []
    for written, wanted in MEANINGS:
        schema: Json = {
            "properties": {wanted: {"type": "integer", "default": 9}, "k": {}},
            "required": [wanted],
            "additionalProperties": False,
        }
        if may_mean(written, wanted) and repair_document({written: 5, "k": 1}, schema, most=Grade.INVENTIVE).edits:
            wrong.append((written, wanted))
    assert not wrong


def test_nearly_every_slip_of_the_keyboard_is_known_as_one() -> None:
    missed = [pair for pair in SLIPS if slips(*pair) is None]
    assert len(missed) <= 0.03 * len(SLIPS), missed


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("adress", "address"),
        ("recieve", "receive"),
        ("emial", "email"),
        ("quantitiy", "quantity"),
        ("seperator", "separator"),
        ("lenght", "length"),
        ("order_idd", "order_id"),
        ("order_di", "order_id"),
        ("orderdI", "orderId"),
        ("orderdtae", "orderDate"),
        ("prce", "price"),
        ("skku", "sku"),
        ("amount_uds", "amount_usd"),
        ("wieght_kg", "weight_kg"),
        ("payre_id", "payer_id"),
        ("colour", "color"),
        ("cancelledAt", "canceled_at"),
        ("byteCCount", "byteCount"),
    ],
)
def test_a_true_misspelling_is_a_slip(typed: str, meant: str) -> None:
    assert slips(typed, meant) is not None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("orderId", "order_id", True),
        ("DURATION_MS", "duration_ms", True),
        ("M", "m", True),
        ("power_mW", "power_MW", False),
        ("power_mw", "power_MW", False),
        ("sizeMb", "size_MB", False),
        ("sizeMb", "size_mb", True),
        ("line_1_0", "line_10", False),
    ],
)
def test_casing_and_separators_matter_only_in_units_and_numbers(one: str, other: str, same: bool) -> None:
    assert plain(one) == plain(other)
    assert is_recased(one, other) is same


def test_what_is_near_is_not_yet_a_slip() -> None:
    assert near("duration_s", "duration_ms") == 1
    assert slips("duration_s", "duration_ms") is None
    assert may_mean("weight_ounces", "weight_kg") is False
    assert may_mean("length_inch", "length_cm") is True


def test_words_are_known_alone_and_as_plurals() -> None:
    assert all(is_known(word) for word in ("kg", "usd", "payer", "payers", "x"))
    assert not any(is_known(word) for word in ("quantty", "adress", "cusotmer", "statuss"))
    assert are_opposites("incl", "excl")
    assert are_opposites("usd", "eur")
    assert not are_opposites("usd", "kg")
    assert are_variants("organisation", "organization")


def test_the_variants_of_a_name_include_its_other_casings_and_separators() -> None:
    assert {"x-request-id", "X_Request_Id", "XRequestId"} <= set(variants("X-Request-Id"))
    assert not list(variants("k" * 100))
