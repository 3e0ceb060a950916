"""The cases: a schema, a text, and the one right answer."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final

from tests.support.damaged.ambiguous_damage import TRAPS
from tests.support.damaged.combined_damage import HARD
from tests.support.damaged.damage import Damage, Damaged, combinations, damaged
from tests.support.damaged.documents import document, written_schemas
from tests.support.damaged.key_damage import NAMES
from tests.support.damaged.random_schemas import random_schema
from tests.support.damaged.schema_positions import Json, Schema, parsed, same, valid
from tests.support.damaged.text_damage import WHOLE
from tests.support.damaged.unrepairable_damage import REFUSALS
from tests.support.damaged.value_damage import VALUES

FAIR: Final = (*VALUES, *NAMES, *WHOLE)
_TRIPLE: Final = 3


class Group(Enum):
    """What a case counts for."""

    SINGLE = "single"
    """One damage of the bar."""
    DOUBLE = "double"
    """Two of them at once."""
    REFUSE = "refuse"
    """Nothing but a refusal is right."""
    TRAP = "trap"
    """Beyond the bar: what seems to have an answer, and has two."""
    HARD = "hard"
    """Beyond the bar: one rarer damage."""
    TRIPLE = "triple"
    """Beyond the bar: three damages, of either sort."""
    VALID = "valid"
    """Nothing is wrong with it, and nothing may be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question with its answer; `kinds` names the damage."""

    number: int
    group: Group
    kinds: tuple[str, ...]
    schema: Schema
    text: str
    original: Json
    still_valid: bool
    left: tuple[Json, ...] = ()
    """What is as right as the original: what the schema takes left as it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many cases: documents of each schema, and combinations on each document."""

    documents: int = 2
    random_schemas: int = 40
    doubles: int = 40
    triples: int = 15
    hard: bool = True


def cases(seed: int, size: Size) -> Iterator[Case]:
    """Yield the cases of a seed, always the same ones."""
    rng = random.Random(seed)
    schemas = [*written_schemas(), *(random_schema(rng) for _ in range(size.random_schemas))]
    number = 0
    for schema in schemas:
        for _ in range(size.documents):
            for case in _of_one(schema, document(schema, rng), rng, size, number):
                yield case
                number = case.number + 1


def _of_one(schema: Schema, original: Json, rng: random.Random, size: Size, number: int) -> Iterator[Case]:
    asked: list[tuple[Group, Sequence[Damage]]] = [(Group.VALID, ())]
    asked += [(Group.SINGLE, (damage,)) for damage in FAIR]
    asked += [(Group.DOUBLE, two) for two in islice(combinations(FAIR, rng, size=2), size.doubles)]
    if size.hard:
        asked += [(Group.HARD, (damage,)) for damage in HARD]
        asked += [
            (Group.TRIPLE, three) for three in islice(combinations((*FAIR, *HARD), rng, size=_TRIPLE), size.triples)
        ]
    for group, damages in asked:
        made = damaged(original, schema, damages, rng)
        case = made and _case(number, group, tuple(damage.kind for damage in damages), schema, made, original)
        if case:
            yield case
            number += 1
    refusals = [(Group.REFUSE, kind, do) for kind, do in REFUSALS.items()]
    refusals += [(Group.TRAP, kind, do) for kind, do in TRAPS.items()] if size.hard else []
    for group, kind, refusal in refusals:
        text = refusal(original, schema, rng)
        if text is None or (group is Group.REFUSE and _is_valid(text, schema)):
            continue
        yield Case(
            number=number, group=group, kinds=(kind,), schema=schema, text=text, original=None, still_valid=False
        )
        number += 1


def _case(
    number: int, group: Group, kinds: tuple[str, ...], schema: Schema, made: Damaged, original: Json
) -> Case | None:
    is_json, value = parsed(made.text)
    undamaged = is_json and same(value, original)
    if undamaged != (group is Group.VALID):
        return None
    still_valid = is_json and valid(value, schema)
    # Something else asks for the repair: whether what the schema takes is to be mended too is a matter of taste.
    beside = made.harmless and not still_valid
    return Case(
        number=number,
        group=Group.HARD if beside else group,
        kinds=("an optional key, open, beside another damage",) if beside else kinds,
        schema=schema,
        text=made.text,
        original=original,
        still_valid=still_valid,
        left=tuple(one for one in made.left if valid(one, schema)) if beside else (),
    )


def _is_valid(text: str, schema: Schema) -> bool:
    is_json, value = parsed(text)
    return is_json and valid(value, schema)
