"""What every check looks at: the definition before and after a patch, and what the two have in common."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from consumer.model import Json
from consumer.workflows.catalogue import ActionSpec, Limits, ParameterSpec, Place
from consumer.workflows.definition import Action, DefinedStep, Definition
from consumer.workflows.execution import first_name
from consumer.workflows.findings import FailureEvidence
from consumer.workflows.graph import settled_before, succeeded_before
from consumer.workflows.references import WORKFLOW, Reference, parse_reference, templates
from consumer.workflows.runs import RecordedRun
from schemas.json_value import pointer, same
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class DefinitionLeaf:
    """One text, number or truth value of a definition, or the name of a member, and where it stands."""

    where: str
    step: str
    """Its step's id; empty for the workflow's own."""
    action: str
    """The action that takes it; empty where none does."""
    parameter: str
    """The parameter that it stands in; empty where it is none's."""
    found: Json
    is_name: bool = False


@dataclass(frozen=True, kw_only=True)
class DefinitionChange:
    """A definition before and after a patch, and what the patch is judged by."""

    before: Definition
    after: Definition
    evidence: FailureEvidence
    limits: Limits
    failing: RecordedRun | None = None
    good: Sequence[RecordedRun] = ()

    @cached_property
    def settled_before(self) -> Mapping[str, frozenset[str]]:
        """By step of the definition as it was, the steps that have ended when it begins."""
        return settled_before(self.before)

    @cached_property
    def settled_after(self) -> Mapping[str, frozenset[str]]:
        """The same of the changed one."""
        return settled_before(self.after)

    @cached_property
    def succeeded_before(self) -> Mapping[str, frozenset[str]]:
        """By step of the definition as it was, the steps that have ended well whenever it is taken."""
        return succeeded_before(self.before)

    @cached_property
    def succeeded_after(self) -> Mapping[str, frozenset[str]]:
        """The same of the changed one."""
        return succeeded_before(self.after)

    @cached_property
    def known_values(self) -> frozenset[tuple[str, str, str]]:
        """Literals that stood in a parameter of an action before: the action, the parameter, and the value."""
        return frozenset(
            (self.root(leaf.action), leaf.parameter, repr(leaf.found)) for leaf in leaves(self.before) if leaf.action
        )

    def was_known(self, leaf: DefinitionLeaf) -> bool:
        """Return whether a leaf stood in this parameter of this action before."""
        return (self.root(leaf.action), leaf.parameter, repr(leaf.found)) in self.known_values

    def was_given(self, leaf: DefinitionLeaf) -> bool:
        """Return whether each recorded good run gave this parameter this value, which it had from nowhere else.

        What came from the run's input, or from an answer, is no constant of the workflow's.
        """
        action, seen = self.root(leaf.action), False
        for run in self.good:
            answers = [each.parameters for each in run.answers if self.root(each.action) == action]
            given = [each for each in answers if leaf.parameter in each]
            if not given:
                continue
            seen = True
            came_in: list[Json] = [dict(run.input), *(dict(each.output) for each in run.answers)]
            if not all(same(each.get(leaf.parameter), leaf.found) for each in given) or _holds(came_in, leaf.found):
                return False
        return seen

    def is_meant_for(self, reference: Reference, place: Place) -> bool:
        """Return whether what a reference brings in is declared for such a place, or stood in one before."""
        if (reference, place) in self.flows:
            return True
        name = reference.path[0] if reference.path else ""
        if reference.source == WORKFLOW:
            spec = self.limits.inputs.get(name)
        else:
            step = self.after.by_id.get(reference.source)
            of = None if step is None else self.spec(step.action)
            spec = None if of is None or of.outputs is None else of.outputs.get(name)
        return spec is not None and spec.place is place

    @cached_property
    def flows(self) -> frozenset[tuple[Reference, Place]]:
        """References of the definition as it was, with the places that they stand in."""
        return frozenset(
            (reference, self.parameter(leaf).place)
            for leaf in leaves(self.before)
            if leaf.action and isinstance(leaf.found, str)
            for inner in templates(leaf.found)
            if (reference := parse_reference(inner)) is not None
        )

    @cached_property
    def places(self) -> Mapping[str, str]:
        """The pointer to each step of the changed definition, by its id."""
        return {step.id: f"/steps/{number}" for number, step in enumerate(self.after.steps)}

    def where(self, step: str) -> str:
        """Return the pointer to a step; to all of them where it is gone."""
        return self.places.get(step, "/steps")

    def spec(self, action: str) -> ActionSpec | None:
        """Return what the catalogue knows of an action."""
        return self.limits.actions.get(action)

    def root(self, action: str) -> str:
        """Return the earliest action that this one does the work of."""
        return first_name(action, self.limits.actions)

    def parameter(self, leaf: DefinitionLeaf) -> ParameterSpec:
        """Return what the catalogue knows of the parameter that a leaf stands in."""
        spec = self.spec(leaf.action)
        return (None if spec is None else spec.parameter(leaf.parameter)) or ParameterSpec()

    @cached_property
    def new_leaves(self) -> tuple[DefinitionLeaf, ...]:
        """The leaves that did not stand at the same place of the same step before."""
        known = {(leaf.step, _within(leaf.where), leaf.is_name, repr(leaf.found)) for leaf in leaves(self.before)}
        return tuple(
            leaf
            for leaf in leaves(self.after)
            if (leaf.step, _within(leaf.where), leaf.is_name, repr(leaf.found)) not in known
        )


