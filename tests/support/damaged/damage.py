"""What a damage is, and how several are put on one document so that each still finds what it is about."""

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.support.damaged.schema_positions import Json, Path, Place, Schema, places, replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the value at one place; `about` is the key of it that is meant, if one is."""

    become: Callable[[Json], Json]
    about: str | None = None
    removes: bool = False
    """Whether the key goes away, with whatever else was done to its value."""
    harmless: bool = False
    """Whether the schema takes what it makes, so that nothing asks for a repair."""


@dataclass(frozen=True, slots=True)
class Inside:
    """Damage to a value or a key within the document; `everywhere` does it wherever it can be done."""

    kind: str
    do: Callable[[Place, random.Random], Change | None]
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """Damage to the document as a whole, which stays JSON."""

    kind: str
    do: Callable[[Json, Schema, random.Random], Json | None]


@dataclass(frozen=True, slots=True)
class Written:
    """Damage to how the document is written down."""

    kind: str
    do: Callable[[Json, random.Random], str | None]


@dataclass(frozen=True, slots=True)
class Told:
    """Damage to the text: what stands around it."""

    kind: str
    do: Callable[[str, random.Random], str]


_MANY: Final = 6
Damage: TypeAlias = Inside | Around | Written | Told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    path: Path
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A text, and whether part of its damage is such as the schema takes."""

    text: str
    harmless: bool
    left: tuple[Json, ...] = ()
    """The document with some or all of what the schema takes left as it was made: no repair has to touch that.

    The last has everything that was done within it: where that is valid, nothing within it is to be repaired.
    """


def damaged(document: Json, schema: Schema, damages: Sequence[Damage], rng: random.Random) -> Damaged | None:
    """Return the document with all damages done, from the inside out, as text; None where one does not apply."""
    edits = _edits(document, schema, [damage for damage in damages if isinstance(damage, Inside)], rng)
    if edits is None:
        return None
    made = within = _edited(document, edits)
    for damage in damages:
        if isinstance(damage, Around) and made is not None:
            made = damage.do(made, schema, rng)
    text = None if made is None else _text(made, damages, rng)
    for damage in damages:
        if isinstance(damage, Told) and text is not None:
            text = damage.do(text, rng)
    if text is None:
        return None
    harmless = [edit for edit in edits if edit.change.harmless]
    return Damaged(text=text, harmless=bool(harmless), left=(*_left(document, harmless), within))


def _left(document: Json, harmless: Sequence[_Edit]) -> Iterator[Json]:
    sizes = range(1, len(harmless) + 1) if len(harmless) <= _MANY else [len(harmless)] if harmless else []
    for size in sizes:
        yield from (_edited(document, some) for some in itertools.combinations(harmless, size))


def _edits(document: Json, schema: Schema, damages: Sequence[Inside], rng: random.Random) -> list[_Edit] | None:
    found = list(places(document, schema)) if damages else []
    edits: list[_Edit] = []
    for damage in damages:
        new = _of_one(found, damage, edits, rng)
        if not new:
            return None
        edits.extend(new)
    return edits


def _of_one(found: Sequence[Place], damage: Inside, taken: Sequence[_Edit], rng: random.Random) -> list[_Edit]:
    new: list[_Edit] = []
    for place in rng.sample(found, len(found)):
        change = damage.do(place, rng)
        if change is None or any(_clash(place.path, change, edit) for edit in taken):
            continue
        new.append(_Edit(path=place.path, change=change))
        if not damage.everywhere:
            break
    return new


def _clash(path: Path, change: Change, edit: _Edit) -> bool:
    mine, other = change.about, edit.change.about
    if path == edit.path:
        return mine is None or other is None or mine == other
    return _gone(path, change, edit.path) or _gone(edit.path, edit.change, path)


def _gone(path: Path, change: Change, other: Path) -> bool:
    return change.removes and (*path, change.about) == other[: len(path) + 1]


def _edited(document: Json, edits: Sequence[_Edit]) -> Json:
    # Deepest first: a change further out must not move what an inner one points at.
    for edit in sorted(edits, key=lambda edit: -len(edit.path)):
        inner = document
        for step in edit.path:
            inner = inner[step]
        document = replaced(document, edit.path, edit.change.become(inner))
    return document


def _text(document: Json, damages: Sequence[Damage], rng: random.Random) -> str | None:
    for damage in damages:
        if isinstance(damage, Written):
            return damage.do(document, rng)
    return json.dumps(document, ensure_ascii=rng.random() < 0.2, indent=rng.choice([None, None, 2]))


def put(value: Json) -> Change:
    """Make a change that puts this value in place of whatever is there."""
    return Change(become=lambda _: value)


def combinations(damages: Sequence[Damage], rng: random.Random, *, size: int) -> Iterator[tuple[Damage, ...]]:
    """Yield combinations of so many different kinds, for ever, at random."""
    while True:
        chosen = tuple(rng.sample(damages, size))
        if all(sum(isinstance(damage, only) for damage in chosen) <= 1 for only in (Around, Written)):
            yield chosen
