"""Definition of a diagnosis rule: the words and codes it matches, and the type and disposition a match speaks for."""

from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import Final, Literal

from consumer.diagnose.lexer import code_key, folded
from schemas.names import Disposition, FailureType

Element = frozenset[str] | Literal["*"]
"""One position of a phrase: any of these tokens; `*` stands for up to `GAP` others."""
Phrase = tuple[Element, ...]
"""Words in order. Bounded by words and linear by construction: nothing here is a pattern that backtracks."""
GAP: Final = 3
PRECEDENCE: Final = tuple(FailureType)
"""Tie-break between types of equal weight: the seed's order decides."""
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
"""Tie-break between dispositions of equal weight: the more careful one decides."""
NONE: Final = -1
EXACT: Final = ("http.", "grpc.", "header.", "retry.", "finish.")
"""Prefixes of codes that are matched verbatim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the rule tables."""

    id: str
    weight: float
    failure_type: FailureType | None
    disposition: Disposition | None
    firmly: float
    """Weight for the disposition."""
    kind: int
    """Index of the type in `PRECEDENCE`; a member of an enum is slow to look up."""
    care: int
    """Index of the disposition in `CAUTION`."""
    phrases: tuple[Phrase, ...]
    codes: frozenset[str]
    fragments: tuple[str, ...]
    against: tuple[int, ...]
    """Indexes in `PRECEDENCE` of the types that it rules out."""
    example: str
    bound: bool = False
    """Whether its disposition counts only where its type wins."""
    within: str = ""
    """Id of another rule that has to match as well; empty where none has to."""
    of_pack: bool = False
    """Whether a provider's pack holds it."""
    within_words: bool = False
    """Whether `within` concerns words only: a structured code counts by itself."""

    @property
    def silent(self) -> bool:
        """Whether it only takes words that others would misread."""
        return self.kind == NONE and self.care == NONE and not self.of_pack


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
    bound: bool = False,
) -> Rule:
    """Build one row of the tables.

    `says`: phrases, separated by `;`. A phrase is words that follow each other, in lower case, `a|b` for either,
    `a?` for one that may be missing, `*` for up to three words between. Identifiers match by the words that they are
    made of: `read timeout` matches `ReadTimeout` and `read_timeout`.
    `codes`: whole identifiers, in any spelling (`voice_not_found`, `VoiceNotFound`), as error code, exception or word
    of the text; `http.504` and `grpc.4` for statuses.
    `holds`: fragments of text, separated by `;`, for scripts without spaces and for marks that are no words.
    `firmly`: the weight for the disposition, where that is not the same.
    `against`: types that it rules out, however much speaks for them.
    `bound`: its disposition counts only where its type wins.
    """
    return Rule(
        id=id,
        weight=weight,
        failure_type=failure_type,
        disposition=disposition,
        firmly=weight if firmly is None else firmly,
        kind=kind_of(failure_type),
        care=NONE if disposition is None else rank_of(disposition),
        phrases=tuple(phrases_of(says)),
        codes=frozenset(map(index_code, codes.split())),
        fragments=tuple(folded(" ".join(one.split())).lower() for one in holds.split(";") if one.strip()),
        against=tuple(map(PRECEDENCE.index, against)),
        example=example,
        bound=bound,
    )


def kind_of(failure_type: FailureType | None) -> int:
    """Return the index of a type in `PRECEDENCE`."""
    return NONE if failure_type is None else PRECEDENCE.index(failure_type)


def rank_of(disposition: Disposition) -> int:
    """Return the index of a disposition in `CAUTION`."""
    return CAUTION.index(disposition)


def index_code(code: str) -> str:
    """Return a code as the index holds it: statuses verbatim, identifiers in any spelling."""
    return code if code.startswith(EXACT) else code_key(code)


def phrases_of(says: str) -> list[Phrase]:
    """Parse phrases, separated by `;`."""
    return [phrase for one in says.split(";") if one.strip() for phrase in _expand_phrase(one.split())]


def _expand_phrase(words: list[str]) -> list[Phrase]:
    """Expand a phrase with optional words into all its variants."""
    for place, word in enumerate(words):
        if word.endswith("?"):
            without = [*words[:place], *words[place + 1 :]]
            return _expand_phrase(without) + _expand_phrase([*words[:place], word[:-1], *words[place + 1 :]])
    return [tuple(_parse_element(word) for word in words)]


@lru_cache(maxsize=4096)
def _parse_element(word: str) -> Element:
    return "*" if word == "*" else frozenset(map(intern, folded(word).split("|")))
