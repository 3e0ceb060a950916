"""Writes Conductor's form of a definition, on the document that it came from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from consumer.model import Json, JsonObject
from consumer.workflows.conductor.words import (
    FORK,
    JOIN,
    LOOP,
    NAMED_BY_TYPE,
    SWITCH,
    UnmappedDefinition,
    task_list,
    text_of,
)
from consumer.workflows.definition import (
    Condition,
    DefinedStep,
    Definition,
    Join,
    Operator,
)
from consumer.workflows.references import parse_reference, templates

_OURS: Final = frozenset(
    {
        *("name", "taskReferenceName", "type", "inputParameters", "optional", "retryCount", "forkTasks", "joinOn"),
        *("decisionCases", "defaultCase", "evaluatorType", "expression", "loopCondition", "loopOver"),
    }
)
_PLAIN: Final = re.compile(r"[\w-]+")


def document_of(definition: Definition, original: JsonObject) -> JsonObject:
    """Write Conductor's form, on the document that the definition came from; raises UnmappedDefinition."""
    roots = [step.id for step in definition.steps if not step.dependencies]
    if len(roots) != 1:
        raise UnmappedDefinition(f"Conductor begins with one task, and {len(roots)} steps depend on none")
    writer = _Writer(definition=definition, original=_by_reference(task_list(original.get("tasks"))))
    tasks, left = writer.chain(roots[0])
    missed = [step.id for step in definition.steps if step.id not in writer.done]
    if left is not None or missed:
        raise UnmappedDefinition(f"{left or missed[0]} stands in no branch that Conductor could run")
    document: JsonObject = {**original, "name": definition.name, "tasks": [*tasks]}
    document["inputParameters"] = list(definition.inputs)
    document["outputParameters"] = dict(definition.outputs)
    document["timeoutSeconds"] = definition.budget.max_seconds or 0
    document.pop("failureWorkflow", None)
    if definition.on_failure is not None:
        document["failureWorkflow"] = definition.on_failure
    return document


def _by_reference(tasks: Sequence[JsonObject]) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    for task in tasks:
        found[text_of(task.get("taskReferenceName"))] = task
        cases = task.get("decisionCases")
        nested = [task.get("loopOver"), task.get("defaultCase"), *(cases.values() if isinstance(cases, dict) else ())]
        forks = task.get("forkTasks")
        nested += forks if isinstance(forks, list) else []
        for each in nested:
            found |= _by_reference(task_list(each))
    return found


