"""`python -m benchmarks.diagnosis_word_model [--write]`: fits the word model, and says over folds what it is worth.

To the labelled texts of the tests and the corpora that lie beside the checkout, without those that are only measured
(tests/support/word_model.py). Without the option it prints, over folds, how diagnoses are that the rules alone make of
texts as if nobody had looked at them (tests/support/unseen_texts.py), and with a model fitted to the other folds.
"""

import sys
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from rich.console import Console
from rich.table import Table

from consumer.diagnose.diagnosis import judge, with_words
from consumer.diagnose.rule import CAUTION, PRECEDENCE
from consumer.diagnose.word_model import Coefficients
from tests.support.diagnosis_scores import Row, accepted_dispositions, harm_of
from tests.support.paths import ROOT
from tests.support.unseen_texts import said_by, unseen_matches
from tests.support.word_model import Labels, fit, read_labels, text_of, training_rows

WRITTEN: Final = ROOT / "consumer/diagnose/word_model.txt"
FOLDS: Final = 5


def main() -> None:
    """Measure and print, or fit and write."""
    labels = read_labels()
    rows = training_rows()
    if "--write" in sys.argv:
        WRITTEN.write_text(text_of(fit(rows, labels)), encoding="utf-8")
    else:
        Console(width=110).print(_folds(rows, labels))


def _folds(rows: Sequence[Row], labels: Labels) -> Table:
    table = Table("texts", "of", "strict", "with alternatives", "dispositions", "harmful", title=f"{FOLDS} folds")
    told: dict[str, list[tuple[bool, bool, bool | None, bool | None]]] = {"rules alone": [], "with the word model": []}
    matches = unseen_matches(rows)
    for fold in range(FOLDS):
        fitted: Coefficients = fit([row for row in rows if _fold(row) != fold], labels)
        for row, met in zip(rows, matches, strict=True):
            if _fold(row) == fold:
                text = said_by(row)
                more = with_words(met, text, row["failure_reason"], by=fitted)
                told["rules alone"].append(_right(row, judge(met)[:2], labels))
                told["with the word model"].append(_right(row, judge(more)[:2], labels))
    for name, some in told.items():
        shares = []
        for column in range(4):
            judged = [one[column] for one in some if one[column] is not None]
            shares.append(f"{sum(map(bool, judged)) / len(judged):.3f}")
        table.add_row(name, str(len(some)), *shares)
    return table


def _right(row: Row, said: tuple[int, int], labels: Labels) -> tuple[bool, bool, bool | None, bool | None]:
    kind, care = PRECEDENCE[said[0]], CAUTION[said[1]]
    accepted = accepted_dispositions(row, labels)
    strict = kind == row["label"]
    also = strict or kind in row["also_acceptable"]
    return strict, also, *((care in accepted, harm_of(care, accepted) is not None) if accepted else (None, None))


def _fold(row: Row) -> int:
    return int(sha256(f"fold:{row['id']}".encode()).hexdigest()[:8], 16) % FOLDS


if __name__ == "__main__":
    main()
