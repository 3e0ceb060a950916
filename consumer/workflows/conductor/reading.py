"""Reads Conductor's form of a definition."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from consumer.model import Json, JsonObject
from consumer.workflows.conductor.words import (
    FORK,
    HUMAN,
    JOIN,
    LOOP,
    NAMED_BY_TYPE,
    SIMPLE,
    SWITCH,
    UnmappedDefinition,
    task_list,
    text_of,
)
from consumer.workflows.definition import (
    Condition,
    DefinedStep,
    Definition,
    Invariant,
    Join,
    Operator,
    Repetition,
    RunBudget,
    UnreadableDefinition,
    first_fault,
)

_NOT_MAPPED: Final = frozenset(
    {"DECISION", "EXCLUSIVE_JOIN", "FORK_JOIN_DYNAMIC", "DYNAMIC", "SUB_WORKFLOW", "TERMINATE", "SET_VARIABLE"}
)
_LOOP: Final = re.compile(
    r"if \((?P<tests>\$\.[\w-]+\['[\w-]+'\] != '[^'\\]*'(?: && \$\.[\w-]+\['[\w-]+'\] != '[^'\\]*')*)"
    r"(?: && \$\.[\w-]+\['iteration'\] < (?P<most>\d{1,6}))?\) \{ ?true;? ?\} else \{ ?false;? ?\}"
)
_TEST: Final = re.compile(r"\$\.(?P<task>[\w-]+)\['(?P<member>[\w-]+)'\] != '(?P<value>[^'\\]*)'")


def definition_of(document: JsonObject, invariants: Sequence[Invariant] = ()) -> Definition:
    """Read Conductor's form; raises UnmappedDefinition."""
    reader = _Reader()
    reader.chain(task_list(document.get("tasks")), (), Join.ALL, None)
    seconds = document.get("timeoutSeconds")
    names = document.get("inputParameters")
    outputs = document.get("outputParameters")
    fields: dict[str, object] = {
        "name": document.get("name"),
        "steps": tuple(reader.steps),
        "inputs": tuple(names) if isinstance(names, list) else (),
        "outputs": outputs if isinstance(outputs, dict) else {},
        "invariants": tuple(invariants),
        "on_failure": document.get("failureWorkflow") or None,
        "budget": RunBudget(max_seconds=seconds) if isinstance(seconds, int) and seconds > 0 else RunBudget(),
    }
    try:
        return Definition.model_validate(fields)
    except ValidationError as error:
        raise UnmappedDefinition(first_fault(error)) from error
    except UnreadableDefinition as error:
        raise UnmappedDefinition(str(error)) from error


@dataclass(slots=True)
class _Reader:
    steps: list[DefinedStep] = field(default_factory=list)

    def chain(
        self, tasks: Sequence[JsonObject], needs: tuple[str, ...], join: Join, when: Condition | None
    ) -> tuple[tuple[str, ...], Join]:
        """Read tasks that run one after the other; gives what comes after them depends on, and how."""
        for task in tasks:
            needs, join = self._task(task, needs, join, when)
            when = None
        return needs, join

    def _task(
        self, task: JsonObject, needs: tuple[str, ...], join: Join, when: Condition | None
    ) -> tuple[tuple[str, ...], Join]:
        kind, name = text_of(task.get("type")) or SIMPLE, text_of(task.get("taskReferenceName"))
        if kind in _NOT_MAPPED:
            raise UnmappedDefinition(f"{name}: a task of type {kind} has no form here")
        if kind == LOOP:
            inner, repeat = _loop(task)
            self._add(inner, needs, join, when, repeat)
            return (text_of(inner.get("taskReferenceName")),), Join.ALL
        if kind == JOIN:
            on = task.get("joinOn")
            joined = tuple(text_of(each) for each in on) if isinstance(on, list) else ()
            self._add(task, joined or needs, Join.ALL, None, None)
            return (name,), Join.ALL
        self._add(task, needs, join, when, None)
        if kind == FORK:
            forks = task.get("forkTasks")
            for branch in forks if isinstance(forks, list) else []:
                self.chain(task_list(branch), (name,), Join.ALL, None)
        if kind == SWITCH:
            return self._branches(task, name)
        return (name,), Join.ALL

    def _branches(self, task: JsonObject, name: str) -> tuple[tuple[str, ...], Join]:
        found, cases = task.get("inputParameters"), task.get("decisionCases")
        parameter = text_of(task.get("expression"))
        if task.get("evaluatorType") != "value-param" or not isinstance(found, dict) or parameter not in found:
            raise UnmappedDefinition(f"{name}: only a SWITCH by the value of a parameter has a form here")
        left = found[parameter]
        tails: list[str] = []
        listed = cases if isinstance(cases, dict) else {}
        branches = [
            (Condition(left=left, op=Operator.EQUALS, right=value), task_list(tasks)) for value, tasks in listed.items()
        ]
        other = Condition(left=left, op=Operator.NONE_OF, right=list(listed))
        branches.append((other, task_list(task.get("defaultCase"))))
        for condition, tasks in branches:
            ends = self.chain(tasks, (name,), Join.ALL, condition)[0] if tasks else (name,)
            tails += [each for each in ends if each not in tails]
        return tuple(tails), Join.TAKEN if len(tails) > 1 else Join.ALL

    def _add(
        self,
        task: JsonObject,
        needs: tuple[str, ...],
        join: Join,
        when: Condition | None,
        repeat: Repetition | None,
    ) -> None:
        kind, name = text_of(task.get("type")) or SIMPLE, text_of(task.get("name"))
        fields: dict[str, object] = {
            "id": task.get("taskReferenceName"),
            "engine": kind,
            "action": kind if kind in NAMED_BY_TYPE else name,
            "parameters": task.get("inputParameters") or {},
            "dependencies": needs,
            "join": join,
            "when": when,
            "repeat": repeat,
            "retries": max(0, count) if isinstance(count := task.get("retryCount"), int) else 0,
            "required": task.get("optional") is not True,
            "approval": name if kind == HUMAN else None,
        }
        try:
            self.steps.append(DefinedStep.model_validate(fields))
        except ValidationError as error:
            raise UnmappedDefinition(f"a task: {first_fault(error)}") from error


def _loop(task: JsonObject) -> tuple[JsonObject, Repetition]:
    name, inner = text_of(task.get("taskReferenceName")), task_list(task.get("loopOver"))
    found = _LOOP.fullmatch(text_of(task.get("loopCondition")).strip())
    if len(inner) != 1 or found is None:
        raise UnmappedDefinition(f"{name}: only a loop over one task, until a member of its output, has a form here")
    tests = list(_TEST.finditer(found["tests"]))
    reference = text_of(inner[0].get("taskReferenceName"))
    if {(each["task"], each["member"]) for each in tests} != {(reference, tests[0]["member"])}:
        raise UnmappedDefinition(f"{name}: only a loop that waits for one member of its task has a form here")
    left = f"${{{reference}.output.{tests[0]['member']}}}"
    values: list[Json] = [each["value"] for each in tests]
    if len(values) == 1:
        until = Condition(left=left, op=Operator.EQUALS, right=values[0])
    else:
        until = Condition(left=left, op=Operator.ONE_OF, right=values)
    most = found["most"]
    return inner[0], Repetition(until=until, at_most=None if most is None else max(1, int(most)))
