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

CODES: Final = 4096
"""Codes whose rules are remembered."""


@value(frozen=True, slots=True)
class Met:
    """A rule that was met: where, by what, and how much it counts there."""

    rule: Rule
    tier: Tier
    source: str
    factor: float
    """By which its weights count there."""
    said: str | tuple[Text, int]

    @property
    def text(self) -> str:
        """Quote what met it."""
        return self.said if isinstance(self.said, str) else self.said[0].around(self.said[1])

    @property
    def weight(self) -> float:
        """What it weighs for the type."""
        return self.rule.weight * self.factor

    @property
    def firmly(self) -> float:
        """What it weighs for the disposition."""
        return self.rule.firmly * self.factor


@dataclass(slots=True)
class _From:
    """The phrases that begin with one word: of it alone, of it and the next, and those that go on at once or later."""

    alone: list[Rule] = field(default_factory=list)
    pairs: dict[str, list[Rule]] = field(default_factory=dict)
    then: dict[str, list[tuple[Phrase, Rule]]] = field(default_factory=dict)
    later: dict[str, list[tuple[Phrase, Rule]]] = field(default_factory=dict)

    def add(self, phrase: Phrase, rule: Rule) -> None:
        _, *rest = phrase.elements
        if not rest:
            self.alone.append(rule)
        elif len(rest) == 1 and rest[0] != "*":
            for word in rest[0]:
                self.pairs.setdefault(word, []).append(rule)
        else:
            by, following = (self.later, rest[1]) if rest[0] == "*" else (self.then, rest[0])
            for word in following:
                by.setdefault(word, []).append((phrase, rule))

    def longer(self, tokens: list[str], place: int) -> list[tuple[Phrase, Rule]]:
        """Give the phrases of more than two words, or with a gap, that may stand before this place."""
        found: list[tuple[Phrase, Rule]] = []
        if self.then and (known := self.then.get(tokens[place])):
            found += known
        if self.later:
            window = tokens[place : place + GAP + 1]
            if not self.later.keys().isdisjoint(window):
                found += [one for token in window for one in self.later.get(token, ())]
        return found


class Index:
    """The rules by the first words, the code or the piece of text that each looks for."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._phrases: dict[str, _From] = {}
        self._codes: dict[str, list[Rule]] = {}
        self._by_code: dict[str, tuple[Rule, ...]] = {}
        self._marks: list[tuple[str, Rule]] = []
        self._pieces: dict[str, list[tuple[str, Rule]]] = {}
        for rule in rules:
            for phrase in rule.phrases:
                for word in phrase.elements[0]:
                    self._phrases.setdefault(word, _From()).add(phrase, rule)
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
        factor = WEIGHT[fact.tier]
        if fact.tier is Tier.WORDS:
            self._read_text(read(fact.text), fact.source, fact.tier, factor, found)
            return
        rules = self._by_code.get(fact.text)
        if rules is None:
            rules = self._rules_of(fact.text)
            if len(self._by_code) < CODES:  # the same few codes come again and again
                self._by_code[fact.text] = rules
        for rule in rules:
            _note(found, rule, fact.tier, fact.source, factor, fact.text[:EXCERPT])

    def _rules_of(self, code: str) -> tuple[Rule, ...]:
        """Give the rules that a code, an exception or a status meets: whole, or else by the words it is made of."""
        if code.startswith(EXACT):
            return tuple(self._codes.get(code, ()))
        if rules := self._codes.get(code_key(code.rpartition(".")[2])):
            return tuple(rules)
        found: dict[str, Met] = {}
        self._read_text(read(code), "", Tier.WORDS, 1.0, found)
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
        met = [(rule, place) for code, place in text.codes for rule in self._codes.get(code, ())]
        tokens, taken, phrases = text.tokens, set[int](), self._phrases
        end = len(tokens)
        for place, token in enumerate(tokens, 1):
            begun = phrases.get(token)
            if begun is None or (taken and place - 1 in taken):
                continue
            longest, words, ends = 1, tuple[int, ...](), len(met)
            if place < end:
                pair = begun.pairs.get(tokens[place])
                if pair and place not in taken:
                    longest, words = 2, (place - 1, place)
                    met += [(rule, place - 1) for rule in pair]
                for phrase, rule in begun.longer(tokens, place) if begun.then or begun.later else ():
                    if phrase.words >= longest and (places := phrase.match(tokens, place - 1)):
                        if not taken.isdisjoint(places):
                            continue
                        if phrase.words > longest:  # what is part of a longer phrase does not count again
                            longest = phrase.words
                            del met[ends:]
                        met.append((rule, place - 1))
                        words = places
            if longest == 1:
                met += [(rule, place - 1) for rule in begun.alone]
            taken.update(words)
        return met


def _note(
    found: dict[str, Met], rule: Rule, tier: Tier, source: str, factor: float, said: str | tuple[Text, int]
) -> None:
    known = found.get(rule.id)
    if known is None or known.factor < factor:
        found[rule.id] = Met(rule, tier, source, factor, said)
