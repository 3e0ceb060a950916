"""Broken, whole and lost documents by the hundred, each with the answer that is right; the same for the same seed."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from tests.support.as_sent.carried import CARRIERS
from tests.support.as_sent.lost import LOSSES
from tests.support.as_sent.schemas import PUBLISHED, Published
from tests.support.as_sent.slips import SLIPS
from tests.support.as_sent.written import WRITERS

Json: TypeAlias = Any


class Right(Enum):
    """The answer that is right."""

    RESTORED = "restored"
    """The document that it was made of, to the last bit."""
    AS_IT_CAME = "as it came"
    """The document that was sent, without an edit."""
    REFUSED = "refused"
    """None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A text as it was sent, and what is right."""

    schema: Json
    text: str
    right: Right
    original: Json
    kind: str


def letters(seed: int, rounds: int = 1) -> Iterator[Letter]:
    """Yield the letters of a seed: each kind of damage on each schema, `rounds` times."""
    rng = random.Random(seed)
    for _ in range(rounds):
        for published in PUBLISHED:
            yield from _broken(rng, published)
            yield from _whole(rng, published)
            yield from _lost(rng, published)


def _broken(rng: random.Random, published: Published) -> Iterator[Letter]:
    for kind, write in {**WRITERS, **CARRIERS}.items():
        document = published.make(rng)
        text = write(rng, document)
        if text is not None:
            yield _letter(published, text, Right.RESTORED, document, kind)
    for kind, slip in SLIPS.items():
        document = published.make(rng)
        slipped = slip(rng, document)
        if slipped is None:
            continue
        if is_valid(slipped, published):  # what the schema takes is no slip
            yield _letter(published, json.dumps(slipped), Right.AS_IT_CAME, slipped, kind)
            continue
        yield _letter(published, json.dumps(slipped), Right.RESTORED, document, kind)
        outer, write = rng.choice(list({**WRITERS, **CARRIERS}.items()))
        text = write(rng, slipped)
        if text is not None and outer != "marks escaped":
            yield _letter(published, text, Right.RESTORED, document, f"{kind} + {outer}")


def _whole(rng: random.Random, published: Published) -> Iterator[Letter]:
    document = published.make(rng)
    for kind, text in (
        ("as it is", json.dumps(document)),
        ("in lines", json.dumps(document, indent="\t", ensure_ascii=False) + "\n"),
        ("keys in order", json.dumps(document, sort_keys=True, separators=(",", ":"))),
    ):
        yield _letter(published, text, Right.AS_IT_CAME, document, kind)
    if (
        isinstance(document, dict)
        and published.schema.get("additionalProperties", True) is True
        and "oneOf" not in published.schema
    ):
        more = {**document, "Note ": "1", "dta": {"5": "true"}, "x-tags": "a,b", "NAME": [[1]], "versoin": None}
        yield _letter(published, json.dumps(more), Right.AS_IT_CAME, more, "with other members")


def _lost(rng: random.Random, published: Published) -> Iterator[Letter]:
    for kind, lose in LOSSES.items():
        for _ in range(2):
            document = published.make(rng)
            text = lose(rng, document, published)
            if text is not None:
                yield _letter(published, text, Right.REFUSED, document, kind)


def is_valid(document: Json, published: Published) -> bool:
    """Return whether a document follows its schema, as jsonschema judges it."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return bool(validator_for(published.schema)(published.schema, format_checker=checker).is_valid(document))


def _letter(published: Published, text: str, right: Right, original: Json, kind: str) -> Letter:
    return Letter(schema=published.schema, text=text, right=right, original=original, kind=f"{published.name}: {kind}")
