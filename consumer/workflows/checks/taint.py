"""Taint: nothing that a patch adds stems from the failure's text, which an attacker may have written.

Both sides are decoded layer by layer and folded (`spellings.py`); then a run of six letters and digits that both have
is a copy, unless it is a word of the catalogue or of the definition. A copy that was cut into pieces, over several
parameters or steps, is found by building the text's own words out of the patch's new pieces.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from consumer.model import Json
from consumer.workflows.catalogue import Place
from consumer.workflows.checks.change import DefinitionChange, DefinitionLeaf, leaves
from consumer.workflows.checks.spellings import LONGEST, MOST_SPELLINGS, folded_forms, spellings, turned_forms
from consumer.workflows.references import literal_pieces, parse_reference, resolve, templates
from schemas.json_value import same

Found = Sequence[tuple[str, str]]
_RUN: Final = 6
"""Letters and digits in a row that two texts share by more than chance."""
_SHORTEST: Final = 3
_WORD: Final = re.compile(r"[^\s,;\"'`(){}\[\]<>|]+")
_NUMBER: Final = re.compile(r"\d[\d.,_' ]*\d|\d")
_SCALES: Final = (1, 10, 100, 1000, 0.1, 0.01, 0.001)
MOST_TEXT: Final = 50_000
_WHY: Final = "stems from the failure's text"


def taint(change: DefinitionChange) -> Found:
    """Return each new leaf that stems from the failure's text, alone or put together with others."""
    new = [leaf for leaf in change.new_leaves if not _is_declared(change, leaf)]
    if not new:
        return ()
    evidence = change.evidence
    if sum(len(text) for text in (*evidence.texts, *evidence.recorded)) > MOST_TEXT:
        return [(leaf.where, "the failure's text is too long to be compared with what is new") for leaf in new[:1]]
    trusted = _trusted(change)
    told = _Source(evidence.texts, trusted)
    source = _Source((*evidence.texts, *evidence.recorded), trusted) if evidence.recorded else told
    found = [(leaf.where, _WHY) for leaf in new if any(source.has(text) for text in _texts(leaf.found))]
    found += [(leaf.where, _WHY) for leaf in new if isinstance(leaf.found, int | float) and source.counts(leaf.found)]
    found += [(leaf.where, f"what the run fills in {_WHY}") for leaf in new if _fills_in(change, leaf, told)]
    if not found:
        pieces = [text for leaf in new for text in _texts(leaf.found)]
        if source.is_built_from(pieces):
            found.append((new[0].where, f"put together, {_WHY}"))
    return found


def _is_declared(change: DefinitionChange, leaf: DefinitionLeaf) -> bool:
    """Return whether it was said before for this very place, by somebody else than the failure's text."""
    if isinstance(leaf.found, bool):
        return True
    if leaf.action and not leaf.is_name and (change.was_known(leaf) or change.was_given(leaf)):
        return True
    spec = change.spec(leaf.action)
    if leaf.is_name:
        return spec is not None and leaf.found == leaf.parameter and leaf.parameter in spec.parameters
    if leaf.where.split("/")[-2:-1] and ("/when/" in leaf.where or "/until/" in leaf.where):
        return any(same(leaf.found, each) for each in _compared(change, leaf))
    return any(same(leaf.found, each) for each in change.parameter(leaf).values)


def _fills_in(change: DefinitionChange, leaf: DefinitionLeaf, source: "_Source") -> bool:
    """Return whether a new reference, where more than data stands, brings in what the failure's text has as well.

    One that brings in what is declared for such a place, or that stood in one before, is how the workflow works.
    """
    if change.failing is None or not isinstance(leaf.found, str) or change.parameter(leaf).place is Place.DATA:
        return False
    for inner in templates(leaf.found):
        reference = parse_reference(inner)
        if reference is None or change.is_meant_for(reference, change.parameter(leaf).place):
            continue
        step = change.after.by_id.get(reference.source)
        held: list[Json] = [{"input": dict(change.failing.input)}]
        if step is not None:
            names = {step.action, *(((spec := change.spec(step.action)) and spec.replaces) or ())}
            held = [{"output": dict(each.output)} for each in change.failing.answers if each.action in names]
        for each in held:
            filled = resolve(f"${{{inner}}}", {reference.source: each})
            if any(source.has(text) for text in _all_texts(filled)):
                return True
    return False


def _all_texts(found: Json) -> Iterator[str]:
    match found:
        case dict():
            for item in found.values():
                yield from _all_texts(item)
        case list():
            for item in found:
                yield from _all_texts(item)
        case str():
            yield found


def _compared(change: DefinitionChange, leaf: DefinitionLeaf) -> Iterator[Json]:
    """Yield the declared values of what a step's condition looks at."""
    step = change.after.by_id[leaf.step]
    conditions = [step.when, None if step.repeat is None else step.repeat.until]
    for condition in conditions:
        for inner in () if condition is None else templates([condition.left, condition.right]):
            reference = parse_reference(inner)
            if reference is None or not reference.path:
                continue
            of = change.after.by_id.get(reference.source)
            outputs = None if of is None else change.spec(of.action)
            known = change.limits.inputs if of is None else (outputs and outputs.outputs) or {}
            spec = known.get(reference.path[0])
            yield from () if spec is None else spec.values


