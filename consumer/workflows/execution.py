"""Runs a definition over recorded answers, in virtual time: pure, the same each time, and with an end.

A step begins as soon as what it depends on has ended, side by side with others, and takes as long as its recorded
answer took: so an order that only luck had kept shows. What no answer is recorded for ends the run as UNKNOWN.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from consumer.model import Json, JsonObject
from consumer.workflows.catalogue import ActionSpec
from consumer.workflows.definition import DefinedStep, Definition, Join
from consumer.workflows.references import Unresolved, holds, resolve
from consumer.workflows.runs import Ending, RecordedAnswer, RecordedRun
from schemas.json_value import same
from schemas.value import value

MOST_CALLS: Final = 5000
"""Of one run: beyond that it counts as one without an end."""


class StepEnd(Enum):
    """How a step ended."""

    SUCCEEDED = auto()
    PASSED_OVER = auto()
    """It failed, and is not required."""
    FAILED = auto()
    SKIPPED = auto()


@value(frozen=True, slots=True, kw_only=True)
class RanStep:
    """One step of an executed run."""

    began: float
    ended: float
    end: StepEnd


@value(frozen=True, slots=True, kw_only=True)
class ExecutedRun:
    """What came of a run."""

    ending: Ending
    why: str
    outputs: JsonObject
    steps: Mapping[str, RanStep]
    effects: tuple[str, ...]
    """Actions with an effect that succeeded, compensations included, as the catalogue's first name for each."""
    context: Mapping[str, Json]
    undone: frozenset[str]
    """Steps whose compensation was carried out."""


class _Stop(Exception):
    def __init__(self, ending: Ending, why: str) -> None:
        super().__init__(why)
        self.ending = ending
        self.why = why


class _StepFailed(Exception):
    def __init__(self, why: str, *, may_pass: bool, seconds: float) -> None:
        super().__init__(why)
        self.may_pass = may_pass
        self.seconds = seconds


def execute(definition: Definition, run: RecordedRun, actions: Mapping[str, ActionSpec]) -> ExecutedRun:
    """Run a definition on a run's input and answers."""
    machine = _Machine(definition=definition, run=run, actions=actions)
    try:
        machine.go()
        outputs = resolve(dict(definition.outputs), machine.context)
        ending, why = Ending.COMPLETED, ""
    except Unresolved as error:
        outputs, ending, why = {}, Ending.FAILED, f"an output refers to {error}, which is not there"
    except _Stop as stop:
        outputs, ending, why = {}, stop.ending, stop.why
    return ExecutedRun(
        ending=ending,
        why=why,
        outputs=outputs if isinstance(outputs, dict) else {},
        steps=machine.ended,
        effects=tuple(machine.effects),
        context=machine.context,
        undone=frozenset(machine.undone),
    )


def first_name(action: str, actions: Mapping[str, ActionSpec]) -> str:
    """Return the earliest action that this one does the work of."""
    seen = {action}
    while (spec := actions.get(action)) is not None and spec.replaces and spec.replaces[0] not in seen:
        action = spec.replaces[0]
        seen.add(action)
    return action


