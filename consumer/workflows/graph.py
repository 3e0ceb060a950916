"""The graph of a definition: what runs before what, and under which conditions a step is taken."""

from collections.abc import Iterator, Mapping
from typing import Final

import orjson

from consumer.model import Json
from consumer.workflows.definition import Condition, DefinedStep, Definition, Join, Operator
from schemas.value import value

_POSITIVE: Final = frozenset({Operator.EQUALS, Operator.ONE_OF})
_NEGATIVE: Final = frozenset({Operator.DIFFERS, Operator.NONE_OF})


def find_cycle(definition: Definition) -> tuple[str, ...]:
    """Return steps that wait for each other in a circle; empty where none do."""
    waiting = {step.id: set(step.dependencies) & definition.by_id.keys() for step in definition.steps}
    while free := [name for name, needs in waiting.items() if not needs & waiting.keys()]:
        for name in free:
            del waiting[name]
    if not waiting:
        return ()
    path = [next(iter(waiting))]
    while path.count(path[-1]) == 1:
        path.append(min(waiting[path[-1]] & waiting.keys()))
    return tuple(path[path.index(path[-1]) :])


def in_order(definition: Definition) -> Iterator[DefinedStep]:
    """Yield the steps so that each comes after what it depends on; those of a circle come last."""
    left = dict(definition.by_id)
    while left:
        free = [step for step in left.values() if not set(step.dependencies) & left.keys()]
        for step in free or list(left.values()):
            yield step
            del left[step.id]


def settled_before(definition: Definition) -> Mapping[str, frozenset[str]]:
    """Return, by step, the steps that have ended or been skipped whenever it begins."""
    settled: dict[str, frozenset[str]] = {}
    for step in in_order(definition):
        of_each = [frozenset({need}) | settled.get(need, frozenset()) for need in step.dependencies]
        if step.join is Join.ANY and of_each:
            settled[step.id] = frozenset.intersection(*of_each)
        else:
            settled[step.id] = frozenset().union(*of_each)
    return settled


def succeeded_before(definition: Definition) -> Mapping[str, frozenset[str]]:
    """Return, by step, the steps that have been taken and have ended well whenever it is taken.

    One that waits for all has had them all. One that waits for those that were taken has had such as are taken
    whenever it is; one that waits for any has had what each of them has had.
    """
    conditions, succeeded = conditions_of(definition), dict[str, frozenset[str]]()
    for step in in_order(definition):
        each = {need: frozenset({need}) | succeeded.get(need, frozenset()) for need in step.dependencies}
        sure = set(each) if step.join is Join.ALL else set()
        if step.join is Join.TAKEN:
            sure = {need for need in each if conditions.get(need, frozenset()) <= conditions[step.id]}
        common = frozenset.intersection(*each.values()) if each else frozenset()
        succeeded[step.id] = common.union(*(each[need] for need in sure))
    return succeeded


def conditions_of(definition: Definition) -> Mapping[str, frozenset[str]]:
    """Return, by step, the conditions (as JSON) that hold whenever it is taken."""
    found: dict[str, frozenset[str]] = {}
    for step in in_order(definition):
        own = frozenset() if step.when is None else frozenset({step.when.model_dump_json(by_alias=True)})
        before = [found.get(need, frozenset()) for need in step.dependencies]
        if before and step.join is Join.ALL:
            own |= frozenset().union(*before)
        elif before:
            own |= frozenset.intersection(*before)
        found[step.id] = own
    return found


@value(frozen=True, slots=True, kw_only=True)
class ValueSet:
    """Values that a condition lets pass: these, or all but these."""

    listed: frozenset[bytes]
    complement: bool

    def without(self, other: "ValueSet") -> "ValueSet | None":
        """Return what passes here and not there; None where those are not finitely many."""
        if self.complement and not other.complement:
            return None
        if self.complement:
            return ValueSet(listed=other.listed - self.listed, complement=False)
        kept = self.listed & other.listed if other.complement else self.listed - other.listed
        return ValueSet(listed=kept, complement=False)

    def both(self, other: "ValueSet") -> "ValueSet":
        """Return what passes here and there."""
        match self.complement, other.complement:
            case False, False:
                return ValueSet(listed=self.listed & other.listed, complement=False)
            case True, True:
                return ValueSet(listed=self.listed | other.listed, complement=True)
            case _:
                narrow, wide = (other, self) if self.complement else (self, other)
                return ValueSet(listed=narrow.listed - wide.listed, complement=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing passes."""
        return not self.complement and not self.listed


def value_set(condition: Condition) -> ValueSet | None:
    """Return the values of its left side that a condition lets pass; None where it does not list them."""
    if condition.op in _POSITIVE | _NEGATIVE:
        many = condition.op in {Operator.ONE_OF, Operator.NONE_OF}
        right = condition.right if many else [condition.right]
        if isinstance(right, list):
            return ValueSet(listed=frozenset(written(each) for each in right), complement=condition.op in _NEGATIVE)
    return None


def written(document: Json) -> bytes:
    """Write a value so that equal ones are written equally."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def contradiction(conditions: frozenset[str]) -> str | None:
    """Return what conditions cannot hold of together, by their left side; None where none is seen."""
    passing: dict[bytes, ValueSet] = {}
    for text in sorted(conditions):
        condition = Condition.model_validate_json(text)
        values = value_set(condition)
        if values is None:
            continue
        left = written(condition.left)
        passing[left] = values if left not in passing else passing[left].both(values)
    return next((left.decode() for left, values in passing.items() if values.is_empty), None)