def _texts(found: Json) -> Iterator[str]:
    """Yield what of a leaf is written: its text without templates, the templates' own words, its digits."""
    if isinstance(found, str):
        pieces = literal_pieces(found)
        yield from pieces
        if len(pieces) > 1:
            yield "".join(pieces)
        for inner in templates(found):
            yield from inner.split(".")[1:]
    elif isinstance(found, int | float):
        yield str(found)


def _trusted(change: DefinitionChange) -> str:
    """Return the words that stand for themselves: names of the catalogue, and ids, names and references of before."""
    words: list[str] = ["input", "output", *change.limits.engines, *change.limits.inputs, *change.before.inputs]
    for name, spec in change.limits.actions.items():
        words += [name, *spec.engines, *spec.agents, *spec.parameters, *(spec.outputs or ())]
    for leaf in leaves(change.before):
        if isinstance(leaf.found, str):
            words += templates(leaf.found)
            if leaf.is_name or leaf.where.endswith(("/stepId", "/agentName")):
                words.append(leaf.found)
    return "\n".join(sorted({form for word in words for form in folded_forms(word)}))


class _Source:
    """The failure's text, decoded and folded, without the words that are trusted."""

    def __init__(self, texts: Sequence[str], trusted: str) -> None:
        windows = [text[at : at + LONGEST] for text in texts for at in range(0, max(1, len(text)), LONGEST // 2)]
        spelled = [spellings(window) for window in windows]
        self._is_flooded = any(len(each) >= MOST_SPELLINGS for each in spelled)
        decoded = {text for each in spelled for text in each}
        forms = {form for text in decoded for form in folded_forms(text)}
        runs = {form[at : at + _RUN] for form in forms for at in range(len(form) - _RUN + 1)}
        known = self._known = frozenset(trusted.split("\n"))
        self._runs = runs - {word[at : at + _RUN] for word in known for at in range(len(word) - _RUN + 1)}
        self._words = _words(texts, _SHORTEST) | _words(sorted(decoded), _RUN)
        self._words = {word for word in self._words if word not in trusted}
        # Pieces of a word's base64 say nothing each by itself, in whatever order they stand.
        plain = {word for text in texts for word in _WORD.findall(text) if len(word) >= _RUN}
        self._words |= {form for word in plain for form in folded_forms(b64encode(word.encode()).decode())}
        self._numbers = {value for text in decoded for value in _numbers(text)}

    def has(self, text: str) -> bool:
        """Return whether a text is, or holds, a copy; a trusted word is none, whatever it may be read as.

        Where the failure's text holds more encoded parts than are decoded, every other text counts as a copy.
        """
        if folded_forms(text) <= self._known:
            return False
        if self._is_flooded or folded_forms(text) & self._words:
            return True
        forms = {form for each in spellings(text) for form in folded_forms(each)}
        forms |= {turned for form in forms for turned in turned_forms(form)}
        return any(form[at : at + _RUN] in self._runs for form in forms for at in range(len(form) - _RUN + 1))

    def counts(self, number: float) -> bool:
        """Return whether the text names this number, or it by a power of ten; a single digit says nothing."""
        return abs(number) >= 10 and any(  # noqa: PLR2004
            abs(number * scale - each) < 1e-9 * max(1.0, each) for scale in _SCALES for each in self._numbers
        )

    def is_built_from(self, pieces: Sequence[str]) -> bool:
        """Return whether pieces, one after the other or in any order, make up a copy."""
        if all(folded_forms(piece) <= self._known for piece in pieces):
            return False
        joined = [by.join(order) for order in (pieces, pieces[::-1]) for by in ("", " ") if len(order) > 1]
        if any(self.has(text) for text in joined):
            return True
        forms = {form for piece in pieces for each in spellings(piece) for form in folded_forms(each)}
        return any(len(word) >= _RUN and _is_made_of(word, forms) for word in self._words)


def _words(texts: Iterable[str], shortest: int) -> set[str]:
    words: set[str] = set()
    for text in texts:
        for word in _WORD.findall(text):
            words |= {form for form in folded_forms(word) if len(form) >= shortest}
    return words


def _is_made_of(word: str, pieces: set[str]) -> bool:
    reached = {0}
    for at in range(len(word)):
        if at in reached:
            reached |= {at + len(piece) for piece in pieces if word.startswith(piece, at)}
    return len(word) in reached


def _numbers(text: str) -> Iterator[float]:
    for found in _NUMBER.findall(text):
        plain = re.sub(r"[_' ]", "", found)
        for written in {plain, plain.replace(",", ""), plain.replace(".", "").replace(",", ".")}:
            try:
                yield float(written)
            except ValueError:
                continue
