"""Result of the search at one place: the cheapest fitting value and its lead over the next, or why none fits."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

from consumer.repair.compiled_schema import CompiledSchema, SchemaCompiler
from consumer.repair.lossless_fields import FREE, Guard
from consumer.repair.values import GRADES, RANK, Edit, Json, Operation, RefusalCause
from schemas.json_value import pointer
from schemas.names import Grade
from schemas.value import value

INFINITE: Final = float("inf")
MARGIN: Final = 10
"""Ambiguity margin: a second document within this cost of the cheapest one counts as equally likely."""


@value(frozen=True, slots=True, kw_only=True)
class Step:
    """An edit with paths relative to the place where it was found."""

    op: Operation
    at: tuple[str, ...] = ()
    value: Json = None
    old: Json = None
    origin: tuple[str, ...] | None = None
    grade: Grade = Grade.LOSSLESS
    kind: str
    reason: str

    def edit(self, above: tuple[str, ...], *, in_list: bool) -> Edit:
        """Convert it to an edit with paths from the document's root."""
        if in_list and self.origin is not None and not self.at:
            return self._as_replace().edit(above, in_list=False)
        return Edit(
            op=self.op,
            path=pointer((*above, *self.at)),
            value=self.value,
            old=self.old,
            from_=None if self.origin is None else pointer((*above, *self.origin)),
            grade=self.grade,
            kind=self.kind,
            reason=self.reason,
        )

    def _as_replace(self) -> "Step":
        # In a JSON Patch, a move onto a list item inserts before that item instead of replacing it.
        key = (self.origin or ("",))[0]
        around: Json = {**self.old, key: self.value} if isinstance(self.old, dict) else [self.value]
        return replace(self, op="replace", old=around, origin=None)


@value(frozen=True, slots=True, kw_only=True)
class Fit:
    """The cheapest value that fits."""

    cost: float
    value: Json = None
    gap: float = INFINITE
    """How much more the next, different value costs: the confidence in this one."""
    steps: tuple[Step, ...] = ()
    below: tuple[tuple[str | int, "Fit"], ...] = ()
    """Fits of the changed children: by key, or by index in a list."""
    rank: int = 0
    """Rank of the highest grade among its edits."""

    @property
    def grade(self) -> Grade:
        """Highest grade of its edits: how much meaning they may change."""
        return GRADES[self.rank]

    def edits(self, above: tuple[str, ...] = (), *, in_list: bool = False) -> Iterator[Edit]:
        """Yield the edits in the order in which they apply."""
        for step in self.steps:
            yield step.edit(above, in_list=in_list)
        for key, fit in self.below:
            yield from fit.edits((*above, str(key)), in_list=isinstance(key, int))


@value(frozen=True, slots=True, kw_only=True)
class Miss:
    """Failure to fit: why no value does."""

    cause: RefusalCause
    what: str
    at: tuple[str, ...] = ()

    def under(self, key: str) -> "Miss":
        """Return it with its path relative to the parent."""
        return Miss(cause=self.cause, what=self.what, at=(key, *self.at))

    @property
    def reason(self) -> str:
        """Describe it, with its path."""
        return f"{pointer(self.at)[:160] or 'the document'}: {self.what}"


SAME: Final = Fit(cost=0)
"""Sentinel: the value fits unchanged."""

# How informative a cause is about a document that cannot be repaired; causes not listed rank 2.
_INFORMATIVENESS: Final = {
    RefusalCause.WRONG_TYPE: 0,
    RefusalCause.INVALID: 1,
    RefusalCause.AMBIGUOUS: 3,
    RefusalCause.TRUNCATED: 3,
    RefusalCause.GUARDED: 3,
}


def more_telling(left: Miss, right: Miss) -> Miss:
    """Return the more informative of two misses; the first on a tie."""
    return right if _INFORMATIVENESS.get(right.cause, 2) > _INFORMATIVENESS.get(left.cause, 2) else left


def after(step: Step, fit: Fit, cost: float) -> Fit:
    """Return a fit extended by one edit before it."""
    value = step.value if fit is SAME else fit.value
    rank = max(fit.rank, RANK[step.grade])
    return Fit(cost=fit.cost + cost, value=value, gap=fit.gap, steps=(step, *fit.steps), below=fit.below, rank=rank)


def cheapest(found: Sequence[tuple[Fit, Json]]) -> Fit:
    """Return the cheapest of several fits, each with its resulting value; the gap covers rivals with another value."""
    best, value = min(found, key=lambda one: one[0].cost)
    gap = best.gap
    for fit, other in found:
        if fit is not best:
            differs = fit.cost - best.cost if not alike(other, value) else fit.cost + fit.gap - best.cost
            gap = min(gap, differs)
    if gap == best.gap:
        return best
    return Fit(cost=best.cost, value=best.value, gap=gap, steps=best.steps, below=best.below, rank=best.rank)


def alike(left: Json, right: Json) -> bool:
    """Return whether two documents are equal, with a fast path for the same object."""
    return left is right or (type(left) is type(right) and left == right and _identical(left, right))


def _identical(left: Json, right: Json) -> bool:
    # In Python, True equals 1.
    match left, right:
        case (dict(), dict()):
            return all(_identical(value, right[key]) for key, value in left.items())
        case (list(), list()):
            return all(_identical(a, b) for a, b in zip(left, right, strict=True))
        case _:
            return isinstance(left, bool) == isinstance(right, bool)


class Fitter(Protocol):
    """Interface of the search, for the modules that fit one object's members."""

    shapes: SchemaCompiler

    def fit(self, value: Json, shape: CompiledSchema, guard: Guard = FREE) -> Fit | Miss:
        """Return the cheapest value that fits, or why none does."""
        ...

    def speaks_of(self, value: Json, shape: CompiledSchema) -> bool:
        """Return whether a value looks like an instance of this schema."""
        ...
