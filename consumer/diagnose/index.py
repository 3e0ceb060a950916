"""Rule index: finds the rules that match a text and its facts, in time linear in the text for any number of rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import add
from typing import Final

from consumer.diagnose.facts import STATUSES, Fact, Tier, statuses
from consumer.diagnose.lexer import EXCERPT, Text, code_key, quoted, read
from consumer.diagnose.rule import EXACT, GAP, Phrase, Rule
from schemas.value import value

WEIGHT: Final = {Tier.CODE: 1.5, Tier.EXCEPTION: 1.25, Tier.HEADER: 1.25, Tier.WORDS: 1.0}
"""Factor on a rule's weight, by how directly the matching source identifies the error."""

KNOWN: Final = 4096
"""Maximum number of codes and names in the cache of matching rules."""
NAME: Final = 40
"""Maximum length of a cached name, in characters; a longer text is a message, and hardly recurs."""


@value(frozen=True, slots=True)
class Met:
    """A rule that matched: where, on what, and with which weight."""

    rule: Rule
    tier: Tier
    source: str
    weight: float
    """Weight for the type, scaled by the place of the match."""
    firmly: float
    """Weight for the disposition, scaled by the place of the match."""
    said: str | tuple[Text, int]

    @property
    def text(self) -> str:
        """Quote the text that matched."""
        return self.said if isinstance(self.said, str) else self.said[0].around(self.said[1])


@dataclass(slots=True)
class _Node:
    """Node of the tree of phrases, after some of their words: the rules that end here, and the words that may follow.

    Phrases that go on alike share what follows: there are a twentieth of the nodes of a tree.
    """

    rules: tuple[Rule, ...]
    then: Mapping[str, "_Node"]
    later: Mapping[str, "_Node"]
    """Next words that may follow after up to `GAP` others."""

    def longest(self, tokens: list[str], place: int, taken: set[int]) -> tuple[Sequence[int], Sequence[Rule]]:
        """Return the token positions and rules of the longest phrases through this node; skip tokens already taken.

        Words mostly follow each other directly: only where a gap may lead on are all ways tried.
        """
        node, rules, at, after, end = self, self.rules, place, place, len(tokens)
        while True:
            if (later := node.later) and not later.keys().isdisjoint(tokens[at : at + GAP + 1]):
                return self._longest_with_gaps(tokens, place, taken)
            following = node.then.get(tokens[at]) if at < end and at not in taken else None
            if following is None:
                return range(place - 1, after), rules
            node, at = following, at + 1
            if node.rules:
                rules, after = node.rules, at

    def _longest_with_gaps(self, tokens: list[str], place: int, taken: set[int]) -> tuple[Sequence[int], list[Rule]]:
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
            if later := node.later:
                for at in range(place, min(place + GAP + 1, end)):
                    if (following := later.get(tokens[at])) is not None and at not in taken:
                        waiting.append((following, at + 1, (*places, at)))  # noqa: PERF401 - mostly there is none
        return best, rules


class _Tree:
    """Builds the nodes: one for each set of endings of phrases that are still open after the same words."""

    def __init__(self) -> None:
        self._endings: dict[tuple[Phrase, str], int] = {}
        self._rest: list[tuple[Phrase, Rule]] = []
        self._nodes: dict[tuple[int, ...], _Node] = {}

    def root(self, rules: Iterable[Rule]) -> Mapping[str, _Node]:
        """Return the nodes after the first word of every phrase."""
        return self._node(self._ending(phrase, rule) for rule in rules for phrase in rule.phrases).then

    def _ending(self, elements: Phrase, rule: Rule) -> int:
        number = self._endings.setdefault((elements, rule.id), len(self._rest))
        if number == len(self._rest):
            self._rest.append((elements, rule))
        return number

    def _node(self, open_endings: Iterable[int]) -> _Node:
        endings = tuple(dict.fromkeys(open_endings))
        if (known := self._nodes.get(endings)) is not None:
            return known
        rules: list[Rule] = []
        then: dict[str, list[int]] = {}
        later: dict[str, list[int]] = {}
        for elements, rule in map(self._rest.__getitem__, endings):
            if not elements:
                rules.append(rule)
                continue
            gap = elements[0] == "*"
            follows = self._ending(elements[1 + gap :], rule)
            for word in elements[gap]:
                (later if gap else then).setdefault(word, []).append(follows)
        made = self._nodes[endings] = _Node(tuple(rules), self._next(then), self._next(later))
        return made

    def _next(self, words: Mapping[str, list[int]]) -> Mapping[str, _Node]:
        return {word: self._node(endings) for word, endings in words.items()} if words else _NOTHING


_NOTHING: Final[Mapping[str, _Node]] = {}


class _Found(dict[str, Met]):
    """The rules that matched, by their id; those that count only beside another are kept aside until all is read."""

    __slots__ = ("aside",)

    def __init__(self) -> None:
        self.aside: list[tuple[Rule, Tier, str, float, str | tuple[Text, int]]] = []

    def settle(self) -> list[Met]:
        """Return what matched, with those kept aside that count after all."""
        for rule, tier, source, factor, said in self.aside:
            if rule.within in self or (rule.within_words and tier is Tier.CODE):
                _keep_strongest(self, rule, tier, source, factor, said, settled=True)
        return list(self.values())


