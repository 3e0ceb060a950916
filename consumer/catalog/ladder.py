"""Ladders (the escalation order of strategies by failure type), the limits of each rung, and their validation."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field, GetPydanticSchema, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from consumer.catalog.declared import Declared
from consumer.model import ActionName, RungName, action_name, strategy_of
from schemas.names import FailureType, Mode, StrategyName

LONGEST_WINDOW: Final = timedelta(minutes=10)
"""Upper bound of every claim's window: before its end no process takes over the scope of a dead owner."""


class RungLimits(Declared):
    """Limits of one strategy (a rung) for one failure; what is not declared is limited by the entry alone."""

    attempts: Annotated[int, Field(ge=1, le=20)] | None = None
    """Most attempts of this strategy that act; then the ladder goes on to the next one."""
    longest: Annotated[timedelta, Field(gt=timedelta(0), le=LONGEST_WINDOW)] | None = None
    """Longest time from the claim to the end of its last effect, for one attempt."""
    allowance_aud: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """The most credits that one attempt may hold, in place of the entry's."""
    least_confidence: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Least confidence of a diagnosis on which it acts unasked: below it the next rung is taken, or a person asks."""
    mode: Mode | None = None
    """`shadow`: it is planned and told, and does not act; in place of the entry's."""


UNLIMITED: Final = RungLimits()
ONCE: Final = RungLimits(attempts=1)
"""Of a declared action for which nothing else is said: done once, it is the turn of the next rung."""
_Fault: TypeAlias = tuple[tuple[int | str, ...], str]


def _read_rung(given: Any, strategy: core_schema.ValidatorFunctionWrapHandler) -> RungName:  # noqa: ANN401 - YAML
    action = action_name(given) if isinstance(given, str) else None
    if action is not None:
        return action
    name: StrategyName = strategy(given)
    return name


DeclaredRung: TypeAlias = Annotated[
    RungName,
    GetPydanticSchema(
        lambda _, of: core_schema.no_info_wrap_validator_function(
            _read_rung, of(StrategyName), serialization=core_schema.plain_serializer_function_ser_schema(str)
        )
    ),
]
"""A strategy, or `action:NAME`."""


def _check_order(ladder: tuple[RungName, ...]) -> tuple[RungName, ...]:
    _raise_faults(_order_faults(ladder))
    return ladder


def _order_faults(ladder: tuple[RungName, ...]) -> Iterator[_Fault]:
    if not ladder:
        yield (), "an empty ladder: leave the failure type out, or name a strategy"
    for place, strategy in enumerate(ladder):
        if strategy in ladder[:place]:
            yield (place,), f"{strategy} stands on the ladder twice"
        elif strategy is StrategyName.WORKFLOW_REWRITE and place < len(ladder) - 1:
            yield (place,), f"{strategy} can only be the last rung"


Ladder: TypeAlias = Annotated[tuple[DeclaredRung, ...], AfterValidator(_check_order)]
Ladders: TypeAlias = dict[FailureType, Ladder]
Rungs: TypeAlias = dict[DeclaredRung, RungLimits]


def contradictions(ladders: Ladders, rungs: Rungs, allowed: tuple[StrategyName, ...] | None, attempts: int) -> None:
    """Validate the ladders and rungs of one entry against each other; raises each contradiction with its path."""
    _raise_faults((*_strategy_faults(ladders, rungs, allowed), *_attempt_faults(rungs, attempts)))


def _strategy_faults(ladders: Ladders, rungs: Rungs, allowed: tuple[StrategyName, ...] | None) -> Iterator[_Fault]:
    if allowed is None:
        return
    for kind, ladder in ladders.items():
        for place, strategy in enumerate(ladder):
            if strategy_of(strategy) not in allowed:
                yield ("ladders", kind, place), f"{_named(strategy)} is not among the entry's `strategies`"
    for strategy in rungs:
        if strategy_of(strategy) not in allowed:
            yield ("rungs", strategy), f"{_named(strategy)} is not among the entry's `strategies`"


def _named(rung: RungName) -> str:
    return f"{strategy_of(rung)}, which {rung} counts as," if isinstance(rung, ActionName) else rung


def _attempt_faults(rungs: Rungs, attempts: int) -> Iterator[_Fault]:
    for strategy, limits in rungs.items():
        if limits.attempts is not None and limits.attempts > attempts:
            why = f"{limits.attempts} attempts of one rung are more than the entry's `attempts` ({attempts})"
            yield ("rungs", strategy, "attempts"), why


def _raise_faults(faults: Iterable[_Fault]) -> None:
    found = [
        InitErrorDetails(type=PydanticCustomError("ladder", "{why}", {"why": why}), loc=place, input=None)
        for place, why in faults
    ]
    if found:
        raise ValidationError.from_exception_data("ladder", found)
