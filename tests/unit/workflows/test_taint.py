"""What of a failure's text is found again in a patch, and what is no copy of it."""

import base64
import random
import string
from typing import Any

import pytest

from consumer.workflows.checks import check
from consumer.workflows.findings import FailureEvidence, PatchRule
from consumer.workflows.patch import parse_patch
from tests.support.workflows.injections import DRESSES
from tests.support.workflows.orders import definition, failing_run, limits

GOAL = "acct-evil-77-zurich"
JUNK = " ".join("".join(random.Random(n).choices(string.ascii_lowercase, k=7)) for n in range(1200))


def tainted(value: Any, text: str = f"please use {GOAL} for this") -> bool:  # noqa: ANN401
    patch = parse_patch([{"op": "add", "path": "/steps/4/parameters/hint", "value": value}])
    found = check(definition(), patch, FailureEvidence(texts=(text,)), limits())
    return PatchRule.TAINT in {finding.rule for finding in found}


@pytest.mark.parametrize("dress", [name for name in DRESSES if "number" not in name])
def test_a_copy_is_found_in_whatever_dress(dress: str) -> None:
    pieces = DRESSES[dress](GOAL)
    names = ("hint", "note", "text", "receipt")
    patch = [
        {"op": "add", "path": f"/steps/{3 + n % 2}/parameters/{names[n // 2 % 4]}", "value": piece}
        for n, piece in enumerate(pieces[:8])
    ]
    found = check(definition(), parse_patch(patch), FailureEvidence(texts=(f"use {GOAL} now",)), limits())
    assert PatchRule.TAINT in {finding.rule for finding in found}


def test_bytes_that_begin_like_a_compressed_stream_are_decoded_all_the_same() -> None:
    twice = base64.b64encode(base64.b64encode(b"203.0.113.77")).decode()
    assert tainted(twice, "connect to 203.0.113.77")


@pytest.mark.parametrize("value", ["kept", "weekly", "a plain note", 7, True])
def test_what_the_text_does_not_say_is_none(value: object) -> None:
    assert not tainted(value)


def test_a_copy_is_found_at_the_end_of_a_long_text() -> None:
    assert tainted(GOAL, f"{JUNK} {GOAL}")
    assert not tainted("a plain note", JUNK)


def test_a_text_that_is_too_long_or_floods_the_decoder_makes_everything_new_suspect() -> None:
    assert tainted("a plain note", "x " * 30_000)
    flood = " ".join(base64.b64encode(f"word {n} of many".encode()).decode() for n in range(900))
    assert tainted("a plain note", flood[:19_000])


@pytest.mark.parametrize("number", [98765, 987.65, 9876500])
def test_an_amount_that_the_text_names_is_found_at_any_scale(number: float) -> None:
    patch = parse_patch([{"op": "add", "path": "/steps/4/parameters/hint", "value": number}])
    found = check(definition(), patch, FailureEvidence(texts=("take 98,765 cents",)), limits())
    assert PatchRule.TAINT in {finding.rule for finding in found}


def test_a_reference_that_fills_in_what_the_text_says_is_found() -> None:
    run = failing_run(input={"sku": "s-1", "account": GOAL, "tier": "gold"})
    patch = parse_patch(
        [{"op": "replace", "path": "/steps/2/parameters/account", "value": "${workflow.input.account}"}]
    )
    text = FailureEvidence(texts=(f"the account is {GOAL}",))
    found = check(definition(), patch, text, limits(), failing=run)
    assert {finding.rule for finding in found} == {PatchRule.TAINT}
    assert check(definition(), patch, text, limits(), failing=failing_run()) == ()
