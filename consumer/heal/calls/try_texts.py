"""Classifies an error's text: how many tries it mentions, and whether one of them may have run. Pure.

Texts come from every client and in every language, and the last error stands in them beside those before it:
"attempt 1: socket hang up; attempt 2: ECONNREFUSED". A text is not parsed, only classified by its words (`try_words`).
It is a proof only where nothing in it is doubtful and the outcome of each try is given: under its number ("attempt 1:
..., attempt 2: ..."), as a list ("429, 429, 429"), or for all at once ("each attempt was answered 429").
"""

import re
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from consumer.diagnose.lexer import folded
from consumer.heal.calls import try_words as words

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ARROW: Final = re.compile(r"(?<![-=])[-=]+>|→|»")
_JOINER: Final = re.compile(r"_|(?<=[^\W\d])-(?=\w)|(?<=\w)-(?=[^\W\d])")
_SPACE: Final = re.compile(r"\s+")
_DURING: Final = "During handling of the above exception"
_CLAUSES: Final = (re.compile(r"[;\n]"), re.compile(r"[,;\n]"))
_SENTENCE: Final = re.compile(r"[;\n]|\.\s")
_NUMBER_GROUPS: Final = ("upto", "many", "often", "nth", "ordinal", "of", "hash")
_BULLET: Final = re.compile(r"\n[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]*")
_ADDRESS_MARK: Final = re.compile(r"\x02(\d+)\x02")
_ITEM: Final = (
    r"(?:(?:error|exception|http|status|[a-z0-9]{1,40}\.)[:\s]{0,3}){0,6}\x01(?::?\s?\x01){0,3}(?:\s?\x02\d+\x02)?"
)
_TIMES: Final = r"(?:\s*\(?[x\xd7*]\s*\d{1,3}\)?)?"
_BETWEEN: Final = r"(?:(?:[,;]\s*)?(?:\bthen\b|\band\b)|[,;|/→])"
_SEPARATOR: Final = re.compile(_BETWEEN)
_LIST: Final = re.compile(
    rf"(?:^|[:(\[\n]|\b(?:with|were|got|answers|responses|statuses)\b)[\s,]{{0,4}}"
    rf"(?P<items>{_ITEM}{_TIMES}(?:\s*{_BETWEEN}\s*{_ITEM}{_TIMES})*)\s*(?=$|[)\].:\n])"
)
_MULTIPLIER: Final = re.compile(r"[x\xd7*]\s*(\d{1,3})")
UNTOLD: Final = 2
"""Least number of tries where a text mentions several without a number."""
_EVERY_ONE: Final = 10_000


class Doubt(IntEnum):
    """How strongly a text suggests an outcome after which a call may have run."""

    NONE = 0
    A_LABEL = 1  # "request timeout", and no other outcome: a label for whatever the error itself is
    A_TIME_OUT = 2  # of an unspecified phase: a connect timeout is a proof, a read timeout is not
    SOME = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOfTries:
    """Evidence of tries in one text."""

    doubt: Doubt = Doubt.NONE
    tries: int = 1
    """Number of tries that it mentions."""
    proven: int = 1
    """Number of tries that it says did not run; for a single one it need not say so."""
    proves: bool = False
    """Whether something in it proves that a call did not run."""


def read_tries(text: str) -> TextOfTries:
    """Classify a text by its words."""
    said = plain(text)
    several = _max_count(said)
    rest = words.COUNTED.sub(" ", said)
    if words.SEVERAL.search(rest) or words.BEFORE.search(said):
        several = max(several, UNTOLD)
    return TextOfTries(
        doubt=_doubt(said, text),
        tries=several,
        proven=_count_proven(said),
        proves=words.PROOF in said,
    )


