"""The word model: it speaks where no rule does, only where it is sure, and the same texts give the same file."""

import json

import pytest

from consumer.diagnose import diagnose, word_model
from consumer.diagnose.lexer import read
from consumer.diagnose.word_model import BIAS, FEWEST, OUTPUTS, TYPES, features, parse_coefficients, speaks_for
from schemas.names import Disposition, FailureType
from tests.support.paths import DATA, ROOT
from tests.support.word_model import fit, read_labels, text_of, training_rows

SHIPPED = ROOT / "consumer/diagnose/word_model.txt"
CORPORA = ROOT.parent / "shared/corpus"
STALL = TYPES.index(FailureType.WORKFLOW_STALL)
REPAIR = len(TYPES) + 1
SENTENCE = "zorp quux blen frim dask"


def coefficients(**of: int) -> dict[str, tuple[int, ...]]:
    """Make a model in which each word of the sentence speaks for the outputs of these numbers."""
    row = tuple(of.get(f"output_{place}", 0) for place in range(OUTPUTS))
    return {BIAS: (0,) * OUTPUTS} | dict.fromkeys(SENTENCE.split(), row)


def test_it_speaks_for_a_type_and_a_disposition_that_it_is_sure_of() -> None:
    by = coefficients(**{f"output_{STALL}": 200, f"output_{REPAIR}": 200, f"output_{OUTPUTS - 1}": -100})
    said = speaks_for(read(SENTENCE), by=by)
    assert [one.failure_type for one in said if one.failure_type] == [FailureType.WORKFLOW_STALL]
    assert [one.disposition for one in said if one.disposition] == [Disposition.NEEDS_REPAIR]


def test_it_is_silent_where_it_is_not_sure_or_a_person_may_be_right() -> None:
    assert speaks_for(read(SENTENCE), by=coefficients()) == ()
    both = coefficients(**{f"output_{REPAIR}": 200, f"output_{OUTPUTS - 1}": 200})
    assert speaks_for(read(SENTENCE), by=both) == ()


def test_few_known_words_decide_nothing() -> None:
    words = SENTENCE.split()
    assert len(words) == FEWEST
    by = coefficients(**{f"output_{STALL}": 900})
    assert speaks_for(read(" ".join(words[1:])), by=by) == ()
    assert speaks_for(read(""), by=by) == ()


def test_where_a_rule_speaks_the_model_does_not() -> None:
    for reason in ("Request timeout", "The image", "The record already exists", "Headers: x-rate-limit-limit 30"):
        assert not [one for one in diagnose(reason, {}).evidence if one.rule.startswith("words.")]


def test_what_it_says_is_shown_as_evidence_and_makes_a_diagnosis_no_surer() -> None:
    rows = [json.loads(line) for line in (DATA / "texts_first.jsonl").read_text().splitlines()]
    told = [diagnose(row["failure_reason"], row["context"]) for row in rows]
    guessed = [one for one in told if any(piece.rule.startswith("words.") for piece in one.evidence)]
    assert guessed
    assert max(one.confidence for one in guessed) <= 0.5


def test_pairs_of_words_and_pieces_of_other_scripts_are_features() -> None:
    assert list(features(read("disk is full"))) == ["disk", "is", "full", "disk is", "is full"]
    assert "~卡住" in features(read("任务卡住"))


def test_a_file_with_other_outputs_is_refused() -> None:
    row = " ".join(["1"] * OUTPUTS)
    assert parse_coefficients([f"{BIAS}\t{row}", f"word\t{row}"])["word"] == (1,) * OUTPUTS
    for lines in ([f"word\t{row}"], [f"{BIAS}\t{row} 1"]):
        with pytest.raises(ValueError, match="fit it anew"):
            parse_coefficients(lines)


def test_the_shipped_file_is_small_and_whole() -> None:
    assert SHIPPED.stat().st_size < 2_000_000
    assert len(word_model.parse_coefficients(SHIPPED.read_text(encoding="utf-8").split("\n")[:-1])) > 1000


@pytest.mark.skipif(not CORPORA.exists(), reason="the corpora of real texts are not beside this checkout")
def test_the_same_texts_give_the_shipped_file() -> None:
    assert text_of(fit(training_rows(), read_labels())) == SHIPPED.read_text(encoding="utf-8")
