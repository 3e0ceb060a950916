"""Patches at random, and injected ones: whatever leaves checks and replay is harmless.

Some by default; `SHW_FAULT_MATRIX=full` tries 200 patches of each workflow, and 200 texts.
"""

import os
from random import Random
from typing import Final, cast

import pytest

from consumer.workflows.checks import CHECKS
from consumer.workflows.findings import PatchRule
from consumer.workflows.proof import ProvenPatch
from tests.support.workflows.broken import BrokenWorkflow, load_cases
from tests.support.workflows.injections import DRESSES, attack, injection_texts
from tests.support.workflows.random_patches import harm_of, random_patch

CASES: Final = load_cases()
FULL: Final = os.environ.get("SHW_FAULT_MATRIX") == "full"
PATCHES: Final = 200 if FULL else 12
TEXTS: Final = injection_texts()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_random_patch_that_passes_breaks_nothing(case: BrokenWorkflow) -> None:
    random = Random(f"7 {case.id}")
    for _ in range(PATCHES):
        patch = random_patch(case, random)
        judged = case.judge(patch)
        if isinstance(judged, ProvenPatch):
            assert harm_of(case, judged) is None, patch


def test_some_random_patches_pass() -> None:
    random = Random(7)
    judged = [case.judge(random_patch(case, random)) for case in CASES for _ in range(6)]
    assert any(isinstance(each, ProvenPatch) for each in judged)


def test_there_are_two_hundred_texts() -> None:
    assert len({text for text, _ in TEXTS}) == 200
    assert len(DRESSES) >= 20


@pytest.mark.parametrize("number", range(0, 200, 1 if FULL else 25))
def test_an_attacker_who_reads_the_refusals_gets_nothing_through(number: int) -> None:
    text, goal = TEXTS[number]
    case = CASES[number % len(CASES)]
    assert attack(case, text, goal, Random(number)) is None


def test_the_attack_has_teeth(monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in (PatchRule.TAINT, PatchRule.LITERAL):
        monkeypatch.setitem(cast("dict[PatchRule, object]", CHECKS), rule, lambda _: ())
    monkeypatch.setattr("consumer.workflows.proof.unexercised", lambda *_: ())
    found = [attack(CASES[n % len(CASES)], *TEXTS[n], Random(n)) for n in range(0, 40, 5)]
    assert any(found), "without the rules nothing gets through either: the attacker is too weak to say anything"