def plain(text: str) -> str:
    """Normalize a text to the form that the vocabulary (`try_words`) is written for."""
    places: dict[str, int] = {}
    text = words.NOISE.sub(" ", text)
    mark = words.ADDRESS
    text = words.PLACES.sub(lambda found: f"{mark}{places.setdefault(found[0], len(places))}{mark}", text)
    text = _JOINER.sub(" ", _CAMEL.sub(" ", _ARROW.sub("→", folded(text)))).lower()
    text = _SPACE.sub(lambda found: "\n" if "\n" in found[0] else " ", text)
    return words.PROOFS.sub(words.PROOF, words.HARMLESS.sub(" ", text))


def _doubt(said: str, text: str) -> Doubt:
    # Exceptions that were only raised during the handling of one another may be of different calls.
    if _DURING in text and not all(words.PROOF in plain(part) for part in text.split(_DURING)):
        return Doubt.SOME
    if words.DOUBT.search(said):
        return Doubt.SOME
    if not words.TIMED_OUT.search(said):
        return Doubt.NONE
    return Doubt.A_TIME_OUT if words.PROOF in said or words.MEASURED.search(said) else Doubt.A_LABEL


def _max_count(said: str) -> int:
    return max((_count(found) for found in words.COUNTED.finditer(said)), default=1)


def _count(found: re.Match[str]) -> int:
    again = (found["what"] or found["done"] or found["label"] or "").startswith("re")
    return _number(next(number for name in _NUMBER_GROUPS if (number := found[name]))) + again


def _number(text: str) -> int:
    return words.NUMBERS.get(text) or words.ORDINALS.get(text) or int(re.sub(r"\D", "", text))


def _count_proven(said: str) -> int:
    if words.EACH.search(said):
        return _EVERY_ONE
    return max(_count_by_label(said), _count_by_name(said), _count_by_list(said), 1)


def _count_by_label(said: str) -> int:
    """Count the tries whose outcomes are given under their numbers, from the first to the last without a gap."""
    labels = list(words.LABEL.finditer(said))
    if not labels:
        return 0
    ends = [*(label.start() for label in labels[1:]), len(said)]
    behind = all(words.PROOF in said[label.end() : end] for label, end in zip(labels, ends, strict=True))
    if not behind and not any(_labels_have_clauses(said, labels, border) for border in _CLAUSES):
        return 0
    numbers = {_label_number(label) for label in labels}
    return len(numbers) if numbers == set(range(min(numbers), len(numbers) + min(numbers))) and min(numbers) <= 1 else 0


def _label_number(label: re.Match[str]) -> int:
    text = label["nth"] or label["ordinal"] or label["of"] or label["hash"]
    return _number(text) + (label["re"] is not None)


def _labels_have_clauses(said: str, labels: list[re.Match[str]], border: re.Pattern[str]) -> bool:
    """Return whether each numbered label stands in a clause of its own, together with its proof."""
    borders = [-1, *(found.start() for found in border.finditer(said)), len(said)]
    clauses = [(first + 1, last) for first, last in pairwise(borders)]
    mine = [next((one for one in clauses if one[0] <= label.start() < one[1]), (0, 0)) for label in labels]
    return len(set(mine)) == len(mine) and all(words.PROOF in said[first:last] for first, last in mine)


def _count_by_name(said: str) -> int:
    """Return 2 where the text gives the outcome of the try before the last ("previous attempt: ..."), else 0."""
    named = list(words.BEFORE.finditer(said))
    if len(named) != 1:
        return 0
    rest = said[named[0].end() :]
    end = _SENTENCE.search(rest)
    return UNTOLD if words.PROOF in rest[: end.start() if end else len(rest)] else 0


def _count_by_list(said: str) -> int:
    in_a_line = _BULLET.sub(" , ", said)
    return max((_count_items(found["items"]) for found in _LIST.finditer(in_a_line)), default=0)


def _count_items(items: str) -> int:
    each = _SEPARATOR.split(items)
    addresses = Counter(_ADDRESS_MARK.findall(items))
    if len(addresses) > 1:
        return min(addresses.values())  # one try may go to several addresses
    return sum(int(often[1]) if (often := _MULTIPLIER.search(one)) else 1 for one in each)
