"""Fits the word model to the labelled texts: `python -m benchmarks.diagnosis_word_model --write` writes what it gives.

A multinomial regression for the types and a logistic one for each kind of disposition, with a ridge penalty, by full
gradients with a step of its own for each coefficient (AdaGrad): no chance in it, the same texts give the same file. The
arrays are added element by element, in the order of the texts: their sums are those of Python's own numbers.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Final

import numpy as np

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
    places = [np.array(its, dtype=np.intp) for its in texts]
    weights = np.zeros((len(names) + 1, OUTPUTS))  # the last is the bias
    squares = np.full_like(weights, 1e-8)
    for _ in range(STEPS):
        slopes = PENALTY * weights
        rows_of_weights: list[list[float]] = weights.tolist()
        for its, at, target in zip(texts, places, targets, strict=True):
            types, dispositions = scores([rows_of_weights[place] for place in its], rows_of_weights[-1])
            off = np.array(
                [
                    0.0 if meant is None else told - meant
                    for told, meant in zip(types + dispositions, target, strict=True)
                ]
            )
            slopes[-1] += off
            slopes[at] += (LENGTH / sqrt(len(its)) if its else 0.0) * off  # a text has each feature once
        squares += slopes * slopes
        weights -= STEP * slopes / np.sqrt(squares)
    fitted: list[list[float]] = weights.tolist()
    return {
        name: whole
        for name, row in zip([*names, BIAS], fitted, strict=True)
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
