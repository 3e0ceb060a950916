"""How well diagnoses generalise: labelled texts, ours and (where it lies beside the checkout) the corpus."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consumer.diagnose import diagnose
from consumer.diagnose.diagnosis import INDEX
from consumer.diagnose.packs.pack import read_packs
from schemas.names import FailureType
from tests.support.diagnosis_scores import accepted_dispositions, score, scored
from tests.support.paths import DATA, ROOT
from tests.support.unseen_texts import matched

CORPUS = Path(os.environ.get("SHW_CORPUS", ROOT.parent / "shared/corpus/failure_reasons.jsonl"))
Row = Mapping[str, Any]
needs_corpus = pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of real texts is not beside this checkout")


def rows(file: Path) -> list[Row]:
    """Read a labelled set."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def types(labelled: Iterable[Row]) -> list[tuple[str, Row]]:
    """Diagnose each text."""
    return [(diagnose(row["failure_reason"], row["context"]).failure_type.value, row) for row in labelled]


def macro_f1(found: Sequence[tuple[str, Row]]) -> float:
    """Give the mean over the types of the harmonic mean of precision and recall."""
    right = Counter(kind for kind, row in found if kind == row["label"])
    said, meant = Counter(kind for kind, _ in found), Counter(row["label"] for _, row in found)
    return sum(2 * right[kind] / (said[kind] + meant[kind]) for kind in FailureType) / len(FailureType)


def share(found: Sequence[Any], right: Callable[[Any], bool]) -> float:
    """Give the share of those that are right."""
    return sum(map(right, found)) / len(found)


def dispositions(labelled: Iterable[Row], allowed: Callable[[Row], Sequence[str]]) -> float:
    """Give the share of texts whose disposition is one of those allowed, where any is."""
    judged = [(row, allowed(row)) for row in labelled if allowed(row)]
    if not judged:
        return 1.0
    return share(judged, lambda one: diagnose(one[0]["failure_reason"], one[0]["context"]).disposition in one[1])


@needs_corpus
def test_the_corpus_is_diagnosed_well_enough() -> None:
    found = types(rows(CORPUS))
    assert share(found, lambda one: one[0] == one[1]["label"]) >= 0.85
    assert share(found, lambda one: one[0] in (one[1]["label"], *one[1]["also_acceptable"])) >= 0.95
    assert macro_f1(found) >= 0.82


@needs_corpus
def test_the_corpus_gets_dispositions_that_a_reader_would_give() -> None:
    labels: dict[str, list[str]] = json.loads((DATA / "corpus_dispositions.json").read_text())
    assert len(labels) >= 150
    assert dispositions(rows(CORPUS), lambda row: labels.get(row["id"], [])) >= 0.85


@needs_corpus
@pytest.mark.parametrize(
    ("name", "least"),
    [("failure_reasons", (0.9, 0.98, 0.94, 0.02)), ("failure_reasons_2", (0.88, 0.96, 0.92, 0.02))],
)
def test_few_diagnoses_of_real_texts_would_do_harm(name: str, least: tuple[float, float, float, float]) -> None:
    labels: dict[str, list[str]] = json.loads((DATA / "corpus_dispositions.json").read_text())
    total = score(scored(rows(CORPUS.with_name(f"{name}.jsonl")), diagnose, labels))
    strict, alternative, disposed, harmful = least
    assert total.strict >= strict
    assert total.alternative >= alternative
    assert total.disposed >= disposed
    assert total.harmful <= harmful


def _told(row: Row) -> list[str]:
    return accepted_dispositions(row, {})


@pytest.mark.parametrize("file", sorted(DATA.glob("texts_*.jsonl")), ids=lambda file: str(file.stem))
def test_texts_written_without_sight_of_the_rules_are_diagnosed_nearly_as_well(file: Path) -> None:
    labelled = rows(file)
    found = types(labelled)
    assert len(found) >= 100
    assert share(found, lambda one: one[0] == one[1]["label"]) >= 0.75
    assert share(found, lambda one: one[0] in (one[1]["label"], *one[1]["also_acceptable"])) >= 0.82
    assert dispositions(labelled, _told) >= 0.80


def test_texts_of_providers_that_no_pack_names_are_worth_measuring_with() -> None:
    labelled = rows(DATA / "unnamed_providers.jsonl")
    named = {f"pack.{pack.name}" for pack in read_packs()}
    assert len({row["id"] for row in labelled}) == len(labelled) == 200
    assert len({row["source"] for row in labelled}) >= 100
    assert not [row["id"] for row in labelled if named & {one.rule.id for one in matched(INDEX, row)}]
    total = score(scored(labelled, diagnose, {}))
    assert min(total.strict, total.disposed) >= 0.7


def _half(row: Row) -> int:
    text = row["failure_reason"].encode() + json.dumps(row["context"]).encode()
    return int(sha256(text).hexdigest()[:8], 16) % 2


def test_of_texts_in_everyday_words_the_half_that_was_not_learned_from_is_diagnosed_nearly_as_well() -> None:
    learned, kept = rows(DATA / "texts_fourth.jsonl"), rows(DATA / "kept_texts.jsonl")
    assert {_half(row) for row in learned} == {0}
    assert {_half(row) for row in kept} == {1}
    total = score(scored(kept, diagnose, {}))
    assert total.texts >= 300
    assert total.strict >= 0.8
    assert total.alternative >= 0.87
    assert total.disposed >= 0.9
    assert total.harmful <= 0.08
