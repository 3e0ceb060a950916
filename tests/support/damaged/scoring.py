"""Judges answers: restored exactly, refused, or silently wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from tests.support.damaged.answers import SILENT, Answer
from tests.support.damaged.cases import Case, Group
from tests.support.damaged.patches import patched, undone
from tests.support.damaged.schema_positions import Json, parsed, same, valid

Judged: TypeAlias = Sequence[tuple[Case, Answer, "Verdict"]]


class Verdict(Enum):
    """What an answer is worth."""

    RIGHT = "right"
    """The original to the last bit, or a refusal where one was due."""
    REFUSED = "refused"
    """A refusal where the original could have been had."""
    WRONG = "wrong"
    """Another document than the original: the damage nobody sees."""
    SILENT = "silent"
    """No answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many answers were worth what."""

    counts: Counter[Verdict] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many there were."""
        return self.counts.total()

    def part(self, verdict: Verdict) -> float:
        """Return the share of a verdict in per cent."""
        return 100 * self.counts[verdict] / self.total if self.total else 0.0


def judge(case: Case, answer: Answer) -> Verdict:
    """Judge one answer."""
    if answer is SILENT:
        return Verdict.SILENT
    if case.group in {Group.REFUSE, Group.TRAP}:
        return Verdict.WRONG if answer.accepted else Verdict.RIGHT
    if not answer.accepted:
        return Verdict.REFUSED
    if case.still_valid and same(answer.document, parsed(case.text)[1]):
        return Verdict.RIGHT
    right = (case.original, *case.left)
    return Verdict.RIGHT if any(same(answer.document, one) for one in right) else Verdict.WRONG


def judged(cases: Iterable[Case], answers: Mapping[int, Answer]) -> Judged:
    """Judge all answers."""
    with_answers = [(case, answers.get(case.number, SILENT)) for case in cases]
    return [(case, answer, judge(case, answer)) for case, answer in with_answers]


def by_kind(judged: Judged) -> dict[tuple[Group, str], Score]:
    """Count by group and kind of damage: a case with several kinds counts for each, what stayed valid apart."""
    scores: dict[tuple[Group, str], Score] = {}
    for case, _, verdict in judged:
        kinds = ["still valid"] if case.still_valid else (case.kinds or ("undamaged",))
        for kind in kinds:
            scores.setdefault((case.group, kind), Score()).counts[verdict] += 1
    return scores


def by_group(judged: Judged) -> dict[Group, Score]:
    """Count by group, without what stayed valid."""
    scores = {group: Score() for group in Group}
    for case, _, verdict in judged:
        if not case.still_valid or case.group is Group.VALID:
            scores[case.group].counts[verdict] += 1
    return scores


def _explained(value: Json, answer: Answer) -> bool:
    try:
        return same(patched(value, answer.edits), answer.document)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return False


def _undone(text: str, value: Json, answer: Answer) -> bool:
    if any(edit.get("grade") != "lossless" for edit in answer.edits):
        return True
    try:
        before = undone(answer.document, answer.edits)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return False
    # Where the text was read loosely, the first edit has the text itself as what was there.
    return same(before, value) or same(before, text)


def broken_promises(judged: Judged) -> list[tuple[Case, Answer, str]]:
    """Return the answers that contradict themselves: not valid, or valid and changed, or changed without an edit."""
    found: list[tuple[Case, Answer, str]] = []
    for case, answer, _ in judged:
        if not answer.accepted:
            continue
        is_json, value = parsed(case.text)
        untouched = is_json and same(value, answer.document)
        if not valid(answer.document, case.schema):
            found.append((case, answer, "the document does not follow the schema"))
        elif answer.status == "valid" and not untouched:
            found.append((case, answer, "called valid, and is not what was given"))
        elif answer.status == "repaired" and not answer.edits:
            found.append((case, answer, "called repaired, without an edit"))
        elif is_json and not _explained(value, answer):
            found.append((case, answer, "the edits, applied as a JSON Patch, give another document"))
        elif is_json and not _undone(case.text, value, answer):
            found.append((case, answer, "the lossless edits, undone, do not give back what was given"))
    return found
