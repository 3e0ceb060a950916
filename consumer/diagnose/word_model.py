"""Word model: what the words of a text speak for where no rule does. A linear model, fitted to labelled texts.

Eight scores for the types (softmax) and five for kinds of dispositions (each a logistic regression of its own), summed
over the words, pairs of words, and for other scripts pieces of two and three letters. `word_model.txt` has a line for
each, written by `python -m benchmarks.diagnosis_word_model --write`. It is evidence like a rule's, of the least weight,
and speaks only where no rule speaks for a type nor for a disposition.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from math import exp, sqrt
from typing import Final

from consumer.diagnose.lexer import Text
from consumer.diagnose.rule import NONE, PRECEDENCE, Rule, kind_of, rank_of
from schemas.names import Disposition, FailureType

TYPES: Final = PRECEDENCE
DISPOSITIONS: Final = (
    Disposition.RETRY_IF_IDEMPOTENT,  # for all that retry: the most careful of them
    Disposition.NEEDS_REPAIR,
    Disposition.NEEDS_CREDENTIAL,
    Disposition.NEEDS_MONEY,
    Disposition.NEEDS_PERSON,
)
SURE: Final = 0.5
"""Least probability of a type that counts."""
SURE_TO_ACT: Final = 0.7
"""Least probability that a disposition is acceptable, for it to count."""
WEIGHT: Final = 2.0
"""Weight of what the model says: that below which a type is a guess."""
FEWEST: Final = 5
"""Least number of known features: of less, one word would decide."""
MAX_WORDS: Final = 200
MAX_LETTERS: Final = 2000
LENGTH: Final = 3.0
"""Factor of the scores, which are divided by the root of the number of features: long texts are not surer."""
SCALE: Final = 100
"""Coefficients are whole hundredths in the file."""
BIAS: Final = "*"
_PERSON: Final = DISPOSITIONS.index(Disposition.NEEDS_PERSON)
OUTPUTS: Final = len(TYPES) + len(DISPOSITIONS)

Coefficients = Mapping[str, Sequence[int]]


def features(text: Text) -> dict[str, None]:
    """Return the features of a text, each once and in order."""
    words = text.tokens[:MAX_WORDS]
    found = dict.fromkeys(words)
    found.update(dict.fromkeys(map(" ".join, pairwise(words))))
    if not text.lowered.isascii():
        letters = text.lowered[:MAX_LETTERS]
        for size in (2, 3):
            some = (letters[at : at + size] for at in range(len(letters) - size + 1))
            found.update(dict.fromkeys(f"~{one}" for one in some if not one.isascii()))
    return found


def scores(known: Sequence[Sequence[float]], bias: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the probabilities of the types, and of each kind of disposition, from the coefficients of the features."""
    factor = LENGTH / sqrt(len(known)) if known else 0.0
    sums = map(sum, zip(*known, strict=True)) if known else [0.0] * OUTPUTS
    total = [first + factor * rest for first, rest in zip(bias, sums, strict=True)]
    highest = max(total[: len(TYPES)])
    shares = [exp(one - highest) for one in total[: len(TYPES)]]
    whole = sum(shares)
    return [one / whole for one in shares], [1.0 / (1.0 + exp(-one)) for one in total[len(TYPES) :]]


def speaks_for(text: Text, *, by: Coefficients | None = None) -> tuple[Rule, ...]:
    """Return the rules by which the model speaks: one for a type, one for a disposition, each where it is sure.

    A disposition counts only where leaving the failure to a person, the default, is thought to be wrong.
    """
    coefficients = _COEFFICIENTS if by is None else by
    known = [coefficients[one] for one in features(text) if one in coefficients]
    if len(known) < FEWEST:
        return ()
    types, dispositions = scores(list(map(_scaled, known)), _scaled(coefficients[BIAS]))
    found = []
    if (best := max(types)) >= SURE:
        found.append(_OF_TYPE[types.index(best)])
    if dispositions[_PERSON] < SURE and (best := max(dispositions)) >= SURE_TO_ACT:
        found.append(_OF_DISPOSITION[dispositions.index(best)])
    return tuple(found)


def parse_coefficients(lines: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Parse the coefficients, `FEATURE<TAB>NUMBERS` a line; ValueError where there are others than the outputs."""
    read = {name: tuple(map(int, rest.split())) for name, _, rest in (line.partition("\t") for line in lines)}
    if BIAS not in read or any(len(row) != OUTPUTS for row in read.values()):
        raise ValueError("word_model.txt has other outputs: fit it anew")
    return read


def _scaled(row: Sequence[int]) -> list[float]:
    return [one / SCALE for one in row]


def _rule(name: str, failure_type: FailureType | None, disposition: Disposition | None) -> Rule:
    return Rule(
        id=f"words.{name}",
        weight=WEIGHT if failure_type else 0.0,
        failure_type=failure_type,
        disposition=disposition,
        firmly=WEIGHT if disposition else 0.0,
        kind=kind_of(failure_type),
        care=NONE if disposition is None else rank_of(disposition),
        phrases=(),
        codes=frozenset(),
        fragments=(),
        against=(),
        example="",
    )


_OF_TYPE: Final = tuple(_rule(one.value, one, None) for one in TYPES)
_OF_DISPOSITION: Final = tuple(_rule(one.value, None, one) for one in DISPOSITIONS)
_COEFFICIENTS: Final[Coefficients] = parse_coefficients(
    files(__package__).joinpath("word_model.txt").read_text(encoding="utf-8").split("\n")[:-1]
)
