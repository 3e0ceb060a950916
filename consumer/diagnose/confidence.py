"""Confidence of a diagnosis: the probability that its type and its disposition are both right, from its evidence.

A logistic regression over what the matching rules say together: how much speaks for the type and how much for its
strongest rival, how many rules agree, whether a code or only words decided. Its coefficients are fitted, not chosen:
`confidence.txt` is written by `python -m benchmarks.diagnosis_confidence --write`.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from math import exp, log1p
from operator import mul
from typing import Final

from consumer.diagnose.facts import Tier
from consumer.diagnose.index import Met
from consumer.diagnose.rule import PRECEDENCE

FEATURES: Final = (
    "constant",
    "type_weight",  # of all that speaks for the type, as a logarithm
    "type_rival",  # the strongest other type's share of both
    "type_rules",  # rules that speak for the type
    "type_by_code",  # one of them was met by a code or a status
    "type_by_exception",
    "disposition_weight",  # of the rule that decided, as a logarithm; 0 where the type's default holds
    "disposition_rival",  # the firmest rule for another disposition, as a share of both
    "disposition_rules",  # rules that speak for the disposition
    "disposition_by_pack",
    "disposition_by_code",
    "nothing",  # no rule matched
    *PRECEDENCE,
)
"""What the probability is computed from; `features` gives them in this order."""
CODE: Final = Tier.CODE
EXCEPTION: Final = Tier.EXCEPTION
ENOUGH: Final = 4
"""Number of agreeing rules above which one more makes no difference."""


def features(
    met: Sequence[Met], by_type: Sequence[float], by_disposition: Sequence[float], kind: int, care: int
) -> list[float]:
    """Return the features of a diagnosis: of the rules that matched, and their weights by type and by disposition."""
    type_rules = disposition_rules = 0
    by_code = by_exception = False
    firmest: Met | None = None
    for one in met:
        rule = one.rule
        if rule.kind == kind:
            type_rules += 1
            if one.tier is CODE:
                by_code = True
            elif one.tier is EXCEPTION:
                by_exception = True
        if rule.care == care:
            disposition_rules += 1
            if firmest is None or one.firmly > firmest.firmly:
                firmest = one
    return [
        1.0,
        log1p(by_type[kind]),
        _rival(by_type, kind),
        type_rules / ENOUGH if type_rules < ENOUGH else 1.0,
        1.0 if by_code else 0.0,
        1.0 if by_exception else 0.0,
        log1p(by_disposition[care]),
        _rival(by_disposition, care),
        disposition_rules / ENOUGH if disposition_rules < ENOUGH else 1.0,
        1.0 if firmest is not None and firmest.rule.of_pack else 0.0,
        1.0 if firmest is not None and firmest.tier is CODE else 0.0,
        0.0 if met else 1.0,
        *_IS_TYPE[kind],
    ]


def probability(of: Sequence[float], coefficients: Sequence[float]) -> float:
    """Return the probability that a logistic regression gives to these features."""
    return 1.0 / (1.0 + exp(-sum(map(mul, of, coefficients))))


def confidence(of: Sequence[float]) -> float:
    """Return the confidence of a diagnosis with these features, to two digits."""
    return round(probability(of, _COEFFICIENTS), 2)


def parse_coefficients(text: str) -> tuple[float, ...]:
    """Parse the coefficients, `NAME NUMBER` a line in the order of the features; ValueError where they are others."""
    read: Mapping[str, float] = {name: float(number) for name, number in map(str.split, text.splitlines())}
    if tuple(read) != FEATURES:
        raise ValueError("confidence.txt has other features: fit it anew")
    return tuple(read.values())


def _rival(weights: Sequence[float], winner: int) -> float:
    won = weights[winner]
    if sum(weights) == won:  # mostly nothing else speaks
        return 0.0
    others = list(weights)
    others[winner] = 0.0
    rival = max(others)
    return rival / (rival + won) if rival else 0.0


_IS_TYPE: Final = tuple(tuple(float(one is kind) for one in PRECEDENCE) for kind in PRECEDENCE)
_COEFFICIENTS: Final = parse_coefficients(files(__package__).joinpath("confidence.txt").read_text(encoding="utf-8"))