def leaves(definition: Definition) -> Iterator[DefinitionLeaf]:
    """Yield all that a patch can write freely: parameters, conditions, ids, agents, roles, outputs."""
    for number, step in enumerate(definition.steps):
        where = f"/steps/{number}"
        for member, said in (("stepId", step.id), ("agentName", step.agent), ("approval", step.approval)):
            if said:
                yield DefinitionLeaf(where=f"{where}/{member}", step=step.id, action="", parameter="", found=said)
        yield from _of_action(f"{where}/parameters", step.id, step)
        if step.compensation is not None:
            yield from _of_action(f"{where}/compensation/parameters", step.id, step.compensation)
        conditions = {"when": step.when, "assertion": step.assertion}
        conditions["repeat/until"] = None if step.repeat is None else step.repeat.until
        for member, condition in conditions.items():
            if condition is not None:
                for side, found in (("left", condition.left), ("right", condition.right)):
                    yield from _leaves(f"{where}/{member}/{side}", step.id, "", "", found)
    yield from _leaves("/outputs", "", "", "", dict(definition.outputs))
    if definition.on_failure is not None:
        yield DefinitionLeaf(where="/onFailure", step="", action="", parameter="", found=definition.on_failure)


def _of_action(where: str, step: str, action: DefinedStep | Action) -> Iterator[DefinitionLeaf]:
    for name, found in action.parameters.items():
        at = where + pointer([name])
        yield DefinitionLeaf(where=at, step=step, action=action.action, parameter=name, found=name, is_name=True)
        yield from _leaves(at, step, action.action, name, found)


def _leaves(where: str, step: str, action: str, parameter: str, found: Json) -> Iterator[DefinitionLeaf]:
    match found:
        case dict():
            for name, item in found.items():
                at = where + pointer([name])
                yield DefinitionLeaf(where=at, step=step, action=action, parameter=parameter, found=name, is_name=True)
                yield from _leaves(at, step, action, parameter, item)
        case list():
            for number, item in enumerate(found):
                yield from _leaves(f"{where}/{number}", step, action, parameter, item)
        case None:
            pass
        case _:
            yield DefinitionLeaf(where=where, step=step, action=action, parameter=parameter, found=found)


def _holds(document: Json, value: Json) -> bool:
    match document:
        case dict():
            return any(_holds(item, value) for item in document.values())
        case list():
            return any(_holds(item, value) for item in document)
        case str() if isinstance(value, str):
            return value in document
        case _:
            return same(document, value)


def _within(where: str) -> str:
    """Return the pointer within its step: steps may move."""
    return where.split("/", 3)[3] if where.startswith("/steps/") else where
