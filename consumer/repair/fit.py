"""What the search finds at one place: the cheapest value that fits, with how far off the next is, or why none does."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeAlias

from consumer.repair.compiled_schema import CompiledSchema, Shapes
from consumer.repair.values import GRADES, RANK, Edit, Json, Operation, RefusalCause
from schemas.json_value import pointer
from schemas.names import Grade
from schemas.value import value

INFINITE: Final = float("inf")
MARGIN: Final = 10
"""A second document within this of the cheapest is as likely as it."""

Guard: TypeAlias = tuple[tuple[str, ...], ...]
"""Where only lossless edits may touch, relative to here; an empty path stands for this place and all below it."""
FREE: Final[Guard] = ()
INSIDE: Final[Guard] = ((),)


@value(frozen=True, slots=True, kw_only=True)
class Step:
    """An edit, as seen from the place where it was found."""

    op: Operation
    at: tuple[str, ...] = ()
    value: Json = None
    old: Json = None
    origin: tuple[str, ...] | None = None
    grade: Grade = Grade.LOSSLESS
    kind: str
    reason: str

    def edit(self, above: tuple[str, ...], *, in_list: bool) -> Edit:
        """Give it as seen from the document."""
        if in_list and self.origin is not None and not self.at:
            return self._replacing().edit(above, in_list=False)
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

    def _replacing(self) -> "Step":
        # In a patch a move onto an item of a list comes before that item, not in its place.
        key = (self.origin or ("",))[0]
        around: Json = {**self.old, key: self.value} if isinstance(self.old, dict) else [self.value]
        return replace(self, op="replace", old=around, origin=None)


@value(frozen=True, slots=True, kw_only=True)
class Fit:
    """The cheapest value that fits."""

    cost: float
    value: Json = None
    gap: float = INFINITE
    """How much more the next, different value costs."""
    steps: tuple[Step, ...] = ()
    below: tuple[tuple[str | int, "Fit"], ...] = ()
    """What was done to the parts: by name, or by place in a list."""
    rank: int = 0
    """The highest grade of its edits."""

    @property
    def grade(self) -> Grade:
        """How much it touches."""
        return GRADES[self.rank]

    def edits(self, above: tuple[str, ...] = (), *, in_list: bool = False) -> Iterator[Edit]:
        """Give the edits in the order in which they apply."""
        for step in self.steps:
            yield step.edit(above, in_list=in_list)
        for key, fit in self.below:
            yield from fit.edits((*above, str(key)), in_list=isinstance(key, int))


@value(frozen=True, slots=True, kw_only=True)
class Miss:
    """Why no value fits."""

    cause: RefusalCause
    what: str
    at: tuple[str, ...] = ()

    def under(self, key: str) -> "Miss":
        """Give it as seen from one step above."""
        return Miss(cause=self.cause, what=self.what, at=(key, *self.at))

    @property
    def reason(self) -> str:
        """Give it in words, with its place."""
        return f"{pointer(self.at)[:160] or 'the document'}: {self.what}"


SAME: Final = Fit(cost=0)
"""The value fits as it is."""

# What says the most about a document that cannot be repaired.
_TELLING: Final = {
    RefusalCause.WRONG_TYPE: 0,
    RefusalCause.INVALID: 1,
    RefusalCause.AMBIGUOUS: 3,
    RefusalCause.TRUNCATED: 3,
    RefusalCause.GUARDED: 3,
}


def more_telling(left: Miss, right: Miss) -> Miss:
    """Choose the reason that says more; the first of equals."""
    return right if _TELLING.get(right.cause, 2) > _TELLING.get(left.cause, 2) else left


def after(step: Step, fit: Fit, cost: float) -> Fit:
    """Give a fit that is reached by one more edit before it."""
    value = step.value if fit is SAME else fit.value
    rank = max(fit.rank, RANK[step.grade])
    return Fit(cost=fit.cost + cost, value=value, gap=fit.gap, steps=(step, *fit.steps), below=fit.below, rank=rank)


def below(guard: Guard, key: str) -> Guard:
    """Give what is guarded as seen from a member."""
    if not guard or guard == INSIDE:
        return guard
    found = tuple(path[1:] for path in guard if path and path[0] in {key, "*"})
    return INSIDE if () in found else found


def cheapest(found: Sequence[tuple[Fit, Json]]) -> Fit:
    """Choose among fits, each with the value it comes to; another value at about the same cost shows in the gap."""
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
    """Compare two documents, quickly where they are one."""
    return left is right or (type(left) is type(right) and left == right and _identical(left, right))


def _identical(left: Json, right: Json) -> bool:
    # Python's equality takes true for 1.
    match left, right:
        case (dict(), dict()):
            return all(_identical(value, right[key]) for key, value in left.items())
        case (list(), list()):
            return all(_identical(a, b) for a, b in zip(left, right, strict=True))
        case _:
            return isinstance(left, bool) == isinstance(right, bool)


class Fitter(Protocol):
    """The search, as the parts of it know it that look at one object's members."""

    shapes: Shapes

    def fit(self, value: Json, shape: CompiledSchema, guard: Guard = FREE) -> Fit | Miss:
        """Find the cheapest value that fits."""
        ...

    def speaks_of(self, value: Json, shape: CompiledSchema) -> bool:
        """Tell whether a value looks as if it were of this kind."""
        ...