@dataclass(slots=True, kw_only=True)
class _Machine:
    definition: Definition
    run: RecordedRun
    actions: Mapping[str, ActionSpec]
    ended: dict[str, RanStep] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    undone: set[str] = field(default_factory=set)
    context: dict[str, Json] = field(default_factory=dict)
    _taken: set[int] = field(default_factory=set)
    _calls: int = 0
    _running: dict[str, tuple[RanStep, Json, str]] = field(default_factory=dict)

    def go(self) -> None:
        """Run until nothing runs and nothing more can begin."""
        self.context["workflow"] = {"input": dict(self.run.input)}
        now = 0.0
        while True:
            while self._begin_what_is_ready(now):
                pass
            if not self._running:
                break
            now = min(ran.ended for ran, _, _ in self._running.values())
            most = self.definition.budget.max_seconds
            if most is not None and now > most:
                raise _Stop(Ending.FAILED, f"takes longer than its budget of {most} s")
            for name in [name for name, (ran, _, _) in self._running.items() if ran.ended <= now]:
                self._end(name)
        waiting = [step.id for step in self.definition.steps if step.id not in self.ended]
        if waiting:
            raise _Stop(Ending.STUCK, f"{waiting[0]} waits for what never comes")

    def _begin_what_is_ready(self, now: float) -> bool:
        begun = False
        for step in self.definition.steps:
            if step.id in self.ended or step.id in self._running or not self._is_ready(step):
                continue
            begun = True
            if self._is_skipped(step):
                self.ended[step.id] = RanStep(began=now, ended=now, end=StepEnd.SKIPPED)
                self.context[step.id] = {"output": None}
            else:
                self._begin(step, now)
        return begun

    def _is_ready(self, step: DefinedStep) -> bool:
        ends = [self.ended[need].end if need in self.ended else None for need in step.dependencies]
        if not ends or (None not in ends and set(ends) == {StepEnd.SKIPPED}):
            return True
        succeeded = {StepEnd.SUCCEEDED, StepEnd.PASSED_OVER}
        match step.join:
            case Join.ALL:
                return all(end in succeeded for end in ends)
            case Join.TAKEN:
                return None not in ends
            case Join.ANY:
                return any(end in succeeded for end in ends)

    def _is_skipped(self, step: DefinedStep) -> bool:
        if step.dependencies and all(
            need in self.ended and self.ended[need].end is StepEnd.SKIPPED for need in step.dependencies
        ):
            return True
        try:
            return step.when is not None and not holds(step.when, self.context)
        except Unresolved as error:
            raise _Stop(Ending.FAILED, f"{step.id}: its condition refers to {error}, which is not there") from error

    def _begin(self, step: DefinedStep, now: float) -> None:
        took, tries = 0.0, 0
        while True:
            try:
                output, seconds = self._act(step)
                end, why, took = StepEnd.SUCCEEDED, "", took + seconds
            except _StepFailed as error:
                took += error.seconds
                tries += 1
                if error.may_pass and tries <= step.retries:
                    continue
                end = StepEnd.FAILED if step.required else StepEnd.PASSED_OVER
                output, why = None, str(error)
            break
        self._running[step.id] = (RanStep(began=now, ended=now + took, end=end), output, why)

    def _act(self, step: DefinedStep) -> tuple[Json, float]:
        took = 0.0
        for turn in range(1, MOST_CALLS + 1):
            try:
                parameters = resolve(dict(step.parameters), self.context)
            except Unresolved as error:
                raise _StepFailed(f"refers to {error}, which is not there", may_pass=False, seconds=took) from error
            answer = self._answer(step.id, step.engine, step.action, parameters)
            took += answer.seconds
            if step.timeout_seconds is not None and answer.seconds > step.timeout_seconds:
                raise _StepFailed("timed out", may_pass=True, seconds=float(step.timeout_seconds))
            if answer.error is not None:
                raise _StepFailed(answer.error, may_pass=answer.may_pass, seconds=took)
            output: Json = dict(answer.output)
            within = {**self.context, step.id: {"output": output}}
            try:
                if step.assertion is not None and not holds(step.assertion, within):
                    raise _StepFailed("its assertion does not hold", may_pass=False, seconds=took)
                if step.repeat is None or holds(step.repeat.until, within):
                    return output, took
            except Unresolved as error:
                raise _StepFailed(f"refers to {error}, which is not there", may_pass=False, seconds=took) from error
            if step.repeat.at_most is not None and turn >= step.repeat.at_most:
                raise _StepFailed("repeated as often as it may, for nothing", may_pass=False, seconds=took)
        raise _Stop(Ending.STUCK, f"{step.id} repeats without an end")

    def _answer(self, step: str, engine: str, action: str, parameters: Json) -> RecordedAnswer:
        self._calls += 1
        if self._calls > MOST_CALLS:
            raise _Stop(Ending.STUCK, f"{step}: more than {MOST_CALLS} calls in one run")
        spec = self.actions.get(action)
        if spec is not None and engine not in spec.engines:
            raise _StepFailed(f"{engine} does not serve {action}", may_pass=False, seconds=0.0)
        if spec is not None and spec.operator:
            return RecordedAnswer(action=action, seconds=0.0)
        names = {action, *(() if spec is None else spec.replaces)}
        done = {self.definition.by_id[name].action for name, ran in self.ended.items() if ran.end is StepEnd.SUCCEEDED}
        fitting = [
            number
            for number, each in enumerate(self.run.answers)
            if each.action in names and each.engine in {None, engine} and same(each.parameters, parameters)
            if done.issuperset(each.after)
        ]
        # What was recorded of the action itself comes before what was of those that it replaces.
        fitting = [number for number in fitting if self.run.answers[number].action == action] or fitting
        if not fitting:
            raise _Stop(Ending.UNKNOWN, f"{step}: no answer is recorded for {action} with these parameters")
        number = next((number for number in fitting if number not in self._taken), fitting[-1])
        self._taken.add(number)
        answer = self.run.answers[number]
        if answer.error is None and spec is not None and spec.effect:
            self.effects.append(first_name(action, self.actions))
        return answer

    def _end(self, name: str) -> None:
        ran, output, why = self._running.pop(name)
        self.ended[name] = ran
        self.context[name] = {"output": output}
        if ran.end is StepEnd.FAILED:
            raise self._undo(f"{name}: {why}")

    def _undo(self, why: str) -> _Stop:
        """Undo what a failed run has done, the last first."""
        self.ended |= {name: ran for name, (ran, _, _) in self._running.items()}
        self.context |= {name: {"output": output} for name, (_, output, _) in self._running.items()}
        done = [self.definition.by_id[name] for name, ran in self.ended.items() if ran.end is StepEnd.SUCCEEDED]
        left = [step for step in done if (spec := self.actions.get(step.action)) is not None and spec.effect]
        try:
            for step in reversed(left):
                if step.compensation is None:
                    continue
                undo = step.compensation
                self._answer(step.id, undo.engine, undo.action, resolve(dict(undo.parameters), self.context))
                self.undone.add(step.id)
            if self.definition.on_failure is not None:
                self._answer("the failure's workflow", "workflow", self.definition.on_failure, {})
                return _Stop(Ending.COMPENSATED, why)
        except (_StepFailed, Unresolved) as error:
            return _Stop(Ending.FAILED, f"{why}; and could not be undone: {error}")
        except _Stop as stop:
            return stop
        undone = all(step.compensation is not None for step in left)
        return _Stop(Ending.COMPENSATED if undone else Ending.FAILED, why)
