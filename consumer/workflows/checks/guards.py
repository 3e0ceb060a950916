"""Guards: nothing that protects a run is removed, weakened, or led around."""

from collections.abc import Callable, Iterator, Sequence

from consumer.workflows.checks.change import DefinitionChange
from consumer.workflows.definition import Condition, DefinedStep, Definition, Operator
from consumer.workflows.graph import ValueSet, value_set, written

Found = Sequence[tuple[str, str]]


def assertions(change: DefinitionChange) -> Found:
    """Each assertion is there as it was, and nothing that came after it comes without it."""
    return _kept(change, "assertion", lambda step: step.assertion)


def approvals(change: DefinitionChange) -> Found:
    """The same of approvals."""
    return _kept(change, "approval", lambda step: step.approval)


def _kept(change: DefinitionChange, name: str, guard: Callable[[DefinedStep], object]) -> Found:
    return [
        (change.where(step.id), why)
        for step in change.before.steps
        if guard(step) is not None
        for why in _weakened(change, step, name, guard)
    ]


def _weakened(
    change: DefinitionChange, old: DefinedStep, name: str, guard: Callable[[DefinedStep], object]
) -> Iterator[str]:
    new = change.after.by_id.get(old.id)
    if new is None or guard(new) != guard(old):
        yield f"the {name} of {old.id} is gone or another one"
        return
    if new.when != old.when and not _is_wider(old.when, new.when):
        yield f"the {name} of {old.id} is skipped where it was not"
    if old.required and not new.required:
        yield f"the {name} of {old.id} may fail without a consequence"
    for step in change.before.steps:
        was_after = old.id in change.settled_before[step.id]
        if was_after and step.id in change.after.by_id and old.id not in change.settled_after[step.id]:
            yield f"{step.id} no longer waits for the {name} of {old.id}"
        elif _is_led_around(change, old.id, step.id):
            yield f"{step.id} is taken where {old.id}, with its {name}, is not"


def _is_led_around(change: DefinitionChange, guard: str, step: str) -> bool:
    """Return whether a step may be taken without another that had always ended well before it.

    A join that waited for branches of which one may not be taken has held the step up for good where it was not:
    there the step never ran without it, and it has to stay so.
    """
    return (
        step in change.after.by_id
        and guard in change.succeeded_before[step]
        and guard not in change.succeeded_after[step]
    )


def compensations(change: DefinitionChange) -> Found:
    """Each compensation is there as it was; a new one is the action that undoes its step."""
    found = []
    if change.before.on_failure is not None and change.after.on_failure != change.before.on_failure:
        found.append(("/onFailure", "the workflow that undoes a failed run is gone or another one"))
    for step in change.after.steps:
        old, spec = change.before.by_id.get(step.id), change.spec(step.action)
        was = None if old is None else old.compensation
        if step.compensation is None or step.compensation == was:
            continue
        if spec is None or spec.undone_by != step.compensation.action:
            found.append((f"{change.where(step.id)}/compensation", f"is not what undoes {step.action}"))
    gone = [old.id for old in change.before.steps if old.compensation and not _undoes_the_same(change, old)]
    return found + [(change.where(name), f"the compensation of {name} is gone or another one") for name in gone]


def _undoes_the_same(change: DefinitionChange, old: DefinedStep) -> bool:
    new = change.after.by_id.get(old.id)
    if new is None or new.compensation is None or old.compensation is None:
        return False
    was, now = old.compensation, new.compensation
    return change.root(was.action) == change.root(now.action) and was.parameters == now.parameters


def required(change: DefinitionChange) -> Found:
    """Each required step is there, does the same work, and is taken wherever it was."""
    found = []
    for old in change.before.steps:
        spec = change.spec(old.action)
        if spec is not None and spec.operator and old.id not in change.after.by_id:
            continue
        if not (old.required or (spec is not None and spec.effect)):
            continue
        new = change.after.by_id.get(old.id)
        if new is None:
            found.append(("/steps", f"{old.id} is gone"))
        elif change.root(new.action) != change.root(old.action):
            found.append((f"{change.where(old.id)}/action", f"{old.id} no longer does the work of {old.action}"))
        elif old.required and not new.required:
            found.append((f"{change.where(old.id)}/required", f"{old.id} is no longer required"))
        elif new.when != old.when and not (_is_wider(old.when, new.when) or _is_rerouted(change, old, new)):
            found.append((f"{change.where(old.id)}/when", f"{old.id} is skipped where it was not"))
    return found


def _is_wider(old: Condition | None, new: Condition | None) -> bool:
    """Return whether whatever passed the old condition passes the new one."""
    if new is None:
        return True
    if old is None or written(old.left) != written(new.left):
        return False
    if old.op is new.op and old.op in {Operator.AT_MOST, Operator.AT_LEAST}:
        was, now = old.right, new.right
        if not isinstance(was, int | float) or not isinstance(now, int | float):
            return False
        return now >= was if old.op is Operator.AT_MOST else now <= was
    dropped = _dropped(old, new)
    return dropped is not None and dropped.is_empty


def _dropped(old: Condition, new: Condition) -> ValueSet | None:
    was, now = value_set(old), value_set(new)
    return None if was is None or now is None else was.without(now)


def _is_rerouted(change: DefinitionChange, old: DefinedStep, new: DefinedStep) -> bool:
    """Return whether what no longer takes a step takes another required one instead, which guards it as well."""
    if old.when is None or new.when is None or written(old.when.left) != written(new.when.left):
        return False
    dropped = _dropped(old.when, new.when)
    if dropped is None or dropped.complement or old.approval is not None or old.assertion is not None:
        return False
    return any(_takes_over(change, step, new.when, dropped) for step in change.after.steps)


def _takes_over(change: DefinitionChange, step: DefinedStep, condition: Condition, dropped: ValueSet) -> bool:
    was = change.before.by_id.get(step.id)
    if step.when is None or was is None or not step.required or written(step.when.left) != written(condition.left):
        return False
    now = value_set(step.when)
    left = None if now is None else dropped.without(now)
    return left is not None and left.is_empty


def invariants(change: DefinitionChange) -> Found:
    """What the workflow promises is as it was: its name, inputs, outputs' names, invariants, and the order they ask."""
    before, after = change.before, change.after
    found = []
    if after.name != before.name:
        found.append(("/name", "the workflow has another name"))
    if after.inputs != before.inputs:
        found.append(("/inputs", "its inputs are others"))
    if gone := sorted(before.outputs.keys() - after.outputs.keys()):
        found.append(("/outputs", f"gives {gone[0]} no more"))
    if after.invariants != before.invariants:
        found.append(("/invariants", "an invariant is gone or another one"))
    found.extend(("/steps", f"the order of the invariant {name} is not kept") for name in _unordered(change, after))
    return found


def _unordered(change: DefinitionChange, after: Definition) -> Iterator[str]:
    for invariant in change.before.invariants:
        if invariant.order is not None:
            first, second = invariant.order
            if second not in after.by_id:
                continue
            if first not in change.settled_after[second] or _is_led_around(change, first, second):
                yield invariant.id
