"""Fits the word model to the labelled texts: `python -m benchmarks.diagnosis_word_model --write` writes what it gives.

A multinomial regression for the types and a logistic one for each kind of disposition, with a ridge penalty, by full
gradients with a step of its own for each coefficient (AdaGrad): no chance in it, the same texts give the same file.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Final

from consumer.diagnose.word_model import BIAS, DISPOSITIONS, LENGTH, OUTPUTS, SCALE, TYPES, features, scores
from schemas.names import Disposition
from tests.support.diagnosis_scores import Row, accepted_dispositions, kept_aside, read_rows
from tests.support.paths import DATA, ROOT
from tests.support.unseen_texts import said_by

CORPORA: Final = ROOT.parent / "shared/corpus"
STEPS: Final = 60
STEP: Final = 0.3
PENALTY: Final = 0.3
TEXTS: Final = 2
"""Least number of texts that have a feature."""
Labels = Mapping[str, list[str]]


def read_labels() -> Labels:
    """Read the dispositions of the first corpus, which are kept beside it."""
    labels: Labels = json.loads((DATA / "corpus_dispositions.json").read_text())
    return labels


def training_rows() -> list[Row]:
    """Read all texts that may be learned from."""
    return [
        row
        for file in (*sorted(CORPORA.glob("*.jsonl")), *sorted(DATA.glob("texts_*.jsonl")))
        for row in read_rows(file)
        if not _measured(file, row)
    ]


def fit(rows: Sequence[Row], labels: Labels) -> dict[str, list[int]]:
    """Fit the model: whole hundredths for each feature of at least two texts."""
    having = [features(said_by(row)) for row in rows]
    count = Counter(one for some in having for one in some)
    names = sorted(name for name, texts in count.items() if texts >= TEXTS)
    number = {name: place for place, name in enumerate(names)}
    texts = [[number[one] for one in some if one in number] for some in having]
    targets = [_targets(row, labels) for row in rows]
    weights = [[0.0] * OUTPUTS for _ in range(len(names) + 1)]  # the last is the bias
    squares = [[1e-8] * OUTPUTS for _ in weights]
    for _ in range(STEPS):
        slopes = [[PENALTY * one for one in row] for row in weights]
        for its, target in zip(texts, targets, strict=True):
            types, dispositions = scores([weights[place] for place in its], weights[-1])
            off = [
                0.0 if meant is None else told - meant for told, meant in zip(types + dispositions, target, strict=True)
            ]
            slopes[-1] = [old + one for old, one in zip(slopes[-1], off, strict=True)]
            factor = LENGTH / sqrt(len(its)) if its else 0.0
            scaled = [factor * one for one in off]
            for place in its:
                slopes[place] = [old + one for old, one in zip(slopes[place], scaled, strict=True)]
        for row, slope, square in zip(weights, slopes, squares, strict=True):
            for place, one in enumerate(slope):
                square[place] += one * one
                row[place] -= STEP * one / sqrt(square[place])
    return {
        name: whole
        for name, row in zip([*names, BIAS], weights, strict=True)
        if any(whole := [round(SCALE * one) for one in row]) or name == BIAS
    }


def text_of(fitted: Mapping[str, Sequence[int]]) -> str:
    """Return the file of a fitted model."""
    return "".join(f"{name}\t{' '.join(map(str, row))}\n" for name, row in fitted.items())


def _targets(row: Row, labels: Labels) -> list[float | None]:
    accepted = {_kind(Disposition(one)) for one in accepted_dispositions(row, labels)}
    types: list[float | None] = [float(one.value == row["label"]) for one in TYPES]
    return types + [float(one in accepted) if accepted else None for one in DISPOSITIONS]


def _kind(disposition: Disposition) -> Disposition:
    if disposition in {Disposition.RETRY_NOW, Disposition.RETRY_AFTER}:
        return Disposition.RETRY_IF_IDEMPOTENT
    return Disposition.NEEDS_PERSON if disposition is Disposition.NEVER else disposition


def _measured(file: Path, row: Row) -> bool:
    return file.stem == "failure_reasons_2" and kept_aside(row)
