"""`python -m benchmarks.diagnosis_confidence [--write]`: how often diagnoses are right that are told to be this sure.

Over the labelled texts of the tests and the corpora that lie beside the checkout, a diagnosis being right where both
its type and its disposition are the label's. Each text is diagnosed as if nobody had looked at it
(tests/support/unseen_texts.py), and its confidence computed with coefficients that were fitted to the other nine tenths
of the texts. Beside it the texts that really nobody has looked at, as they are diagnosed, with the shipped
coefficients. `--write` fits to all texts but those, and writes `consumer/diagnose/confidence.txt`.
"""

import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from consumer.diagnose.confidence import FEATURES, confidence, probability
from tests.support.diagnosis_scores import Row, kept_aside, read_rows
from tests.support.paths import DATA, ROOT
from tests.support.unseen_texts import Judged, judged, judged_unseen

CORPORA: Final = ROOT.parent / "shared/corpus"
ASIDE: Final = "failure_reasons_2"
MEASURED: Final = (DATA / "kept_texts.jsonl", DATA / "unnamed_providers.jsonl")
"""Sets that are only measured."""
WRITTEN: Final = ROOT / "consumer/diagnose/confidence.txt"
FOLDS: Final = 10
STEPS: Final = 25
PENALTY: Final = 1.0
"""Of the squares of the coefficients (ridge); the constant has none."""
EDGES: Final = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 1.01)
Told = tuple[float, bool]
"""A confidence, and whether the diagnosis was right."""


def main() -> None:
    """Measure and print, or fit and write."""
    labels = json.loads((DATA / "corpus_dispositions.json").read_text())
    rows: list[Row] = []
    aside: list[Row] = []
    for file in (*sorted(CORPORA.glob("*.jsonl")), *sorted(DATA.glob("texts_*.jsonl"))):
        for row in read_rows(file):
            (aside if _unseen(file, row) else rows).append(row)
    aside += [row for file in MEASURED for row in read_rows(file)]
    known = judged_unseen(rows, labels)
    if "--write" in sys.argv:
        fitted = fit(known)
        WRITTEN.write_text("".join(f"{name} {one:.4f}\n" for name, one in zip(FEATURES, fitted, strict=True)))
    else:
        console = Console(width=110)
        console.print(_table(f"{FOLDS} folds over {len(known)} texts", _cross_validated(known)))
        unseen = [(confidence(one.features), one.right) for one in judged(aside, labels)]
        console.print(_table(f"{len(unseen)} texts that nobody has looked at", unseen))


def fit(known: Sequence[Judged]) -> list[float]:
    """Fit the logistic regression with a ridge penalty, by Newton's method from zero."""
    size = len(FEATURES)
    fitted = [0.0] * size
    for _ in range(STEPS):
        slope = [-PENALTY * one if place else 0.0 for place, one in enumerate(fitted)]
        curve = [[PENALTY * (row == column != 0) for column in range(size)] for row in range(size)]
        for one in known:
            told = probability(one.features, fitted)
            for row, its in enumerate(one.features):
                if its:
                    slope[row] += its * (one.right - told)
                    for column, other in enumerate(one.features):
                        curve[row][column] += its * other * told * (1.0 - told)
        fitted = [old + step for old, step in zip(fitted, _solve(curve, slope), strict=True)]
    return fitted


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve a system of linear equations, symmetric and positive definite, by elimination."""
    rows = [[*row, one] for row, one in zip(matrix, right, strict=True)]
    for place, pivot in enumerate(rows):
        for below in rows[place + 1 :]:
            factor = below[place] / pivot[place]
            for column in range(place, len(pivot)):
                below[column] -= factor * pivot[column]
    found = [0.0] * len(rows)
    for place in reversed(range(len(rows))):
        row = rows[place]
        found[place] = (row[-1] - sum(map(float.__mul__, row[place + 1 : -1], found[place + 1 :]))) / row[place]
    return found


def _cross_validated(known: Sequence[Judged]) -> list[Told]:
    told: list[Told] = []
    for fold in range(FOLDS):
        fitted = fit([one for one in known if _fold(one) != fold])
        told += [(probability(one.features, fitted), one.right) for one in known if _fold(one) == fold]
    return told


def _fold(one: Judged) -> int:
    return int(sha256(f"fold:{one.row['id']}".encode()).hexdigest()[:8], 16) % FOLDS


def _unseen(file: Path, row: Row) -> bool:
    return file.stem == ASIDE and kept_aside(row)


def _table(title: str, told: Sequence[Told]) -> Table:
    table = Table("told", "texts", "mean told", "right", title=title)
    for least, above in pairwise(EDGES):
        some = [one for one in told if least <= one[0] < above]
        table.add_row(f"{least:.1f} to {min(above, 1.0):.1f}", *_shares(some))
    table.add_section()
    table.add_row("0.9 or more", *_shares([one for one in told if one[0] >= EDGES[-2]]))
    table.add_row("all", *_shares(told))
    return table


def _shares(some: Sequence[Told]) -> tuple[str, str, str]:
    if not some:
        return "0", "", ""
    sure, right = (sum(one[place] for one in some) / len(some) for place in (0, 1))
    return str(len(some)), f"{sure:.3f}", f"{right:.3f}"


if __name__ == "__main__":
    main()
