"""What a rule is: the words and codes it looks for, and what finding them says about type and disposition."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from consumer.diagnose.lexer import code_key, folded
from schemas.names import Disposition, FailureType

Element = frozenset[str] | Literal["*"]
"""One place of a phrase: any of these tokens; `*` stands for up to `GAP` others."""
Phrase = tuple[Element, ...]
"""Words in their order. Bounded by words and linear by construction: nothing here is a pattern that backtracks."""
GAP: Final = 3
PRECEDENCE: Final = tuple(FailureType)
"""Where two types weigh the same, the seed's order decides."""
CAUTION: Final = (
    Disposition.NEVER,
    Disposition.NEEDS_PERSON,
    Disposition.NEEDS_MONEY,
    Disposition.NEEDS_CREDENTIAL,
    Disposition.NEEDS_REPAIR,
    Disposition.RETRY_AFTER,
    Disposition.RETRY_IF_IDEMPOTENT,
    Disposition.RETRY_NOW,
)
"""Where two dispositions weigh the same, the more careful one decides."""
NONE: Final = -1
EXACT: Final = ("http.", "grpc.", "header.")
"""Codes that are looked for as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the tables."""

    id: str
    weight: float
    failure_type: FailureType | None
    disposition: Disposition | None
    firmly: float
    """What it weighs for the disposition."""
    kind: int
    """The type's place in `PRECEDENCE`; a member of an enum is slow to look up."""
    care: int
    """The disposition's place in `CAUTION`."""
    phrases: tuple[Phrase, ...]
    codes: frozenset[str]
    fragments: tuple[str, ...]
    against: tuple[int, ...]
    """Places in `PRECEDENCE`."""
    example: str


def rule(  # noqa: PLR0913 - a row of a table: every column has its name
    id: str,  # noqa: A002 - what it is
    weight: float,
    failure_type: FailureType | None = None,
    disposition: Disposition | None = None,
    *,
    example: str,
    says: str = "",
    codes: str = "",
    holds: str = "",
    firmly: float | None = None,
    against: tuple[FailureType, ...] = (),
) -> Rule:
    """Write one row.

    `says`: phrases, separated by `;`. A phrase is words that follow each other, in lower case, `a|b` for either,
    `a?` for one that may be missing, `*` for up to three words between. Identifiers are read as the words that they are
    made of: `read timeout` finds `ReadTimeout` and `read_timeout`.
    `codes`: whole identifiers, in any spelling (`voice_not_found`, `VoiceNotFound`), as error code, exception or word
    of the text; `http.504` and `grpc.4` for statuses.
    `holds`: pieces of text, separated by `;`, for scripts without spaces and for marks that are no words.
    `firmly`: what it weighs for the disposition, where that is not the same.
    `against`: types that it rules out, however much speaks for them.
    """
    return Rule(
        id=id,
        weight=weight,
        failure_type=failure_type,
        disposition=disposition,
        firmly=weight if firmly is None else firmly,
        kind=NONE if failure_type is None else PRECEDENCE.index(failure_type),
        care=NONE if disposition is None else CAUTION.index(disposition),
        phrases=tuple(phrase for one in says.split(";") if one.strip() for phrase in _phrases(one.split())),
        codes=frozenset(one if one.startswith(EXACT) else code_key(one) for one in codes.split()),
        fragments=tuple(folded(one.strip()).lower() for one in holds.split(";") if one.strip()),
        against=tuple(map(PRECEDENCE.index, against)),
        example=example,
    )


def _phrases(words: list[str]) -> list[Phrase]:
    """Write out what may be left out."""
    for place, word in enumerate(words):
        if word.endswith("?"):
            without = [*words[:place], *words[place + 1 :]]
            return _phrases(without) + _phrases([*words[:place], word[:-1], *words[place + 1 :]])
    return [tuple(_element(word) for word in words)]


@lru_cache(maxsize=4096)
def _element(word: str) -> Element:
    return "*" if word == "*" else frozenset(folded(word).split("|"))
