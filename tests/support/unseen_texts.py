"""Diagnoses of labelled texts as if nobody had looked at them while the rules were written.

Of the rules' phrases and codes a good half was written for a single text, and says nothing about the next one. So each
text is diagnosed without those that no other labelled text meets: what is left is what the rules know in general. The
provider packs come from documentation and stay.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from consumer.diagnose.diagnosis import INDEX, judge, with_words
from consumer.diagnose.facts import ERROR_KEYS, context_facts, text_facts
from consumer.diagnose.index import Index, Met
from consumer.diagnose.lexer import Text, read
from consumer.diagnose.rule import CAUTION, PRECEDENCE, Rule
from tests.support.diagnosis_scores import Row, accepted_dispositions

_PART: Final = re.compile(r"#\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One labelled text: the features of its diagnosis, and whether type and disposition are both right."""

    row: Row
    features: Sequence[float]
    right: bool


def judged_unseen(rows: Iterable[Row], labels: Mapping[str, list[str]]) -> list[Judged]:
    """Diagnose each text whose label names dispositions, without what only that text meets."""
    labelled = [row for row in rows if accepted_dispositions(row, labels)]
    return [_judged(row, met, labels) for row, met in zip(labelled, unseen_matches(labelled), strict=True)]


def unseen_matches(rows: Iterable[Row]) -> list[list[Met]]:
    """Return what matches each text, without what only that text meets."""
    index = Index([part for rule in INDEX.rules for part in _parts(rule)])
    met = [matched(index, row) for row in rows]
    texts = Counter(one.rule.id for some in met for one in some)
    return [_whole(one for one in some if _known(one.rule, texts)) for some in met]


def said_by(row: Row) -> Text:
    """Return the words of a text."""
    return read(row["failure_reason"])


def judged(rows: Iterable[Row], labels: Mapping[str, list[str]]) -> list[Judged]:
    """Diagnose each text whose label names dispositions, as it is."""
    return [
        _judged(row, met, labels, with_words(met, said_by(row), row["failure_reason"]))
        for row in rows
        if accepted_dispositions(row, labels)
        for met in [_whole(matched(INDEX, row))]
    ]


def matched(index: Index, row: Row) -> list[Met]:
    """Return the rules that match a text and its context."""
    reason, context = row["failure_reason"], row["context"]
    error = {key: context[key] for key in ERROR_KEYS if key in context}
    return index.met(reason, chain(context_facts(error), text_facts(reason)))


def _judged(
    row: Row, met: Sequence[Met], labels: Mapping[str, list[str]], with_model: Sequence[Met] | None = None
) -> Judged:
    its_features = judge(met)[2]
    kind, care, _ = judge(met if with_model is None else with_model)
    right = PRECEDENCE[kind] == row["label"] and CAUTION[care] in accepted_dispositions(row, labels)
    return Judged(row=row, features=its_features, right=right)


def _parts(rule: Rule) -> Iterator[Rule]:
    """Take a rule apart into one for each phrase, code and fragment."""
    if rule.of_pack:
        yield rule
        return
    bare = replace(rule, phrases=(), codes=frozenset(), fragments=())
    parts = [
        *(replace(bare, phrases=(one,)) for one in rule.phrases),
        *(replace(bare, codes=frozenset((one,))) for one in sorted(rule.codes)),
        *(replace(bare, fragments=(one,)) for one in rule.fragments),
    ]
    for number, part in enumerate(parts):
        yield replace(part, id=f"{rule.id}#{number}")


def _known(part: Rule, texts: Mapping[str, int]) -> bool:
    return part.of_pack or texts[part.id] > 1


def _whole(met: Iterable[Met]) -> list[Met]:
    """Put the parts of each rule together again: the strongest one counts."""
    strongest: dict[str, Met] = {}
    for one in met:
        name = _PART.sub("", one.rule.id)
        known = strongest.get(name)
        if known is None or known.weight < one.weight or known.firmly < one.firmly:
            strongest[name] = one
    return sorted(strongest.values(), key=lambda one: (one.tier, -one.weight))
