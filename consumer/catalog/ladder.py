"""In which order strategies are tried for a failure, and how far each of them may go."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from consumer.catalog.declared import Declared
from schemas.names import FailureType, StrategyName

LONGEST_WINDOW: Final = timedelta(minutes=10)
"""No claim's window is longer: nobody takes a dead owner's scope over before its end."""


class RungLimits(Declared):
    """How far one strategy may go for one failure; what is not declared is limited by the entry alone."""

    attempts: Annotated[int, Field(ge=1, le=20)] | None = None
    """Attempts of its own that act; then the ladder goes on."""
    longest: Annotated[timedelta, Field(gt=timedelta(0), le=LONGEST_WINDOW)] | None = None
    """From the claim to the end of its last effect, for one attempt."""
    allowance_aud: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """The most credits that one attempt may hold, in place of the entry's."""


UNLIMITED: Final = RungLimits()
_Fault: TypeAlias = tuple[tuple[int | str, ...], str]


def _in_order(ladder: tuple[StrategyName, ...]) -> tuple[StrategyName, ...]:
    _raise(_disordered(ladder))
    return ladder


def _disordered(ladder: tuple[StrategyName, ...]) -> Iterator[_Fault]:
    if not ladder:
        yield (), "an empty ladder: leave the failure type out, or name a strategy"
    for place, strategy in enumerate(ladder):
        if strategy in ladder[:place]:
            yield (place,), f"{strategy} stands on the ladder twice"
        elif strategy is StrategyName.WORKFLOW_REWRITE and place < len(ladder) - 1:
            yield (place,), f"{strategy} can only be the last rung"


Ladder: TypeAlias = Annotated[tuple[StrategyName, ...], AfterValidator(_in_order)]
Ladders: TypeAlias = dict[FailureType, Ladder]
Rungs: TypeAlias = dict[StrategyName, RungLimits]


def contradictions(ladders: Ladders, rungs: Rungs, allowed: tuple[StrategyName, ...] | None, attempts: int) -> None:
    """Raise what one entry says against itself, each at its place."""
    _raise((*_not_allowed(ladders, rungs, allowed), *_too_many(rungs, attempts)))


def _not_allowed(ladders: Ladders, rungs: Rungs, allowed: tuple[StrategyName, ...] | None) -> Iterator[_Fault]:
    if allowed is None:
        return
    for kind, ladder in ladders.items():
        for place, strategy in enumerate(ladder):
            if strategy not in allowed:
                yield ("ladders", kind, place), f"{strategy} is not among the entry's `strategies`"
    for strategy in rungs:
        if strategy not in allowed:
            yield ("rungs", strategy), f"{strategy} is not among the entry's `strategies`"


def _too_many(rungs: Rungs, attempts: int) -> Iterator[_Fault]:
    for strategy, limits in rungs.items():
        if limits.attempts is not None and limits.attempts > attempts:
            why = f"{limits.attempts} attempts of one rung are more than the entry's `attempts` ({attempts})"
            yield ("rungs", strategy, "attempts"), why


def _raise(faults: Iterable[_Fault]) -> None:
    found = [
        InitErrorDetails(type=PydanticCustomError("ladder", "{why}", {"why": why}), loc=place, input=None)
        for place, why in faults
    ]
    if found:
        raise ValidationError.from_exception_data("ladder", found)
