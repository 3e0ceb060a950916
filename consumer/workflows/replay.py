"""Replays recorded runs on a definition: good ones have to stay as they were, the failing one has to reach its end."""

from collections import Counter
from collections.abc import Mapping, Sequence

from consumer.workflows.catalogue import ActionSpec, Limits
from consumer.workflows.definition import Definition, Invariant
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
