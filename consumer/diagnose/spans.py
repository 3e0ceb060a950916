"""Where in a reason the words stand that rules matched: for people, who see them marked. Pure.

The diagnosis itself quotes a line around a match and keeps no place. Here the words of its rules are looked for anew,
in the text as it is shown. Words of an address's path are not marked: most say where, and not what.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from consumer.diagnose.lexer import code_key, folded
from consumer.diagnose.packs import PACKS
from consumer.diagnose.rule import GAP, Phrase, Rule
from consumer.diagnose.rules import RULES

READ: Final = 16 * 1024
"""Characters of a reason that are searched."""
MOST: Final = 40
"""Places that are marked: beyond, a text is nothing but marks."""
_WORD: Final = re.compile(r"\w+(?:['\u2019]\w+)?")
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\dA-Za-z_]+")
_PATH_OF_ADDRESS: Final = re.compile(r"://[^\s/\"'<>?#]{1,255}([^\s\"'<>)\]]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSpan:
    """A place in a reason, and the rule whose words stand there."""

    start: int
    end: int
    rule: str


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int


def evidence_spans(reason: str, rules: Iterable[str]) -> list[EvidenceSpan]:
    """Return where the words of rules stand in a reason, in order and without overlap; of each rule its first place.

    A rule that is not known (of an older release), or that matched a field and no words, has no place.
    """
    text = _PATH_OF_ADDRESS.sub(lambda found: found[0].replace(found[1], " " * len(found[1])), reason[:READ])
    tokens = list(_tokens(text))
    lowered = folded(text).lower() if not text.isascii() else text.lower()
    found = []
    for name in dict.fromkeys(rules):
        known = _rules_by_id().get(name)
        place = _place_of(known, text, lowered, tokens) if known is not None else None
        if place is not None:
            found.append(EvidenceSpan(start=place[0], end=place[1], rule=name))
    return _without_overlap(found)[:MOST]


@cache
def _rules_by_id() -> dict[str, Rule]:
    return {one.id: one for one in (*RULES, *PACKS)}


def _tokens(text: str) -> Iterator[_Token]:
    for word in _WORD.finditer(text):
        plain = folded(word[0])
        said = plain if len(plain) == len(word[0]) else word[0]  # a letter that becomes two would move the others
        for part in _PART.finditer(said):
            yield _Token(part[0].lower(), word.start() + part.start(), word.start() + part.end())


def _place_of(rule: Rule, text: str, lowered: str, tokens: Sequence[_Token]) -> tuple[int, int] | None:
    """Return the first and longest place of a rule's words."""
    places = [place for phrase in rule.phrases if (place := _phrase_at(phrase, tokens)) is not None]
    codes = {code.rpartition(".")[2] if code.startswith("http.") else code for code in rule.codes}
    if codes:
        places += [(word.start(), word.end()) for word in _WORD.finditer(text) if code_key(word[0]) in codes][:1]
    if len(lowered) == len(text):  # folding may lengthen a text: then its places are others
        starts = ((lowered.find(piece), len(piece)) for piece in rule.fragments)
        places += [(start, start + length) for start, length in starts if start >= 0]
    return min(places, key=lambda place: (place[0], -place[1])) if places else None


def _phrase_at(phrase: Phrase, tokens: Sequence[_Token]) -> tuple[int, int] | None:
    first = phrase[0]
    for place, token in enumerate(tokens):
        if token.text in first:
            end = _end_of(phrase, 1, tokens, place + 1)
            if end is not None:
                return token.start, tokens[end - 1].end
    return None


def _end_of(phrase: Phrase, element: int, tokens: Sequence[_Token], place: int) -> int | None:
    """Return the place after a phrase whose elements from `element` on follow at `place`."""
    if element == len(phrase):
        return place
    wanted = phrase[element]
    if wanted == "*":
        ends = (_end_of(phrase, element + 1, tokens, later) for later in range(place, place + GAP + 1))
        return next((end for end in ends if end is not None), None)
    if place < len(tokens) and tokens[place].text in wanted:
        return _end_of(phrase, element + 1, tokens, place + 1)
    return None


def _without_overlap(found: list[EvidenceSpan]) -> list[EvidenceSpan]:
    kept: list[EvidenceSpan] = []
    for one in sorted(found, key=lambda span: (span.start, -span.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept
