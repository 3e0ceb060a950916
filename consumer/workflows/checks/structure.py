"""Structure: the changed definition can run, each of its steps can be taken, and it ends."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from consumer.model import Json
from consumer.workflows.catalogue import ActionSpec, ParameterSpec
from consumer.workflows.checks.change import DefinitionChange
from consumer.workflows.definition import Action, Condition, DefinedStep, Join
from consumer.workflows.graph import conditions_of, contradiction, find_cycle
from consumer.workflows.references import WORKFLOW, Reference, parse_reference, sources, templates
from schemas.json_value import pointer, same

Found = Sequence[tuple[str, str]]
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def schema(change: DefinitionChange) -> Found:
    """Ids stand once; actions are the catalogue's, with the parameters that it names and values of their types."""
    twice = [name for name, count in Counter(step.id for step in change.after.steps).items() if count > 1]
    found = [("/steps", f"two steps have the id {name}") for name in twice]
    for number, step in enumerate(change.after.steps):
        found.extend(_action_faults(change, f"/steps/{number}", step))
        if step.compensation is not None:
            found.extend(_action_faults(change, f"/steps/{number}/compensation", step.compensation))
    return found


def _action_faults(change: DefinitionChange, where: str, action: DefinedStep | Action) -> Iterator[tuple[str, str]]:
    spec = change.spec(action.action)
    if spec is None:
        yield f"{where}/action", f"the catalogue has no action {action.action}"
        return
    for name in sorted(name for name in action.parameters if spec.parameter(name) is None):
        yield where + pointer(["parameters", name]), f"{action.action} takes no parameter of this name"
    for name, of_it in spec.parameters.items():
        if name not in action.parameters:
            if of_it.required and name != "*":
                yield f"{where}/parameters", f"{action.action} needs {name}"
        elif not _fits(of_it, action.parameters[name]):
            yield where + pointer(["parameters", name]), f"{name} of {action.action} takes no such value"


def _fits(spec: ParameterSpec, found: Json) -> bool:
    if isinstance(found, str) and "${" in found:
        return True
    if spec.values:
        return any(same(found, each) for each in spec.values)
    types = _TYPES.get(spec.type)
    if types is None:
        return True
    return isinstance(found, types) and (spec.type == "boolean" or not isinstance(found, bool))


def acyclic(change: DefinitionChange) -> Found:
    """No step waits for itself."""
    circle = find_cycle(change.after)
    return [(change.where(circle[0]), f"wait for each other: {' -> '.join(circle)}")] if circle else ()


def reachable(change: DefinitionChange) -> Found:
    """What a step waits for exists, and its conditions do not exclude each other."""
    found = []
    conditions = conditions_of(change.after)
    for step in change.after.steps:
        gone = [need for need in step.dependencies if need not in change.after.by_id]
        if gone:
            found.append((f"{change.where(step.id)}/dependencies", f"there is no step {gone[0]}"))
        elif step.when is not None and not sources(step.when.left) | sources(step.when.right):
            found.append((f"{change.where(step.id)}/when", "a condition that looks at nothing of the run"))
        elif step.join is not Join.ALL or len(step.dependencies) < 2 or step.when is not None:  # noqa: PLR2004 - else: joins
            never = contradiction(conditions[step.id])
            if never is not None:
                found.append((change.where(step.id), f"is never taken: its conditions on {never} exclude each other"))
    return found


def terminating(change: DefinitionChange) -> Found:
    """A step that repeats has a number of times at most, and waits for something of its own output."""
    found = []
    for step in change.after.steps:
        if step.repeat is None:
            continue
        where = f"{change.where(step.id)}/repeat"
        if step.repeat.at_most is None:
            found.append((where, "repeats without an end"))
        elif step.id not in sources(step.repeat.until.left) | sources(step.repeat.until.right):
            found.append((where, "waits for what its own output does not change"))
    return found


def joins(change: DefinitionChange) -> Found:
    """A step that waits for all of several steps waits for such as are taken together."""
    conditions = conditions_of(change.after)
    found = []
    for step in change.after.steps:
        needs = [conditions.get(need, frozenset()) for need in step.dependencies]
        if step.join is Join.ALL and len(set(needs)) > 1:
            why = "waits for steps of which one may be taken without the other"
            found.append((f"{change.where(step.id)}/dependencies", why))
    return found


def references(change: DefinitionChange) -> Found:
    """A template refers to an input of the workflow, or to the output of a step that has ended by then."""
    found = []
    for number, step in enumerate(change.after.steps):
        before = change.settled_after[step.id]
        for member, document, own in _templates_of(step):
            why = _unresolvable(change, document, before | {step.id} if own else before)
            if why is not None:
                found.append((f"/steps/{number}/{member}", why))
    why = _unresolvable(change, dict(change.after.outputs), frozenset(change.after.by_id))
    return found if why is None else [*found, ("/outputs", why)]


def _templates_of(step: DefinedStep) -> Iterator[tuple[str, Json, bool]]:
    yield "parameters", dict(step.parameters), False
    if step.compensation is not None:
        yield "compensation", dict(step.compensation.parameters), True
    if step.when is not None:
        yield "when", _sides(step.when), False
    if step.assertion is not None:
        yield "assertion", _sides(step.assertion), True
    if step.repeat is not None:
        yield "repeat", _sides(step.repeat.until), True


def _sides(condition: Condition) -> Json:
    return [condition.left, condition.right]


def _unresolvable(change: DefinitionChange, document: Json, before: frozenset[str]) -> str | None:
    for inner in templates(document):
        reference = parse_reference(inner)
        if reference is None:
            return "a template that refers to nothing"
        why = _missing(change, reference, before)
        if why is not None:
            return why
    return None


def _missing(change: DefinitionChange, reference: Reference, before: frozenset[str]) -> str | None:
    if reference.source == WORKFLOW:
        known = not change.after.inputs or (reference.path and reference.path[0] in change.after.inputs)
        return None if known and reference.side == "input" else "refers to an input that the workflow does not have"
    step = change.after.by_id.get(reference.source)
    if step is None or reference.side != "output":
        return f"refers to {reference.source}, of which there is no output"
    if reference.source not in before:
        return f"refers to {reference.source}, which need not have ended by then"
    outputs = _outputs(change.spec(step.action))
    if outputs is not None and (not reference.path or reference.path[0] not in outputs):
        return f"refers to what {step.action} does not give"
    return None


def _outputs(spec: ActionSpec | None) -> frozenset[str] | None:
    return None if spec is None or spec.outputs is None else frozenset(spec.outputs)
