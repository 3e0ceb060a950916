"""What every validator of ours shares: keywords judged by the specification, and the specification's own schemas."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, cast

from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from jsonschema_specifications import REGISTRY as SPECIFICATIONS

__all__ = ["SPECIFICATIONS", "corrected", "is_multiple"]


def is_multiple(value: float, step: float) -> bool:
    """Return whether a number is a multiple of another one, both as they are written: 19.99 is one of 0.01."""
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    return (_as_written(value) / _as_written(step)).denominator == 1


def _as_written(number: float) -> Fraction:
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def _multiple_of(
    validator: Validator,
    step: float,
    value: Any,  # noqa: ANN401 - JSON is anything
    _: Mapping[str, Any],
) -> Iterator[ValidationError]:
    if validator.is_type(value, "number") and not is_multiple(cast("float", value), step):
        yield ValidationError(f"not a multiple of {step}")


@cache
def corrected(kind: type[Validator]) -> type[Validator]:
    """Return a validator class with the corrected keywords."""
    made: type[Validator] = cast("Any", extend)(kind, {"multipleOf": _multiple_of})
    return made
