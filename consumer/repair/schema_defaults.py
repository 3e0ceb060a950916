"""Defaults from the schema (`default`, `const`): the only values that are ever filled in. Pure."""

from copy import deepcopy
from typing import Final

from consumer.repair.compiled_schema import CompiledSchema
from consumer.repair.fit import SAME, Fit, Fitter, Miss, Step
from consumer.repair.lossless_fields import Guard, below
from consumer.repair.values import RANK, Json, RefusalCause
from schemas.json_value import same
from schemas.names import Grade

FILL: Final = 300
"""Cost of filling in: more than any repair that keeps to the input."""
_NULL: Final = "null where the schema has a default"


def filling(fitter: Fitter, shape: CompiledSchema, guard: Guard, key: str) -> Fit | Miss:
    """Return the fit that fills in a missing required member, or why there is none."""
    for word in ("default", "const"):
        named = _schema_value(fitter, shape, key, word)
        if isinstance(named, Miss):
            return named
        if named is not None:
            if below(guard, key):
                return Miss(cause=RefusalCause.GUARDED, what="missing, and only lossless edits may touch it", at=(key,))
            step = Step(
                op="add",
                value=named[0],
                grade=Grade.INVENTIVE,
                kind="filled",
                reason="missing, and the schema names its value",
            )
            return _fill_fit(step)
    return Miss(cause=RefusalCause.MISSING_REQUIRED, what="is missing, and the schema names no value for it", at=(key,))


def in_place_of_null(fitter: Fitter, shape: CompiledSchema, guard: Guard, key: str) -> Fit | Miss | None:
    """Return the fit that replaces a forbidden null by the default; None where the schema has no default."""
    named = _schema_value(fitter, shape, key, "default")
    if named is None or isinstance(named, Miss):
        return named
    if below(guard, key):
        return Miss(cause=RefusalCause.GUARDED, what="null, and only lossless edits may touch it", at=(key,))
    return _fill_fit(Step(op="replace", value=named[0], grade=Grade.INVENTIVE, kind="filled", reason=_NULL))


def _fill_fit(step: Step) -> Fit:
    return Fit(cost=FILL, value=step.value, steps=(step,), rank=RANK[step.grade])


def _schema_value(fitter: Fitter, shape: CompiledSchema, key: str, word: str) -> tuple[Json] | Miss | None:
    child = fitter.shapes.child(shape, key)
    named = [part[word] for part in child.parts if word in part]
    if not named:
        return None
    if any(not same(named[0], other) for other in named):
        return Miss(cause=RefusalCause.AMBIGUOUS, what=f"the schema names more than one `{word}`", at=(key,))
    # A schema may name a default that it does not allow itself.
    return (deepcopy(named[0]),) if fitter.fit(named[0], child) is SAME else None