class Index:
    """Index of the rules by the first word, the code or the text fragment that each matches."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._phrases = _Tree().root(rules)
        self._codes: dict[str, list[Rule]] = {}
        self._cached_rules: dict[tuple[bool, str], tuple[Rule, ...]] = {}
        self._marks: list[tuple[str, Rule]] = []
        self._pieces: dict[str, list[tuple[str, Rule]]] = {}
        for rule in rules:
            for code in rule.codes:
                self._codes.setdefault(code, []).append(rule)
            for piece in rule.fragments:
                # Fragments of other scripts are indexed by their first two letters, and tried where the text has these.
                (self._marks if piece.isascii() else self._pieces.setdefault(piece[:2], [])).append((piece, rule))

    def met(self, reason: str, facts: Iterable[Fact]) -> list[Met]:
        """Return every rule that matches, each at the place where it weighs most."""
        found = _Found()
        for fact in facts:
            self._read_fact(fact, found)
        text = read(reason)
        self._read_text(text, "failure_reason", Tier.WORDS, 1.0, found)
        if not STATUSES.isdisjoint(text.tokens):
            for code, place in statuses(text):
                for rule in self._codes.get(code, ()):
                    _keep_strongest(found, rule, Tier.WORDS, "failure_reason", text.factor(place), (text, place))
        return found.settle() if found.aside else list(found.values())

    def _read_fact(self, fact: Fact, found: _Found) -> None:
        factor, said = WEIGHT[fact.tier], fact.text
        are_words = fact.tier is Tier.WORDS
        if are_words and len(said) > NAME:
            self._read_text(read(said), fact.source, fact.tier, factor, found)
            return
        rules = self._cached_rules.get((are_words, said))
        if rules is None:
            rules = self._rules_in(said) if are_words else self._rules_of(said)
            if len(self._cached_rules) < KNOWN:  # the same few codes and names recur
                self._cached_rules[are_words, said] = rules
        for rule in rules:
            _keep_strongest(found, rule, fact.tier, fact.source, factor, said[:EXCERPT])

    def _rules_of(self, code: str) -> tuple[Rule, ...]:
        """Return the rules for a code, an exception or a status: by the whole identifier, else by the words in it."""
        if code.startswith(EXACT):
            return tuple(self._codes.get(code, ()))
        if rules := self._codes.get(code_key(code.rpartition(".")[2])):
            return tuple(rules)
        return self._rules_in(code)

    def _rules_in(self, words: str) -> tuple[Rule, ...]:
        found = _Found()
        self._read_text(read(words), "", Tier.WORDS, 1.0, found)
        return (*(met.rule for met in found.values()), *{one[0].id: one[0] for one in found.aside}.values())

    def _read_text(self, text: Text, source: str, tier: Tier, factor: float, found: _Found) -> None:
        whole, weighs = text.whole, factor
        for rule, place in self._match_phrases(text):
            if not whole:
                weighs = text.factor(place) * factor
            if rule.within:
                found.aside.append((rule, tier, source, weighs, (text, place)))
            elif rule.id in found:
                _keep_strongest(found, rule, tier, source, weighs, (text, place))
            else:
                found[rule.id] = Met(rule, tier, source, rule.weight * weighs, rule.firmly * weighs, (text, place))
        lowered = text.lowered
        if "<" in lowered or "''" in lowered:
            self._read_fragments(self._marks, lowered, (source, tier, factor), found)
        if not lowered.isascii():
            for begins in dict.fromkeys(map(add, lowered, lowered[1:])):
                if (pieces := self._pieces.get(begins)) is not None:
                    self._read_fragments(pieces, lowered, (source, tier, factor), found)

    @staticmethod
    def _read_fragments(
        pieces: Iterable[tuple[str, Rule]], lowered: str, where: tuple[str, Tier, float], found: _Found
    ) -> None:
        source, tier, factor = where
        for piece, rule in pieces:
            start = lowered.find(piece)
            if start >= 0:
                _keep_strongest(found, rule, tier, source, factor, quoted(lowered, start, len(piece)))

    def _match_phrases(self, text: Text) -> list[tuple[Rule, int]]:
        """Return the matching rules and their positions: a part of a longer matching phrase does not count again."""
        codes = self._codes
        met = [
            (rule, text.place_of(word, piece))
            for code, word, piece in text.codes
            if code in codes
            for rule in codes[code]
        ]
        tokens, taken, phrases = text.tokens, set[int](), self._phrases
        end = len(tokens)
        nodes = list(map(phrases.get, tokens))
        for place, node in compress(enumerate(nodes, 1), nodes):
            if node is None or (taken and place - 1 in taken):
                continue
            rules: Sequence[Rule] = node.rules
            if place < end and (
                tokens[place] in node.then
                or (node.later and not node.later.keys().isdisjoint(tokens[place : place + GAP + 1]))
            ):
                words, rules = node.longest(tokens, place, taken)
                if len(words) > 1:
                    taken.update(words)
            for rule in rules:
                met.append((rule, place - 1))  # noqa: PERF401 - mostly there is none
        return met


def _keep_strongest(
    found: _Found,
    rule: Rule,
    tier: Tier,
    source: str,
    factor: float,
    said: str | tuple[Text, int],
    *,
    settled: bool = False,
) -> None:
    if rule.within and not settled:
        found.aside.append((rule, tier, source, factor, said))
        return
    known = found.get(rule.id)
    weight, firmly = rule.weight * factor, rule.firmly * factor
    if known is None or known.weight < weight or known.firmly < firmly:
        found[rule.id] = Met(rule, tier, source, weight, firmly, said)
