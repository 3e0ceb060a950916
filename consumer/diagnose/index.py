"""Finds which rules a text and its facts meet, in time linear in the text however many rules there are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from consumer.diagnose.facts import Fact, Tier, statuses
from consumer.diagnose.lexer import EXCERPT, Text, code_key, quoted, read
from consumer.diagnose.rule import EXACT, GAP, Phrase, Rule
from schemas.value import value

WEIGHT: Final = {Tier.CODE: 1.5, Tier.EXCEPTION: 1.25, Tier.HEADER: 1.25, Tier.WORDS: 1.0}
"""What a rule weighs, by how directly the place where it was met tells what happened."""

KNOWN: Final = 4096
"""Codes and names whose rules are remembered."""
NAME: Final = 40
"""Characters of a name at most; longer words are a message, and hardly come again."""


@value(frozen=True, slots=True)
class Met:
    """A rule that was met: where, by what, and how much it counts there."""

    rule: Rule
    tier: Tier
    source: str
    weight: float
    """What it weighs for the type there."""
    firmly: float
    """What it weighs for the disposition there."""
    said: str | tuple[Text, int]

    @property
    def text(self) -> str:
        """Quote what met it."""
        return self.said if isinstance(self.said, str) else self.said[0].around(self.said[1])


@dataclass(slots=True)
class _Node:
    """One word of the phrases that begin alike: what is met when they end here, and what goes on at once or later."""

    rules: list[Rule] = field(default_factory=list)
    then: dict[str, "_Node"] = field(default_factory=dict)
    later: dict[str, "_Node"] = field(default_factory=dict)
    """After up to `GAP` other words."""

    def add(self, elements: Phrase, rule: Rule) -> None:
        """Add what is left of a phrase."""
        if not elements:
            self.rules.append(rule)
            return
        first, *rest = elements
        by = self.then
        if first == "*":
            by, first, rest = self.later, rest[0], rest[1:]
        for word in first:
            by.setdefault(word, _Node()).add(tuple(rest), rule)

    def longest(self, tokens: list[str], place: int, taken: set[int]) -> tuple[tuple[int, ...], list[Rule]]:
        """Give the places of the longest phrases that end here or further on, and their rules; none of it is taken."""
        best: tuple[int, ...] = (place - 1,)
        rules = list(self.rules)
        waiting = [(self, place, best)]
        end = len(tokens)
        while waiting:
            node, place, places = waiting.pop()
            words = len(places)
            if words > len(best):
                if node.rules:
                    best, rules = places, list(node.rules)
            elif words == len(best) and places is not best:
                rules += node.rules
            if place >= end:
                continue
            if (following := node.then.get(tokens[place])) is not None and place not in taken:
                waiting.append((following, place + 1, (*places, place)))
            if node.later:
                waiting += [
                    (following, at + 1, (*places, at))
                    for at in range(place, min(place + GAP + 1, end))
                    if (following := node.later.get(tokens[at])) is not None and at not in taken
                ]
        return best, rules


class Index:
    """The rules by the first words, the code or the piece of text that each looks for."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._phrases: dict[str, _Node] = {}
        self._codes: dict[str, list[Rule]] = {}
        self._known: dict[tuple[bool, str], tuple[Rule, ...]] = {}
        self._marks: list[tuple[str, Rule]] = []
        self._pieces: dict[str, list[tuple[str, Rule]]] = {}
        for rule in rules:
            for phrase in rule.phrases:
                first, *rest = phrase
                for word in first:
                    self._phrases.setdefault(word, _Node()).add(tuple(rest), rule)
            for code in rule.codes:
                self._codes.setdefault(code, []).append(rule)
            for piece in rule.fragments:
                # Those of other scripts are looked for where their first letter stands: a text has few letters.
                (self._marks if piece.isascii() else self._pieces.setdefault(piece[0], [])).append((piece, rule))

    def met(self, reason: str, facts: Iterable[Fact]) -> list[Met]:
        """Give every rule that is met, where it counts most."""
        found: dict[str, Met] = {}
        for fact in facts:
            self._read_fact(fact, found)
        text = read(reason)
        self._read_text(text, "failure_reason", Tier.WORDS, 1.0, found)
        for code, place in statuses(text):
            for rule in self._codes.get(code, ()):
                _note(found, rule, Tier.WORDS, "failure_reason", text.factor(place), (text, place))
        return list(found.values())

    def _read_fact(self, fact: Fact, found: dict[str, Met]) -> None:
        factor, said = WEIGHT[fact.tier], fact.text
        are_words = fact.tier is Tier.WORDS
        if are_words and len(said) > NAME:
            self._read_text(read(said), fact.source, fact.tier, factor, found)
            return
        rules = self._known.get((are_words, said))
        if rules is None:
            rules = self._rules_in(said) if are_words else self._rules_of(said)
            if len(self._known) < KNOWN:  # the same few codes and names come again and again
                self._known[are_words, said] = rules
        for rule in rules:
            _note(found, rule, fact.tier, fact.source, factor, said[:EXCERPT])

    def _rules_of(self, code: str) -> tuple[Rule, ...]:
        """Give the rules that a code, an exception or a status meets: whole, or else by the words it is made of."""
        if code.startswith(EXACT):
            return tuple(self._codes.get(code, ()))
        if rules := self._codes.get(code_key(code.rpartition(".")[2])):
            return tuple(rules)
        return self._rules_in(code)

    def _rules_in(self, words: str) -> tuple[Rule, ...]:
        found: dict[str, Met] = {}
        self._read_text(read(words), "", Tier.WORDS, 1.0, found)
        return tuple(met.rule for met in found.values())

    def _read_text(self, text: Text, source: str, tier: Tier, factor: float, found: dict[str, Met]) -> None:
        for rule, place in self._places(text):
            weighs = factor if text.whole else text.factor(place) * factor
            _note(found, rule, tier, source, weighs, (text, place))
        lowered = text.lowered
        pieces = self._marks if "<" in lowered else []
        if not lowered.isascii():
            pieces = [*pieces, *(one for letter in set(lowered) for one in self._pieces.get(letter, ()))]
        for piece, rule in pieces:
            start = lowered.find(piece)
            if start >= 0:
                _note(found, rule, tier, source, factor, quoted(lowered, start, len(piece)))

    def _places(self, text: Text) -> list[tuple[Rule, int]]:
        """Give what is met, and where: what is part of a longer phrase does not count again."""
        met = [(rule, place) for code, place in text.codes for rule in self._codes.get(code, ())]
        tokens, taken, phrases = text.tokens, set[int](), self._phrases
        end = len(tokens)
        for place, token in enumerate(tokens, 1):
            node = phrases.get(token)
            if node is None or place - 1 in taken:
                continue
            rules = node.rules
            if place < end and (node.later or tokens[place] in node.then):
                words, rules = node.longest(tokens, place, taken)
                if len(words) > 1:
                    taken.update(words)
            for rule in rules:
                met.append((rule, place - 1))  # noqa: PERF401 - mostly there is none
        return met


def _note(
    found: dict[str, Met], rule: Rule, tier: Tier, source: str, factor: float, said: str | tuple[Text, int]
) -> None:
    known = found.get(rule.id)
    weight, firmly = rule.weight * factor, rule.firmly * factor
    if known is None or known.weight < weight or known.firmly < firmly:
        found[rule.id] = Met(rule, tier, source, weight, firmly, said)
