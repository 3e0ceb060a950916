"""The confidence of a diagnosis: a probability that holds, and that moves with the evidence."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from consumer.diagnose import diagnose
from consumer.diagnose.confidence import FEATURES, confidence, parse_coefficients
from tests.support.diagnosis_scores import kept_aside, read_rows
from tests.support.paths import DATA, ROOT
from tests.support.unseen_texts import Judged, judged_unseen

CORPORA = ROOT.parent / "shared/corpus"
LEAST_TEXTS = 25
"""Fewer texts say nothing about a share."""


def labelled(*files: Path) -> list[Judged]:
    labels = json.loads((DATA / "corpus_dispositions.json").read_text())
    rows = [row for file in files for row in read_rows(file)]
    return judged_unseen([row for row in rows if not kept_aside(row)], labels)


def shares(known: Sequence[Judged], least: float, above: float) -> tuple[int, float, float]:
    """Count the diagnoses that are told to be this sure, with their mean confidence and the share that is right."""
    some = [(confidence(one.features), one.right) for one in known if least <= confidence(one.features) < above]
    count = len(some) or 1
    return len(some), sum(told for told, _ in some) / count, sum(right for _, right in some) / count


@pytest.mark.skipif(not CORPORA.exists(), reason="the corpora of real texts are not beside this checkout")
def test_of_those_told_to_be_this_sure_as_many_are_right() -> None:
    known = labelled(*CORPORA.glob("*.jsonl"), *DATA.glob("texts_*.jsonl"))
    for least, above in ((0.0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        count, told, right = shares(known, least, above)
        assert count >= LEAST_TEXTS
        assert right == pytest.approx(told, abs=0.1)
    assert shares(known, 0.9, 1.01)[2] >= 0.9


def test_those_told_to_be_sure_are_right_more_often_than_those_told_to_be_guesses() -> None:
    known = labelled(*DATA.glob("texts_*.jsonl"))
    (few, _, guessed), (many, _, sure) = shares(known, 0.0, 0.5), shares(known, 0.85, 1.01)
    assert min(few, many) >= LEAST_TEXTS
    assert sure > guessed + 0.3


def test_a_code_that_decides_is_surer_than_a_word_and_a_word_than_nothing() -> None:
    code = diagnose("it failed", {"error": {"code": "ETIMEDOUT", "http_status": 504}}).confidence
    word = diagnose("the image", {}).confidence
    assert code > word > diagnose("it failed", {}).confidence


def test_a_rival_type_makes_it_less_sure() -> None:
    alone, rivalled = diagnose("Request timeout", {}), diagnose("Request timeout, image not found", {})
    assert alone.failure_type is rivalled.failure_type
    assert alone.confidence > rivalled.confidence


def test_what_is_not_recognised_at_all_is_told_to_be_a_guess() -> None:
    assert 0 < diagnose("flurb", {}).confidence < 0.5


def test_coefficients_of_other_features_are_refused() -> None:
    lines = [f"{name} 0.5" for name in FEATURES]
    assert parse_coefficients("\n".join(lines)) == (0.5,) * len(FEATURES)
    for others in (lines[1:], [*lines, "more 1"], lines[::-1]):
        with pytest.raises(ValueError, match="fit it anew"):
            parse_coefficients("\n".join(others))