@dataclass(slots=True, kw_only=True)
class _Writer:
    definition: Definition
    original: Mapping[str, JsonObject]
    done: set[str] = field(default_factory=set)

    def chain(self, first: str) -> tuple[list[JsonObject], str | None]:
        """Write steps that run one after the other; gives the join that they lead to, where there is one."""
        tasks: list[JsonObject] = []
        current: str | None = first
        while current is not None:
            step = self.definition.by_id[current]
            if current in self.done:
                raise UnmappedDefinition(f"{current}: waits for itself, or stands in two branches")
            self.done.add(current)
            before = frozenset(self.done)
            after = self._after(current)
            if step.action == FORK:
                task, current = self._fork(step, after)
                tasks.append(task)
                continue
            if step.action == SWITCH:
                task, following = self._switch(step, after)
                within = self.done - before | {step.id}
                ends_here = following is None or not within.issuperset(self.definition.by_id[following].dependencies)
            else:
                task, following = self._task(step), self._only(current, after)
                ends_here = following is None or len(self.definition.by_id[following].dependencies) > 1
            tasks.append(task)
            if following is None or ends_here or self.definition.by_id[following].action == JOIN:
                return tasks, following
            current = following
        return tasks, None

    def _after(self, name: str) -> list[DefinedStep]:
        return [step for step in self.definition.steps if name in step.dependencies]

    def _only(self, name: str, after: Sequence[DefinedStep]) -> str | None:
        if len(after) > 1:
            raise UnmappedDefinition(f"{name}: only a FORK has two steps follow, and only a SWITCH chooses")
        if not after:
            return None
        step = after[0]
        if step.action != JOIN and (
            step.when is not None or (len(step.dependencies) > 1 and step.join is not Join.TAKEN)
        ):
            raise UnmappedDefinition(f"{step.id}: Conductor waits for several tasks in a JOIN, and chooses in a SWITCH")
        return step.id

    def _fork(self, step: DefinedStep, after: Sequence[DefinedStep]) -> tuple[JsonObject, str]:
        branches, joins = [], set[str]()
        for head in after:
            if head.dependencies != (step.id,) or head.when is not None:
                raise UnmappedDefinition(f"{head.id}: the first of a branch depends on its FORK alone")
            tasks, joined = self.chain(head.id)
            branches.append(tasks)
            joins |= set() if joined is None else {joined}
        if len(joins) != 1 or self.definition.by_id[min(joins)].action != JOIN:
            raise UnmappedDefinition(f"{step.id}: its branches do not lead to one JOIN")
        return self._task(step) | {"forkTasks": [[*branch] for branch in branches]}, min(joins)

    def _switch(self, step: DefinedStep, after: Sequence[DefinedStep]) -> tuple[JsonObject, str | None]:
        cases: dict[str, Json] = {}
        other: list[Json] = []
        following: set[str] = set()
        conditions = [head.when for head in after if head.when is not None]
        for head in after:
            if head.when is None:
                following.add(head.id)
                continue
            tasks, led_to = self.chain(head.id)
            following |= set() if led_to is None else {led_to}
            if head.when.op is Operator.EQUALS and isinstance(head.when.right, str):
                cases[head.when.right] = [*tasks]
            elif head.when.op is Operator.NONE_OF and not other:
                other = [*tasks]
            else:
                raise UnmappedDefinition(f"{head.id}: a SWITCH takes a branch by one text, or by none of the others")
        lefts = {str(condition.left) for condition in conditions}
        defaults = [condition.right for condition in conditions if condition.op is Operator.NONE_OF]
        if len(lefts) > 1 or any(set(right) != set(cases) for right in defaults if isinstance(right, list)):
            raise UnmappedDefinition(f"{step.id}: its branches are not chosen by one value")
        if len(following) > 1:
            raise UnmappedDefinition(f"{step.id}: its branches lead to different steps")
        parameter = self._parameter(step, conditions)
        task = self._task(step) | {"evaluatorType": "value-param", "expression": parameter}
        return task | {"decisionCases": cases, "defaultCase": other}, next(iter(following), None)

    def _parameter(self, step: DefinedStep, conditions: Sequence[Condition]) -> str:
        left = conditions[0].left if conditions else None
        known = text_of(self.original.get(step.id, {}).get("expression"))
        for name in (known, *step.parameters):
            if name in step.parameters and (left is None or step.parameters[name] == left):
                return name
        raise UnmappedDefinition(f"{step.id}: none of its parameters is what its branches are chosen by")

    def _task(self, step: DefinedStep) -> JsonObject:
        unmapped: dict[str, object] = {"timeoutSeconds": step.timeout_seconds, "assertion": step.assertion}
        unmapped |= {"compensation": step.compensation, "agentName": step.agent or None}
        held = next((name for name, found in unmapped.items() if found is not None), None)
        if held is not None:
            raise UnmappedDefinition(f"{step.id}: Conductor has no {held} of one task")
        before = self.original.get(step.id, {})
        name = step.action
        if step.action in NAMED_BY_TYPE:
            name = step.approval or text_of(before.get("name")) or step.id
        task: JsonObject = {key: found for key, found in before.items() if key not in _OURS}
        task |= {"name": name, "taskReferenceName": step.id, "type": step.engine}
        task |= {"inputParameters": dict(step.parameters), "optional": not step.required}
        if step.retries or "retryCount" in before:
            task["retryCount"] = step.retries
        if step.action == JOIN:
            task["joinOn"] = list(step.dependencies)
        return task if step.repeat is None else self._looped(step, task)

    def _looped(self, step: DefinedStep, task: JsonObject) -> JsonObject:
        around = next((each for each in self.original.values() if _loops_over(each, step.id)), {})
        name = text_of(around.get("taskReferenceName")) or f"{step.id}_loop"
        condition = _loop_condition(step, name)
        loop: JsonObject = {key: found for key, found in around.items() if key not in _OURS}
        loop |= {"name": name, "taskReferenceName": name, "type": LOOP, "inputParameters": {}}
        return loop | {"loopCondition": condition, "loopOver": [task]}


def _loops_over(task: JsonObject, name: str) -> bool:
    return any(each.get("taskReferenceName") == name for each in task_list(task.get("loopOver")))


def _loop_condition(step: DefinedStep, loop: str) -> str:
    repeat = step.repeat
    if repeat is None:
        raise UnmappedDefinition(f"{step.id}: does not repeat")
    tests = list(_loop_tests(step, repeat.until))
    if repeat.at_most is not None:
        tests.append(f"$.{loop}['iteration'] < {repeat.at_most}")
    return f"if ({' && '.join(tests)}) {{ true; }} else {{ false; }}"


def _loop_tests(step: DefinedStep, until: Condition) -> Iterator[str]:
    inner = list(templates(until.left))
    reference = parse_reference(inner[0]) if len(inner) == 1 else None
    values = until.right if until.op is Operator.ONE_OF else [until.right]
    fits = until.op in {Operator.EQUALS, Operator.ONE_OF} and isinstance(values, list) and bool(values)
    if not fits or reference is None or reference.source != step.id or len(reference.path) != 1:
        raise UnmappedDefinition(f"{step.id}: Conductor's loop waits for one member of its task to be a text")
    for value in values if isinstance(values, list) else []:
        if not isinstance(value, str) or "'" in value or "\\" in value or not _PLAIN.fullmatch(reference.path[0]):
            raise UnmappedDefinition(f"{step.id}: Conductor's loop waits for a plain text")
        yield f"$.{step.id}['{reference.path[0]}'] != '{value}'"
