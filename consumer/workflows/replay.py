"""Replays recorded runs on a definition: good ones have to stay as they were, the failing one has to reach its end."""

from collections import Counter
from collections.abc import Mapping, Sequence

from consumer.workflows.catalogue import ActionSpec, Limits
from consumer.workflows.definition import DefinedStep, Definition, Invariant
from consumer.workflows.execution import ExecutedRun, StepEnd, execute, first_name
from consumer.workflows.findings import PatchFinding, PatchRule
from consumer.workflows.references import Unresolved, holds, sources
from consumer.workflows.runs import RecordedRun
from schemas.json_value import same


def replay(
    definition: Definition, *, failing: RecordedRun | None, good: Sequence[RecordedRun], limits: Limits
) -> tuple[PatchFinding, ...]:
    """Return what speaks against a definition in its recorded runs."""
    runs = [(PatchRule.GOOD_RUN, run) for run in good]
    runs += [] if failing is None else [(PatchRule.FAILING_RUN, failing)]
    found = ((rule, run.id, _fault(definition, run, limits.actions)) for rule, run in runs)
    return tuple(PatchFinding(rule=rule, where=name, why=why) for rule, name, why in found if why is not None)


def unexercised(
    before: Definition, after: Definition, runs: Sequence[RecordedRun], limits: Limits
) -> tuple[PatchFinding, ...]:
    """Return the steps that are others than they were, and that no recorded run takes.

    What a run does is proven by its answers; of a branch that none takes, nobody knows what another account, order or
    prompt on it would do. More patience (retries, a longer time) is bounded by rules of its own, and needs none.
    """
    executed = [execute(after, run, limits.actions) for run in runs]
    found = []
    for number, step in enumerate(after.steps):
        changed = _changed_members(before.by_id.get(step.id), step)
        if changed == {"compensation"}:
            taken = any(step.id in ran.undone for ran in executed)
        elif changed <= {"when"}:  # that it is skipped shows as much
            taken = not changed or any(step.id in ran.steps for ran in executed)
        else:
            taken = any(ran.steps[step.id].end is not StepEnd.SKIPPED for ran in executed if step.id in ran.steps)
        if not taken:
            why = f"no recorded run shows what {step.id} does now: leave it as it was"
            found.append(PatchFinding(rule=PatchRule.EXERCISED, where=f"/steps/{number}", why=why))
    return tuple(found)


def _changed_members(old: DefinedStep | None, new: DefinedStep) -> set[str]:
    """Return the members in which a step is another one; of more patience it is not."""
    if old is None:
        return set(DefinedStep.model_fields)
    changed = {name for name in DefinedStep.model_fields if getattr(old, name) != getattr(new, name)}
    if new.retries > old.retries:
        changed -= {"retries"}
    if old.timeout_seconds is not None and (new.timeout_seconds or 0) > old.timeout_seconds:
        changed -= {"timeout_seconds"}
    return changed


def broken_invariant(definition: Definition, run: ExecutedRun) -> str | None:
    """Return the id of an invariant that a run breaks, or None."""
    return next((each.id for each in definition.invariants if not _kept(each, run)), None)


def _fault(definition: Definition, run: RecordedRun, actions: Mapping[str, ActionSpec]) -> str | None:
    ran = execute(definition, run, actions)
    if ran.ending is not run.ends:
        return f"ends {ran.ending}, and not {run.ends}: {ran.why}" if ran.why else f"ends {ran.ending}"
    if run.outputs is not None and not same(ran.outputs, run.outputs):
        return "gives another output"
    if run.effects is not None:
        wanted = Counter(first_name(action, actions) for action in run.effects)
        if Counter(ran.effects) != wanted:
            return f"has other effects: {', '.join(ran.effects) or 'none'}"
    broken = broken_invariant(definition, ran)
    return None if broken is None else f"breaks the invariant {broken}"


def _kept(invariant: Invariant, run: ExecutedRun) -> bool:
    if invariant.order is not None:
        first, second = (run.steps.get(name) for name in invariant.order)
        if second is not None and second.end is not StepEnd.SKIPPED:
            return first is not None and first.end is StepEnd.SUCCEEDED and first.ended <= second.began
    if invariant.holds is None:
        return True
    named = sources(invariant.holds.left) | sources(invariant.holds.right)
    steps = [run.steps.get(name) for name in named - {"workflow"}]
    if any(step is None or step.end is not StepEnd.SUCCEEDED for step in steps):
        return True
    try:
        return holds(invariant.holds, run.context)
    except Unresolved:
        return False
